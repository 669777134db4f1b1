"""Numbers read off a confusion matrix, beside scikit-learn's."""

import jax
import numpy as np
import pytest
from sklearn import metrics

from tntjax.meter import (
    BalancedAccuracyMeter,
    CohenKappaMeter,
    MatthewsMeter,
    SpecificityMeter,
)


def specificity(target, output):
    parts = [
        metrics.recall_score(target != k, output != k, pos_label=True) for k in range(5)
    ]
    return 100 * np.array(parts)


ORACLES = {
    BalancedAccuracyMeter: lambda t, o: 100 * metrics.balanced_accuracy_score(t, o),
    CohenKappaMeter: metrics.cohen_kappa_score,
    MatthewsMeter: metrics.matthews_corrcoef,
    SpecificityMeter: specificity,
}
every_meter = pytest.mark.parametrize("make", ORACLES)


def examples(size=300):
    rng = np.random.default_rng(0)
    target = rng.choice(5, size, p=[0.5, 0.2, 0.1, 0.1, 0.1])
    return np.where(rng.random(size) < 0.6, target, rng.integers(0, 5, size)), target


@every_meter
def test_is_that_of_scikit_learn(make):
    output, target = examples()
    found = make(5).add(output, target)
    np.testing.assert_allclose(found.value(), ORACLES[make](target, output), rtol=1e-9)
    compiled = jax.jit(lambda meter: meter.value())(found)
    np.testing.assert_allclose(compiled, found.value(), rtol=1e-5)
    scores = np.eye(5, dtype=np.float32)[output]
    np.testing.assert_array_equal(make(5).add(scores, target).value(), found.value())


@pytest.mark.slow
@every_meter
def test_is_exact_of_a_thousand_million_examples(make):
    output, target = examples(60)
    small = make(5).add(output, target)
    large = small
    for _ in range(24):
        large = large.merge(large)
    assert int(large.n) == 60 * 2**24
    np.testing.assert_allclose(large.value(), small.value(), rtol=1e-12)
    compiled = jax.jit(lambda meter: meter.value())(large)
    np.testing.assert_allclose(compiled, small.value(), rtol=1e-5)


@every_meter
def test_of_one_class_on_both_sides(make):
    value = np.asarray(make(3).add(np.zeros(9, int), np.zeros(9, int)).value())
    if make is BalancedAccuracyMeter:
        assert value == 100
    else:
        assert np.isnan(value.flat[0])


@every_meter
def test_masks_of_bools_are_refused_as_rows_of_them_could_be_one_hot(make):
    mask = np.array([[True, True], [False, False]])  # would be two rows of two classes
    for output, target in ((mask, mask), (mask, mask.astype(int)), (mask * 1, mask)):
        with pytest.raises(
            TypeError, match=rf"{make.__name__}.add needs class numbers"
        ):
            make(2).add(output, target)
    scores = np.eye(3, dtype=np.float32)
    assert int(make(3).add(scores, scores.astype(bool)).n) == 3  # one-hot beside scores


@every_meter
def test_a_wrong_number_of_classes_is_told_by_the_meter_that_was_made(make):
    for wrong, what in ((0, ">= 1"), (2.5, "to be an integer"), (50_000, "<= 46340")):
        message = f"{make.__name__} needs num_classes {what}"
        with pytest.raises((TypeError, ValueError), match=message):
            make(wrong)
