"""One table of every meter, for the laws, and how to compare meters."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from tntjax.meter import (
    APMeter,
    AUCMeter,
    AverageValueMeter,
    BalancedAccuracyMeter,
    BinnedAPMeter,
    BinnedAUCMeter,
    CalibrationErrorMeter,
    ClassErrorMeter,
    CohenKappaMeter,
    ConfusionMeter,
    CorrelationMeter,
    FScoreMeter,
    HistogramMeter,
    HitRateMeter,
    LogLossMeter,
    MatthewsMeter,
    MeanAbsoluteErrorMeter,
    MeanReciprocalRankMeter,
    MeterDict,
    MovingAverageValueMeter,
    MSEMeter,
    MultiLabelConfusionMeter,
    NDCGMeter,
    PrecisionAtKMeter,
    PrecisionMeter,
    PrecisionRecallCurveMeter,
    QuantileMeter,
    R2Meter,
    RecallAtKMeter,
    RecallMeter,
    ROCCurveMeter,
    SpecificityMeter,
    mAPMeter,
)
from tntjax.text import ExactMatchMeter, PerplexityMeter, TokenAccuracyMeter
from tntjax.vision import DiceMeter, MeanIoUMeter, PSNRMeter, SSIMMeter


@dataclasses.dataclass(frozen=True)
class Case:
    make: Callable[[], Any]
    batch: Callable[[np.random.Generator, int], tuple]
    """Arguments of one `add`, each with the rows first."""
    empty: float = np.nan
    """What is measured before anything was counted."""
    ordered: bool = False
    """What was added last matters."""
    bad: tuple[float, ...] = (np.nan, np.inf, -np.inf)
    """Values that the first argument of `add` may have where they spoil the value."""


def values(rng, size):
    return (rng.normal(3.0, 2.0, size).astype(np.float32),)


def weighted(rng, size):
    return (*values(rng, size), rng.integers(0, 4, size, np.int32))


def tokens(rng, size):
    return (rng.normal(size=(size, 3)).astype(np.float32),)


def classes(rng, size):
    scores = rng.integers(0, 4, (size, 6)).astype(np.float32)  # many ties
    return scores, rng.integers(-1, 7, size, np.int32)  # some without a class


def ranked(rng, size):
    scores = rng.integers(0, 4, size).astype(np.float32)  # many ties
    return scores, rng.integers(0, 2, size, np.int32)


def ranked_weighted(rng, size):
    return (*ranked(rng, size), *weights_of(rng, size))


def weights_of(rng, size):
    return (rng.integers(0, 3, size).astype(np.float32),)


def ranked_classes(rng, size):
    scores = rng.integers(0, 4, (size, 3)).astype(np.float32)
    return scores, rng.integers(0, 2, (size, 3), np.int32), *weights_of(rng, size)


def queries(rng, size):
    scores = rng.integers(0, 4, (size, 6)).astype(np.float32)
    return scores, rng.integers(0, 3, (size, 6), np.int32)


def candidates(rng, size):
    scores = rng.normal(size=(size, 2)).astype(np.float32)  # the first of ties stays
    return scores, rng.integers(0, 2, (size, 2), np.int32)


def online():
    return PrecisionAtKMeter((1, 4), dim=0, online=True, num_queries=2)


def labels(rng, size):
    scores = rng.integers(0, 4, (size, 6)).astype(np.float32) / 4
    return scores, rng.integers(0, 2, (size, 6), np.int32)


def one_hot(rng, size):
    scores, number = rng.normal(size=(size, 6)), rng.integers(0, 7, size)
    return scores.astype(np.float32), np.eye(7, 6, dtype=np.int32)[number]


def pairs(rng, size):
    target = rng.normal(3.0, 2.0, size)
    output = target + rng.normal(0.5, 1.0, size)
    return output.astype(np.float32), target.astype(np.float32)


def probabilities(rng, size):
    scores = rng.dirichlet(np.ones(4), size).astype(np.float32)
    return scores, rng.integers(0, 4, size, np.int32)


def chances(rng, size):
    return rng.random(size).astype(np.float32), rng.integers(0, 2, size, np.int32)


def column_of_chances(rng, size):
    scores, labels = chances(rng, size)
    return scores[:, None], labels.astype(np.uint8)


def bytes_and_halves(rng, size):
    scores, number = classes(rng, size)
    return scores.astype(jnp.bfloat16), number.astype(np.uint8)


def predictions(rng, size):
    return rng.integers(-1, 7, size), rng.integers(-1, 7, size).astype(np.int8)


def maps(rng, size):
    shape = (size, 3, 4)
    return rng.integers(0, 6, shape, np.int32), rng.integers(0, 7, shape, np.int32)


def images(rng, size):
    target = rng.random((size, 12, 13, 2), np.float32)
    return target + rng.normal(0, 0.1, target.shape).astype(np.float32), target


def sequences(rng, size):
    return rng.integers(0, 3, (size, 2), np.int32), rng.integers(0, 3, (size, 2))


def scored_sequences(rng, size):
    return rng.normal(size=(size, 2, 3)).astype(np.float32), sequences(rng, size)[1]


def tokens_and_words(rng, size):
    return (*tokens(rng, size), rng.integers(1, 4, size, np.int32))


def group():
    meters = {"error": ClassErrorMeter((1, 2)), "precision": PrecisionMeter()}
    inner = MeterDict({"best": RecallMeter(None)})
    return MeterDict({**meters, "inner": inner})


TORCHNET = {"convention": "torchnet"}

CASES = {
    "APMeter": Case(lambda: APMeter(40, 3), ranked_classes),
    "APMeter, torchnet": Case(lambda: APMeter(40, 3, "torchnet"), ranked_classes),
    "mAPMeter": Case(lambda: mAPMeter(40, 3), ranked_classes),
    "mAPMeter, torchnet": Case(lambda: mAPMeter(40, 3, "torchnet"), ranked_classes),
    "ROCCurveMeter": Case(lambda: ROCCurveMeter(40), ranked_weighted),
    "PrecisionRecallCurveMeter": Case(
        lambda: PrecisionRecallCurveMeter(40), ranked_weighted
    ),
    "BalancedAccuracyMeter": Case(lambda: BalancedAccuracyMeter(6), classes),
    "BinnedAUCMeter": Case(lambda: BinnedAUCMeter(8, 0.0, 3.5), ranked),
    "BinnedAPMeter": Case(lambda: BinnedAPMeter(8, 0.0, 2.0), ranked),
    "NDCGMeter": Case(lambda: NDCGMeter((1, 3, 6)), queries),
    "NDCGMeter, torchnet": Case(lambda: NDCGMeter((2, 5), "torchnet"), queries),
    "PrecisionAtKMeter": Case(lambda: PrecisionAtKMeter((1, 4)), queries),
    "PrecisionAtKMeter, online": Case(online, candidates),
    "AUCMeter": Case(lambda: AUCMeter(40), ranked),
    "AUCMeter, weighted": Case(lambda: AUCMeter(40), ranked_weighted),
    "AverageValueMeter": Case(AverageValueMeter, values),
    "AverageValueMeter, weighted": Case(AverageValueMeter, weighted),
    "AverageValueMeter, [B, T]": Case(AverageValueMeter, tokens),
    "CalibrationErrorMeter": Case(CalibrationErrorMeter, probabilities, bad=(np.nan,)),
    "CalibrationErrorMeter, logits": Case(
        lambda: CalibrationErrorMeter(logits=True), probabilities
    ),
    "CalibrationErrorMeter, two": Case(
        lambda: CalibrationErrorMeter(4), column_of_chances, bad=(np.nan,)
    ),
    "ClassErrorMeter": Case(ClassErrorMeter, classes),
    "ClassErrorMeter, top 1, 3, 6": Case(lambda: ClassErrorMeter((1, 3, 6)), classes),
    "ClassErrorMeter, accuracy": Case(
        lambda: ClassErrorMeter((2,), accuracy=True), classes
    ),
    "CohenKappaMeter": Case(lambda: CohenKappaMeter(6), classes),
    "ConfusionMeter": Case(lambda: ConfusionMeter(6), classes, empty=0),
    "ConfusionMeter, normalized": Case(
        lambda: ConfusionMeter(6, normalized=True), classes, empty=0
    ),
    "ConfusionMeter, bfloat16 and uint8": Case(
        lambda: ConfusionMeter(6), bytes_and_halves, empty=0
    ),
    "ConfusionMeter, predictions": Case(
        lambda: ConfusionMeter(6), predictions, empty=0
    ),
    "ConfusionMeter, one-hot": Case(lambda: ConfusionMeter(6), one_hot, empty=0),
    "CorrelationMeter": Case(CorrelationMeter, pairs),
    "FScoreMeter": Case(FScoreMeter, labels),
    "FScoreMeter, predictions": Case(lambda: FScoreMeter(None), predictions),
    "FScoreMeter, of classes": Case(lambda: FScoreMeter(None, 6, beta=2.0), classes),
    "HistogramMeter": Case(
        lambda: HistogramMeter(0.0, 4.0, num_bins=4), weighted, empty=0
    ),
    "LogLossMeter": Case(LogLossMeter, probabilities, bad=(np.nan,)),
    "LogLossMeter, logits": Case(lambda: LogLossMeter(logits=True), probabilities),
    "LogLossMeter, two": Case(LogLossMeter, chances, bad=(np.nan,)),
    "MSEMeter": Case(MSEMeter, pairs),
    "MSEMeter, Torchnet": Case(lambda: MSEMeter(True, **TORCHNET), pairs, empty=0),
    "MatthewsMeter": Case(lambda: MatthewsMeter(6), classes),
    "MeanAbsoluteErrorMeter": Case(MeanAbsoluteErrorMeter, pairs),
    "MeterDict": Case(group, classes),
    "MovingAverageValueMeter": Case(
        lambda: MovingAverageValueMeter(4), values, ordered=True
    ),
    "MovingAverageValueMeter, Torchnet": Case(
        lambda: MovingAverageValueMeter(3, **TORCHNET), tokens, empty=0, ordered=True
    ),
    "MultiLabelConfusionMeter": Case(
        lambda: MultiLabelConfusionMeter(6), labels, empty=0
    ),
    "MultiLabelConfusionMeter, normalized": Case(
        lambda: MultiLabelConfusionMeter(6, normalized=True), labels, empty=0
    ),
    "PrecisionMeter": Case(lambda: PrecisionMeter((0.3, 0.5)), labels),
    "PrecisionMeter, Torchnet, by class": Case(
        lambda: PrecisionMeter((0.7,), 6, **TORCHNET), labels, empty=100
    ),
    "QuantileMeter": Case(lambda: QuantileMeter((0.5, 0.9), bits=3), weighted),
    "R2Meter": Case(R2Meter, pairs),
    "SpecificityMeter": Case(lambda: SpecificityMeter(6), classes),
    "RecallMeter": Case(lambda: RecallMeter((0.3, 0.6)), classes),
    "RecallMeter, Torchnet, by class": Case(
        lambda: RecallMeter((0.7,), 6, **TORCHNET), labels, empty=100
    ),
}
CASES |= {
    "DiceMeter": Case(lambda: DiceMeter(6), maps),
    "MeanIoUMeter": Case(lambda: MeanIoUMeter(6), maps),
    "MeanIoUMeter, scores": Case(lambda: MeanIoUMeter(6), classes),
    "PSNRMeter": Case(PSNRMeter, images, bad=(np.nan, np.inf)),
    "SSIMMeter": Case(SSIMMeter, images),
    "SSIMMeter, uniform": Case(lambda: SSIMMeter(window="uniform"), images),
}
CASES |= {
    "HitRateMeter": Case(lambda: HitRateMeter((1, 3, 9)), queries),
    "MeanReciprocalRankMeter": Case(lambda: MeanReciprocalRankMeter((2, 6)), queries),
    "RecallAtKMeter": Case(lambda: RecallAtKMeter((1, 4)), queries),
    "ExactMatchMeter": Case(ExactMatchMeter, sequences),
    "TokenAccuracyMeter": Case(TokenAccuracyMeter, sequences),
    "TokenAccuracyMeter, scores": Case(TokenAccuracyMeter, scored_sequences),
    "PerplexityMeter": Case(PerplexityMeter, tokens),
    "PerplexityMeter, word": Case(lambda: PerplexityMeter("word"), tokens_and_words),
}
ON_THE_HOST = {"RateMeter", "TimeMeter"}  # no pytrees; their laws are in tests/meter
ON_THE_HOST |= {"BLEUMeter", "ChrFMeter"}  # of str; their laws are in tests/text
ON_THE_HOST |= {"CocoMAPMeter"}  # grows; its laws are in tests/vision

KINDS = [
    "APMeter",
    "AUCMeter, weighted",
    "AverageValueMeter, weighted",
    "BinnedAUCMeter",
    "ClassErrorMeter",
    "ConfusionMeter",
    "MSEMeter",
    "MeterDict",
    "MovingAverageValueMeter",
    "NDCGMeter",
    "PrecisionMeter",
    "QuantileMeter",
]
"""One row of each kind of meter: those that share how they add up."""

every_meter = pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=name, marks=() if name in KINDS else pytest.mark.slow)
        for name, case in CASES.items()
    ],
)
many_examples = settings(max_examples=8)
seeds = st.integers(0, 2**32 - 1)
sizes = st.sampled_from([1, 2, 5])  # few, as each of them and of its parts compiles


def filled(case, size=5, seed=0):
    return case.make().add(*case.batch(np.random.default_rng(seed), size))


def on_host(meter):
    return jax.tree.map(np.asarray, meter)


def rows(batch, index):
    return tuple(part[index] for part in batch)


def numbers(meter):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(meter.value())]


def assert_equal(left, right):
    """Bit for bit, with NaN equal to itself."""
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def assert_close(left, right):
    """Counts are equal, and values but for rounding."""
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        if np.asarray(a).dtype.kind in "iu":
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    for a, b in zip(numbers(left), numbers(right), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def specification(meter):
    return [
        (np.shape(leaf), jnp.result_type(leaf), getattr(leaf, "weak_type", False))
        for leaf in jax.tree.leaves(meter)
    ]


def assert_close_tree(left, right):
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
