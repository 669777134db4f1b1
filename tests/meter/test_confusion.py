import sys
import tracemalloc
import types

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from tntjax.meter import ConfusionMeter
from tntjax.meter.parts._count import Count

OUTPUT = np.array([[0.9, 0.1, 0], [0.2, 0.7, 0.1], [0.1, 0.6, 0.3], [0, 0.1, 0.9]])
TARGET = [0, 1, 2, 2]
MATRIX = [[1, 0, 0], [0, 1, 0], [0, 1, 1]]


def matrix(meter):
    return np.asarray(meter.value()).tolist()


def test_golden_values_of_torchnet():
    assert matrix(ConfusionMeter(3).add(OUTPUT, TARGET)) == MATRIX
    shares = matrix(ConfusionMeter(3, normalized=True).add(OUTPUT, TARGET))
    assert shares == [[1, 0, 0], [0, 1, 0], [0, 0.5, 0.5]]


@pytest.mark.parametrize("dtype", [bool, np.int32, np.float32])
def test_targets_may_be_one_hot(dtype):
    target = np.eye(3)[TARGET].astype(dtype)
    assert matrix(ConfusionMeter(3).add(OUTPUT, target)) == MATRIX


def test_a_row_without_examples_is_zero():
    shares = matrix(ConfusionMeter(2, normalized=True).add([0.1, 0.9], 1))
    assert shares == [[0.0, 0.0], [0.0, 1.0]]


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
@pytest.mark.parametrize("normalized", [False, True])
def test_is_scikit_learn(seed, normalized):
    rng = np.random.default_rng(seed)
    output = rng.integers(0, 4, (20, 5)).astype(np.float32)  # ties
    target, mask = rng.integers(0, rng.integers(1, 6), 20), rng.random(20) < 0.7
    mask[0] = True
    meter = ConfusionMeter(5, normalized).add(output, target, mask=mask)
    expected = metrics.confusion_matrix(
        target[mask],
        output[mask].argmax(1),
        labels=range(5),
        normalize="true" if normalized else None,
    )
    np.testing.assert_allclose(meter.value(), expected, atol=1e-6)


@pytest.mark.parametrize("target", [-1, 3, 255])
def test_what_has_no_place_is_counted_apart(target):
    meter = ConfusionMeter(3).add(OUTPUT[:2], [target, 1])
    assert matrix(meter) == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert int(meter.n) == 1 and int(meter.left_out) == 1
    assert repr(meter) == "ConfusionMeter(accuracy=100%, left_out=1, n=1)"


def test_the_accuracy_is_read_off_the_diagonal():
    """Of 1,000 classes a copy of the matrix would be 8 MB, for each line shown."""
    counts = Count.of(np.eye(1000, dtype=np.int64) * 2**40)
    meter = ConfusionMeter(1000, counts=counts, n=Count.of(1000 * 2**41))
    tracemalloc.start()
    try:
        assert meter.summary() == {"accuracy": 50.0, "left_out": 0}
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_nan_scores_and_rows_that_are_not_one_hot_have_no_place():
    output = OUTPUT.copy()
    output[0, 2] = np.nan
    meter = ConfusionMeter(3).add(output, [[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]])
    assert int(meter.n) == 1 and int(meter.left_out) == 3
    masked = ConfusionMeter(3).add(output, TARGET, mask=[False, True, True, True])
    assert int(masked.left_out) == 0


@pytest.mark.parametrize("start", [2**24, 2**31 - 1, 2**32 - 1])
def test_counts_are_exact_beyond_32_bits(start):
    counts = Count.of([[start, 0], [0, 0]])
    meter = ConfusionMeter(2, counts=counts, n=Count.of(start))
    meter = jax.device_get(meter.add([[0.9, 0.1]] * 3, [0, 0, 0]))
    assert meter.value().tolist() == [[start + 3, 0], [0, 0]]
    assert int(meter.n) == start + 3


def test_a_single_class_and_more_axes():
    assert matrix(ConfusionMeter(1).add([[0.3], [0.1]], [[0], [0]])) == [[2]]
    twice = ConfusionMeter(3).add(OUTPUT.reshape(2, 2, 3), np.reshape(TARGET, (2, 2)))
    assert matrix(twice) == MATRIX


def test_the_value_does_not_change_with_later_adds():
    meter = ConfusionMeter(3).add(OUTPUT, TARGET)
    before = meter.value()
    meter.add(OUTPUT, TARGET)
    assert np.asarray(before).tolist() == MATRIX


def test_the_scores_must_be_those_of_the_classes():
    with pytest.raises(ValueError, match=r"num_classes=4\) needs a score .* has 3"):
        ConfusionMeter(4).add(OUTPUT, TARGET)
    with pytest.raises(ValueError, match="num_classes >= 1, got 0"):
        ConfusionMeter(0)
    with pytest.raises(TypeError, match="real scores, got output complex"):
        ConfusionMeter(3).add(OUTPUT.astype(complex), np.eye(3)[TARGET])


class Axes:
    """Stands in for matplotlib's, and notes what is drawn."""

    def __init__(self):
        self.figure, self.calls = self, []

    def __getattr__(self, name):
        def call(*args, **kwargs):
            self.calls.append((name, args, kwargs))

        return call


def test_plot_draws_into_the_axes_it_is_given():
    ax = Axes()
    assert ConfusionMeter(3).add(OUTPUT, TARGET).plot(ax) is ax
    image = ax.calls[0]
    assert image[0] == "imshow" and image[1][0][2].tolist() == [0.0, 0.5, 0.5]
    texts = [args[2] for name, args, _ in ax.calls if name == "text"]
    assert texts == ["1", "0", "0", "0", "1", "0", "0", "1", "1"]
    ax = Axes()
    ConfusionMeter(3, normalized=True).add(OUTPUT, TARGET).plot(ax)
    assert "0.50" in [args[2] for name, args, _ in ax.calls if name == "text"]
    ax = Axes()
    ConfusionMeter(21).plot(ax)
    assert "text" not in [name for name, _, _ in ax.calls]


def test_plot_makes_a_figure(monkeypatch):
    made = Axes()
    pyplot = types.ModuleType("matplotlib.pyplot")
    pyplot.subplots = lambda: (None, made)
    monkeypatch.setitem(sys.modules, "matplotlib", types.ModuleType("matplotlib"))
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", pyplot)
    assert ConfusionMeter(2).plot() is made


def test_plot_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "tntjax\[plot\]"'):
        ConfusionMeter(2).plot()


def test_plots_with_matplotlib():
    pytest.importorskip("matplotlib").use("Agg")
    ax = ConfusionMeter(3).add(OUTPUT, TARGET).plot()
    assert ax.get_xlabel() == "predicted class" and len(ax.texts) == 9
    ax.figure.canvas.draw()


@pytest.mark.slow
@pytest.mark.parametrize("classes", [1, 3, 8, 12, 100, 1000])
def test_the_best_class_is_the_first_of_the_best(classes):
    rng = np.random.default_rng(classes)
    output = rng.integers(0, 4, (50, classes)).astype(np.float32)
    meter = ConfusionMeter(classes).add(output, np.zeros(50, int))
    expected = np.bincount(output.argmax(1), minlength=classes)
    np.testing.assert_array_equal(meter.value()[0], expected)
    output[np.arange(0, 50, 2), rng.integers(0, classes, 25)] = np.nan
    meter = ConfusionMeter(classes).add(output, np.zeros(50, int))
    expected = np.bincount(output[1::2].argmax(1), minlength=classes)
    np.testing.assert_array_equal(meter.value()[0], expected)
