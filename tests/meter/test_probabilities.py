"""Calibration and log loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from tntjax.meter import CalibrationErrorMeter, LogLossMeter


class Axes:
    """Stands in for matplotlib's, and notes what is drawn."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        return lambda *args, **kwargs: self.calls.append((name, args, kwargs))


seeds = st.integers(0, 2**32 - 1)
both_meters = pytest.mark.parametrize("make", [CalibrationErrorMeter, LogLossMeter])


def softmax(logits):
    odds = np.exp(logits - logits.max(-1, keepdims=True))
    return odds / odds.sum(-1, keepdims=True)


def expected_error(confidence, right, bins):
    """The definition, bin by bin."""
    place = np.clip(np.floor(confidence * bins), 0, bins - 1)
    error = 0.0
    for number in np.unique(place):
        inside = place == number
        gap = abs(confidence[inside].mean() - right[inside].mean())
        error += inside.mean() * gap
    return error


@settings(max_examples=30)
@given(seed=seeds)
@example(seed=1056)
def test_the_curve_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    chance, target = rng.random(64).astype(np.float32), rng.integers(0, 2, 64)
    chance[chance * 8 % 1 == 0] += (
        0.01  # there a bin has its upper edge, here its lower
    )
    mask = rng.random(64) < 0.8
    meter = CalibrationErrorMeter(8).add(chance, target, mask=mask)
    found = meter.value()
    accuracy, confidence = calibration_curve(target[mask], chance[mask], n_bins=8)
    some = np.asarray(found.share) > 0
    np.testing.assert_allclose(found.accuracy[some], accuracy, atol=1e-6)
    np.testing.assert_allclose(found.confidence[some], confidence, atol=1e-6)
    error = expected_error(chance[mask].astype(np.float64), target[mask], 8)
    assert float(found.expected) == pytest.approx(error, abs=1e-6)
    largest = np.abs(accuracy - confidence).max()
    assert float(found.largest) == pytest.approx(largest, abs=1e-6)


@settings(max_examples=30)
@given(seed=seeds)
def test_of_classes_the_best_is_the_confidence(seed):
    rng = np.random.default_rng(seed)
    output = softmax(rng.normal(size=(64, 5))).astype(np.float32)
    target = rng.integers(0, 5, 64)
    found = CalibrationErrorMeter().add(output, target).value()
    best, right = output.max(1).astype(np.float64), output.argmax(1) == target
    assert float(found.expected) == pytest.approx(
        expected_error(best, right, 15), abs=1e-6
    )


TORCHMETRICS = (0.20730473, 0.50019819)


def test_is_torchmetrics():
    """MulticlassCalibrationError(4, n_bins=5, norm="l1" and "max") gave these."""
    rng = np.random.default_rng(0)
    output = softmax(rng.normal(size=(50, 4))).astype(np.float32)
    found = CalibrationErrorMeter(5).add(output, rng.integers(0, 4, 50)).value()
    assert float(found.expected) == pytest.approx(TORCHMETRICS[0], abs=1e-6)
    assert float(found.largest) == pytest.approx(TORCHMETRICS[1], abs=1e-6)


def test_a_bin_has_its_lower_edge():
    found = CalibrationErrorMeter(2).add([0.0, 0.5, 1.0], [0, 1, 1]).value()
    np.testing.assert_allclose(found.share, [1 / 3, 2 / 3], rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("classes", [3, 8, 1000])
def test_an_example_with_a_nan_among_its_chances_is_left_out(classes):
    """A maximum of many numbers on a CPU may miss it."""
    chances = np.random.default_rng(0).dirichlet(np.ones(classes), 20)
    whole = CalibrationErrorMeter().add(chances, np.zeros(20, int))
    rows = np.concatenate([chances, chances]).astype(np.float32)
    rows[np.arange(20), np.arange(20) * 49 % classes] = np.nan
    meter = CalibrationErrorMeter().add(rows, np.zeros(40, int))
    found, expected = (float(m.value().expected) for m in (meter, whole))
    assert found == pytest.approx(expected, abs=1e-6)
    assert int(meter.n) == 20


def test_what_is_outside_goes_into_the_outer_bins_in_compiled_code_and_nan_nowhere():
    add = jax.jit(lambda meter, *batch: meter.add(*batch))
    batch = np.array([-0.5, 1.5, np.nan]), np.array([0, 1, 1])
    meter = add(CalibrationErrorMeter(2), *batch)
    assert int(meter.n) == 2
    assert np.asarray(meter.value().share).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("meter", [LogLossMeter(), CalibrationErrorMeter()])
def test_one_hot_rows_are_not_taken_for_examples_of_two_classes(meter):
    chances = np.random.default_rng(0).dirichlet(np.ones(3), 4).astype(np.float32)
    one_hot = np.eye(3, dtype=int)[[0, 2, 1, 1]]
    for made in (np.asarray, jnp.asarray):
        with pytest.raises(ValueError, match=r"one-hot int.*\[4,3\]. Pass target.argm"):
            meter.add(made(chances), made(one_hot))
    of_rows = meter.add(chances, one_hot.argmax(-1))
    assert int(of_rows.n) == 4
    assert int(meter.add(chances, 1 - one_hot).n) == 12  # several classes at once


@both_meters
@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray], ids=["numpy", "jax"])
def test_numbers_outside_0_to_1_are_logits(make, kind):
    logits = kind(np.array([[2.5, -1.0], [0.25, 0.75]], np.float32))
    name = make.__name__
    needs = rf"{name}.add needs probabilities from 0 to 1, got 2.5. Of logits make it"
    with pytest.raises(ValueError, match=needs + rf" {name}\(logits=True\)"):
        make().add(logits, [0, 1])
    for score in (-0.25, 1.25, np.inf, 2):
        with pytest.raises(ValueError, match="probabilities from 0 to 1, got"):
            make().add(score, 1)
    assert int(make().add(logits, [0, 1], mask=[False, True]).n) == 1


def test_a_row_that_counts_zero_times_may_be_anything():
    assert int(LogLossMeter().add([0.5, 3.0], [1, 0], [2, 0]).n) == 2


@both_meters
@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, np.float32, np.float64])
def test_a_probability_may_be_rounded(make, dtype):
    above = 1 + max(jnp.finfo(dtype).eps, jnp.finfo(np.float32).eps)
    assert int(make().add(np.array([above, 0.5], dtype), [1, 0]).n) == 2


@pytest.mark.slow
@settings(max_examples=20)
@given(seed=seeds)
@pytest.mark.parametrize("shape", [(48, 5), (48,)])
def test_calibration_of_logits_is_that_of_their_probabilities(shape, seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, shape).astype(np.float32)
    binary = len(shape) == 1
    chances = 1 / (1 + np.exp(-logits)) if binary else softmax(logits)
    target = rng.integers(0, 2 if binary else 5, 48)
    found = CalibrationErrorMeter(logits=True).add(logits, target).value()
    expected = CalibrationErrorMeter().add(chances, target).value()
    np.testing.assert_allclose(found.expected, expected.expected, atol=1e-5)
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-5)


def test_a_class_that_logits_rule_out():
    logits = np.array([[0.0, -np.inf], [0.0, 0.0]], np.float32)
    losses = LogLossMeter(logits=True)
    assert float(losses.add(logits, [0, 0]).value()) == pytest.approx(np.log(2) / 2)
    assert np.isinf(losses.add(logits, [1, 0]).value())
    found = CalibrationErrorMeter(1, logits=True).add(logits, [0, 0]).value()
    assert np.asarray(found.confidence).tolist() == [0.75]


def test_merges_only_what_takes_the_same():
    with pytest.raises(ValueError, match="same logits, got False and True"):
        CalibrationErrorMeter().merge(CalibrationErrorMeter(logits=True))


def test_a_target_that_is_no_class_counts_as_wrong():
    meter = CalibrationErrorMeter(1).add([[0.7, 0.3], [0.7, 0.3]], [0, -1])
    assert np.asarray(meter.value().accuracy).tolist() == [0.5]


def test_plot_draws_the_bins_and_the_diagonal():
    ax = Axes()
    meter = CalibrationErrorMeter(2).add([0.25, 0.75], [0, 1])
    assert meter.plot(ax) is ax
    names = [name for name, _, _ in ax.calls]
    assert names == ["bar", "plot", "plot", "set", "set_title", "legend"]
    assert ax.calls[0][1][1].tolist() == [0.0, 1.0]
    assert ax.calls[4][1] == ("expected calibration error 0.2500",)


def test_plots_with_matplotlib():
    pytest.importorskip("matplotlib").use("Agg")
    ax = CalibrationErrorMeter(4).add([0.25, 0.8], [0, 1]).plot()
    ax.figure.canvas.draw()
    assert len(ax.patches) == 4


@settings(max_examples=30)
@given(seed=seeds)
@pytest.mark.parametrize("logits", [False, True])
def test_log_loss_is_scikit_learn(seed, logits):
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 3, (24, 4)).astype(np.float32)
    target, weight = rng.integers(0, 4, 24), rng.integers(1, 4, 24)
    mask = rng.random(24) < 0.8
    mask[0] = True
    chances = softmax(scores.astype(np.float64))
    if not logits:  # scikit-learn clips them at the precision that they come with
        scores = chances.astype(np.float32)
        least = np.finfo(np.float32).eps
        chances = scores.astype(np.float64).clip(least, 1 - least)
        chances /= chances.sum(1, keepdims=True)
    meter = LogLossMeter(logits).add(scores, target, weight, mask=mask)
    expected = log_loss(
        target[mask], chances[mask], labels=range(4), sample_weight=weight[mask]
    )
    assert float(meter.value()) == pytest.approx(expected, rel=1e-6)


@settings(max_examples=30)
@given(seed=seeds)
@pytest.mark.parametrize("logits", [False, True])
def test_log_loss_of_two_classes_is_scikit_learn(seed, logits):
    rng = np.random.default_rng(seed)
    score = rng.normal(0, 3, 24).astype(np.float32)
    chance = 1 / (1 + np.exp(-score.astype(np.float64)))
    if not logits:
        score = chance = chance.astype(np.float32)
    target = rng.integers(0, 2, 24)
    expected = log_loss(target, chance.astype(np.float64), labels=[0, 1])
    meter = LogLossMeter(logits).add(score, target)
    assert float(meter.value()) == pytest.approx(expected, rel=1e-6)


def test_a_certain_mistake_costs_what_it_costs_in_scikit_learn():
    output = np.array([[1, 0], [0, 1]], np.float32)
    expected = log_loss([1, 1], output, labels=[0, 1])
    assert float(LogLossMeter().add(output, [1, 1]).value()) == pytest.approx(expected)
    assert float(LogLossMeter().add(1.0, 0).value()) == pytest.approx(15.942385)


@pytest.mark.parametrize("output", [0.5, [0.2, 0.3, 0.5]])
def test_a_target_that_is_no_class_has_no_loss(output):
    assert np.isnan(LogLossMeter().add(output, 3).value())
    assert np.isnan(LogLossMeter(logits=True).add(output, -1).value())


@both_meters
def test_arguments_are_checked(make):
    with pytest.raises(TypeError, match=r"integer class numbers, got target float64"):
        make().add(np.zeros(3), np.zeros(3))
    with pytest.raises(TypeError, match=r"real numbers, got output complex"):
        make().add(np.zeros(3, complex), np.zeros(3, int))
    with pytest.raises(ValueError, match=r"add needs output \[B, K\]"):
        make().add(np.zeros((4, 3)), np.zeros(3, int))
    assert int(make().add(np.ones((4, 1)), np.zeros(4, int)).n) == 4


def test_bins_are_checked():
    with pytest.raises(ValueError, match="num_bins >= 1, got 0"):
        CalibrationErrorMeter(0)


@pytest.mark.parametrize("bins", [10, 500])
def test_the_confidence_of_many_pixels_is_not_lost_beside_their_sum(bins):
    certain, right = np.full((1024, 1024), 0.97, np.float32), np.ones((1024, 1024), int)
    meter = CalibrationErrorMeter(bins).add(certain, right)
    assert meter.value().expected == pytest.approx(0.03, abs=2e-5)


@pytest.mark.parametrize("bins", [7, 40])
def test_many_bins_are_as_few(bins):
    rng = np.random.default_rng(0)
    certain, right = rng.random(500).astype(np.float32), rng.random(500) < 0.5
    place = np.minimum((certain * bins).astype(int), bins - 1)
    expected = sum(
        abs(certain[place == k].sum() - right[place == k].sum()) for k in range(bins)
    )
    meter = CalibrationErrorMeter(bins).add(certain, right)
    assert meter.value().expected == pytest.approx(expected / 500, abs=1e-6)
    of_numbers = CalibrationErrorMeter(bins).add(certain, right * 1)
    assert of_numbers.value().expected == meter.value().expected
