import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tntjax.meter import AUCMeter

many_examples = settings(max_examples=60)
seeds = st.integers(0, 2**32 - 1)
SLOTS = 32
in_jit = jax.jit(lambda meter: meter.value())
put = jax.jit(lambda *batch, mask: AUCMeter(SLOTS).add(*batch, mask=mask))


def area(output, target, *weight):
    return float(AUCMeter().add(output, target, *weight).value().area)


def drawn(seed):
    """Scores with ties, of both classes, with weights and a mask."""
    rng = np.random.default_rng(seed)
    scores = (rng.integers(0, rng.integers(2, 40), SLOTS) - 7.5).astype(np.float32)
    targets = rng.integers(0, 2, SLOTS)
    weights, mask = rng.integers(0, 4, SLOTS) / 2, rng.random(SLOTS) < 0.7
    mask[:2], targets[:2], weights[:2] = True, (0, 1), 1
    return scores, targets, weights, mask


def test_golden_values():
    # of 2 * 2 pairs 3 are in order
    assert area([0.9, 0.4, 0.6, 0.1], [1, 1, 0, 0]) == 0.75
    assert area([0.1, 0.9], [0, 1]) == 1.0
    assert area([0.9, 0.1], [0, 1]) == 0.0


def test_the_curve_of_torchnet():
    value = AUCMeter().add([0.9, 0.4, 0.6, 0.1], [1, 1, 0, 0]).value()
    auc, tpr, fpr = value
    assert auc == value.area
    assert tpr.tolist() == [0.0, 0.5, 0.5, 1.0, 1.0]
    assert fpr.tolist() == [0.0, 0.0, 0.5, 0.5, 1.0]


def test_equal_scores_count_half_in_any_order():
    assert area([0.5, 0.5], [0, 1]) == area([0.5, 0.5], [1, 0]) == 0.5
    assert area([0.0, -0.0], [0, 1]) == area([-0.0, 0.0], [0, 1]) == 0.5
    assert in_jit(AUCMeter(2).add([0.0, -0.0], [0, 1])).area == 0.5
    assert in_jit(AUCMeter(2).add([-0.0, 0.0], [0, 1])).area == 0.5


@many_examples
@given(seed=seeds)
def test_is_scikit_learn(seed):
    scores, targets, weights, mask = drawn(seed)
    kept = (targets[mask], scores[mask])
    expected = roc_auc_score(*kept)
    weighted = roc_auc_score(*kept, sample_weight=weights[mask])
    assert area(scores[mask], targets[mask]) == pytest.approx(expected, abs=1e-6)
    meter = AUCMeter().add(scores, targets, weights, mask=mask)
    assert meter.value().area == pytest.approx(weighted, abs=1e-6)


@many_examples
@given(seed=seeds)
def test_is_scikit_learn_in_jit(seed):
    scores, targets, weights, mask = drawn(seed)
    kept = (targets[mask], scores[mask])
    meter = put(scores, targets, weights, mask=mask)
    weighted = roc_auc_score(*kept, sample_weight=weights[mask])
    assert in_jit(meter).area == pytest.approx(weighted, abs=1e-6)
    np.testing.assert_allclose(in_jit(meter).tpr, meter.value().tpr, atol=1e-6)
    np.testing.assert_allclose(in_jit(meter).fpr, meter.value().fpr, atol=1e-6)


@pytest.mark.slow
def test_many_scores_in_jit():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=50_000).round(3).astype(np.float32)
    targets = rng.random(50_000) < 0.2
    meter = AUCMeter(60_000).add(scores, targets)
    expected = roc_auc_score(targets, scores)
    assert meter.value().area == pytest.approx(expected, abs=1e-7)
    assert in_jit(meter).area == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("target", [0, 1])
def test_one_class_alone_is_nan(target):
    for meter in (AUCMeter(), AUCMeter(3)):
        meter = meter.add([0.1, 0.7], [target, target])
        assert np.isnan(meter.value().area)
    assert np.isnan(in_jit(meter).area)


def test_an_empty_one_has_a_curve():
    assert [np.shape(part) for part in AUCMeter().value()] == [(), (1,), (1,)]
    assert [np.shape(part) for part in AUCMeter(3).value()] == [(), (4,), (4,)]


def test_a_nan_shows_and_infinity_is_a_score():
    assert np.isnan(area([0.1, np.nan, 0.3], [0, 1, 1]))
    assert np.isnan(in_jit(AUCMeter(3).add([0.1, np.nan, 0.3], [0, 1, 1])).area)
    for scores in ([-np.inf, np.inf], [-np.inf, 0.0], [0.0, np.inf]):
        assert area(scores, [0, 1]) == 1.0
        assert in_jit(AUCMeter(3).add(scores, [0, 1])).area == 1.0
    both_lowest = AUCMeter(4).add([-np.inf, -np.inf], [0, 1])
    assert both_lowest.value().area == in_jit(both_lowest).area == 0.5


def test_a_nan_without_weight_is_none():
    meter = AUCMeter(3).add([0.1, np.nan, 0.3], [0, 1, 1], [1, 0, 1])
    assert meter.value().area == in_jit(meter).area == 1.0


def test_targets_are_positive_above_0():
    assert area([0.1, 0.9], [-1, 1]) == area([0.1, 0.9], [False, True]) == 1.0


def test_columns_of_one_are_vectors():
    column = np.array([[0.1], [0.9]])
    assert area(column, [0, 1]) == area(column, [[0], [1]], [[1], [2]]) == 1.0


@pytest.mark.parametrize(
    ("output", "target"), [((4,), (3,)), ((4, 2), (4, 2)), ((4,), ())]
)
def test_shapes_that_do_not_fit_are_shown(output, target):
    with pytest.raises(ValueError, match=r"AUCMeter.add needs output \[B\].*mAPMeter"):
        AUCMeter().add(np.zeros(output), np.zeros(target))


def test_refuses_what_is_not_real():
    with pytest.raises(TypeError, match=r"real scores, got complex128\[1\]"):
        AUCMeter().add([1j], [1])
    with pytest.raises(TypeError, match="real targets, got "):
        AUCMeter().add([1.0], ["cat"])
    with pytest.raises(TypeError, match=r"real weights, got complex128\[1\]"):
        AUCMeter().add([1.0], [1], [1j])


def test_weights_must_fit():
    with pytest.raises(ValueError, match=r"weight has shape \[3\].*\[2\]"):
        AUCMeter().add([0.1, 0.2], [0, 1], [1, 2, 3])


def test_large_numbers_of_the_host_are_not_cut():
    for make in (AUCMeter, lambda: AUCMeter(2)):
        assert make().add(np.array([1, 2**40]), [0, 1]).value().area == 1.0
        assert make().add(np.array([1.0, 1e300]), [0, 2**40]).value().area == 1.0


def test_scores_of_bfloat16():
    scores = jax.numpy.array([0.25, 0.5], "bfloat16")
    assert area(scores, [0, 1]) == 1.0
    assert AUCMeter(2).add(scores, np.array([0, 1])).value().area == 1.0
