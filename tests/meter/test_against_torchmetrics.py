"""What scikit-learn does not measure, against torchmetrics, on random examples.

Where the two measure different things by design, what is drawn leaves that out:

* Which of two equal scores comes first torchmetrics doesn't say. So equal scores are
  equally relevant here, and the answer is the same whichever comes first.
* Its retrieval precision counts no score that is 0 or below; here all are above.
* Its calibration gives a confidence of exactly 1 a bin of its own, which is in the last
  bin here; so none is.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional import classification, retrieval

from tntjax.meter import (
    BinnedAPMeter,
    BinnedAUCMeter,
    CalibrationErrorMeter,
    MultiLabelConfusionMeter,
    PrecisionAtKMeter,
)

SIZE, TOPK = 40, (1, 3, 6)
many_examples = settings(max_examples=50)
seeds = st.integers(0, 2**32 - 1)
some_bins = st.sampled_from([1, 2, 10, 15, 16])
NORMS = {"l1": "expected", "max": "largest"}


def tensors(output, target):
    """Wide, so that what differs is not their rounding."""
    return torch.tensor(output, dtype=torch.float64), torch.tensor(target)


def in_two(meter, *batch, mask):
    """The meter with the first rows added, merged with one of the others."""
    parts = (
        meter.add(*(part[rows] for part in batch), mask=mask[rows])
        for rows in (slice(SIZE // 3), slice(SIZE // 3, None))
    )
    return next(parts).merge(next(parts))


def binary(seed):
    """Scores with ties, some on edges of bins; now and then one class alone."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 16, SIZE) / 16 if seed % 2 else rng.random(SIZE)
    targets = rng.random(SIZE) < rng.choice([0, 0.1, 0.5, 1])
    mask = rng.random(SIZE) < rng.choice([0.1, 0.7, 1])
    mask[rng.integers(SIZE)] = True
    return scores.astype(np.float32), targets.astype(np.int32), mask


def queries(seed):
    """Few levels of scores above 0, each relevant as a whole or not; or many levels."""
    rng = np.random.default_rng(seed)
    levels = rng.choice([4, 1000])
    level, relevant = rng.integers(levels, size=(SIZE, 9)), rng.random((SIZE, levels))
    targets = np.take_along_axis(relevant < rng.random(), level, 1).astype(np.int32)
    scores = ((level + 1) / levels).astype(np.float32)
    return scores, targets, rng.random((SIZE, 9)) < rng.choice([0.3, 0.8, 1])


@many_examples
@given(seed=seeds, bins=some_bins)
def test_calibration_of_two_classes(seed, bins):
    scores, targets, mask = binary(seed)
    found = in_two(CalibrationErrorMeter(bins), scores, targets, mask=mask).value()
    kept = tensors(scores[mask], targets[mask])
    for norm, name in NORMS.items():
        expected = classification.binary_calibration_error(*kept, bins, norm)
        assert float(getattr(found, name)) == pytest.approx(float(expected), abs=1e-6)


@many_examples
@given(seed=seeds, bins=some_bins)
def test_calibration_of_classes(seed, bins):
    """Of equally likely classes both predict the first, as torch.max says."""
    rng = np.random.default_rng(seed)
    chances = rng.dirichlet(np.ones(4), SIZE)
    if seed % 2:
        chances = (1 + rng.multinomial(12, np.ones(4) / 4, SIZE)) / 16
    chances = chances.astype(np.float32)
    targets = rng.integers(0, rng.choice([1, 4]), SIZE)
    mask = binary(seed)[2]
    found = in_two(CalibrationErrorMeter(bins), chances, targets, mask=mask).value()
    kept = tensors(chances[mask], targets[mask])
    for norm, name in NORMS.items():
        expected = classification.multiclass_calibration_error(*kept, 4, bins, norm)
        assert float(getattr(found, name)) == pytest.approx(float(expected), abs=1e-6)


def precisions(scores, targets, mask):
    """In percent, the mean over queries that have a candidate."""
    rows = [
        tensors(score[kept], target[kept])
        for score, target, kept in zip(scores, targets, mask, strict=True)
        if kept.any()
    ]
    return {
        k: 100
        * np.mean([float(retrieval.retrieval_precision(*row, k)) for row in rows])
        for k in TOPK
    }


def measured(meter):
    return {k: float(percent) for k, percent in meter.value().items()}


@many_examples
@given(seed=seeds)
def test_precision_at_k(seed):
    scores, targets, mask = queries(seed)
    expected = pytest.approx(precisions(scores, targets, mask), rel=1e-6)
    found = in_two(PrecisionAtKMeter(TOPK), scores, targets, mask=mask)
    assert measured(found) == expected
    online = PrecisionAtKMeter(TOPK, online=True, num_queries=SIZE)
    for part in (slice(4), slice(4, None)):
        batch = scores[:, part], targets[:, part]
        online = online.add(*batch, mask=mask[:, part])
    assert measured(online) == expected


@many_examples
@given(seed=seeds)
def test_the_diagonal_of_labels_is_r_precision(seed):
    """The share of labels that are among as many best scores."""
    scores, targets, _ = queries(seed)
    for query in range(8):
        meter = MultiLabelConfusionMeter(9).add(scores[query], targets[query])
        found = np.trace(meter.value()) / max(1, targets[query].sum())
        pair = tensors(scores[query], targets[query])
        expected = float(retrieval.retrieval_r_precision(*pair))
        assert found == pytest.approx(expected, abs=1e-6)


@many_examples
@given(seed=seeds, bins=st.sampled_from([1, 4, 64]))
def test_binned_areas(seed, bins):
    """It has the area of our bins, and an average that the error must allow."""
    scores, targets, mask = binary(seed)
    kept, edges = tensors(scores[mask], targets[mask]), torch.linspace(0, 1, bins + 1)
    area, _ = in_two(BinnedAUCMeter(bins), scores, targets, mask=mask).value()
    average, error = in_two(BinnedAPMeter(bins), scores, targets, mask=mask).value()
    assert np.isnan(area) == (targets[mask].min() == targets[mask].max())
    if not np.isnan(area):
        expected = classification.binary_auroc(*kept, thresholds=edges)
        assert float(area) == pytest.approx(float(expected), abs=1e-6)
    assert np.isnan(average) == (targets[mask].max() == 0)
    if not np.isnan(average):
        expected = classification.binary_average_precision(*kept, thresholds=edges)
        assert abs(float(average) - float(expected)) <= error
