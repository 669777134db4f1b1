"""The ROC curve and that of precision over recall."""

import sys
import types

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve, roc_curve

from tntjax.meter import PrecisionRecallCurveMeter, ROCCurveMeter

many_examples = settings(max_examples=60)
seeds = st.integers(0, 2**32 - 1)
SLOTS = 24
in_jit = jax.jit(lambda meter: meter.value())
CURVES = [ROCCurveMeter, PrecisionRecallCurveMeter]
every_curve = pytest.mark.parametrize("make", CURVES)


def drawn(seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, rng.integers(2, 30), SLOTS).astype(np.float32) / 8
    targets, weights = rng.integers(0, 2, SLOTS), rng.integers(0, 4, SLOTS) / 2
    targets[:2], weights[:2] = (0, 1), 1
    mask = rng.random(SLOTS) < 0.7
    mask[:2] = True
    return scores, targets, weights, mask


def distinct(curve):
    """A point for each threshold, as scikit-learn gives them; the rest are repeats."""
    thresholds = np.asarray(curve.thresholds)
    new = np.append(True, thresholds[1:] != thresholds[:-1])
    columns = [np.asarray(part) for part in curve]
    for column in columns:
        assert column.shape == (SLOTS + 1,) and column.dtype == np.float32
        np.testing.assert_array_equal(column, column[new][np.cumsum(new) - 1])
    return [column[new] for column in columns]


@pytest.mark.slow
@many_examples
@given(seed=seeds)
def test_roc_is_scikit_learn(seed):
    scores, targets, weights, mask = drawn(seed)
    meter = ROCCurveMeter(SLOTS).add(scores, targets, weights, mask=mask)
    wanted = roc_curve(
        targets[mask],
        scores[mask],
        sample_weight=weights[mask],
        drop_intermediate=False,
    )
    for curve in (meter.value(), in_jit(meter)):
        for mine, theirs in zip(distinct(curve), wanted, strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-6)


@many_examples
@given(seed=seeds)
def test_precision_over_recall_is_scikit_learn(seed):
    scores, targets, weights, mask = drawn(seed)
    meter = PrecisionRecallCurveMeter(SLOTS).add(scores, targets, weights, mask=mask)
    precision, recall, thresholds = precision_recall_curve(
        targets[mask], scores[mask], sample_weight=weights[mask]
    )
    wanted = precision[::-1], recall[::-1], np.append(np.inf, thresholds[::-1])
    for curve in (meter.value(), in_jit(meter)):
        for mine, theirs in zip(distinct(curve), wanted, strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_one_class_alone():
    negative = ROCCurveMeter(3).add([0.1, 0.7], [0, 0])
    for fpr, tpr, thresholds in (negative.value(), in_jit(negative)):
        assert np.isnan(tpr).all()
        assert fpr.tolist() == [0.0, 0.5, 1.0, 1.0]
        assert thresholds.tolist() == pytest.approx([np.inf, 0.7, 0.1, 0.1])
    meter = PrecisionRecallCurveMeter(3).add([0.1, 0.7], [0, 0])
    for precision, recall, _ in (meter.value(), in_jit(meter)):
        assert np.isnan(recall).all()
        assert precision.tolist() == [1.0, 0.0, 0.0, 0.0]


@every_curve
def test_a_nan_spoils_all(make):
    meter = make(3).add([0.1, np.nan], [0, 1])
    for value in (meter.value(), in_jit(meter), make().add([np.nan], [1]).value()):
        assert all(np.isnan(part).all() for part in value)


@every_curve
def test_shows_the_area(make):
    meter = make().add([0.9, 0.4, 0.6, 0.1], [1, 1, 0, 0])
    assert repr(meter) in (
        "ROCCurveMeter(area=0.75, n=4)",
        "PrecisionRecallCurveMeter(average=0.833333, n=4)",
    )


class Axes:
    """Keeps what is drawn."""

    def plot(self, x, y, **style):
        self.drawn = np.asarray(x).tolist(), np.asarray(y).tolist(), style

    def set(self, **settings):
        self.settings = settings

    def legend(self):
        self.has_legend = True


def test_draws_on_given_axes():
    axes = Axes()
    meter = ROCCurveMeter().add([0.9, 0.4, 0.6, 0.1], [1, 1, 0, 0])
    assert meter.plot(axes) is axes and axes.has_legend
    x, y, style = axes.drawn
    assert x == [0.0, 0.0, 0.5, 0.5, 1.0] and y == [0.0, 0.5, 0.5, 1.0, 1.0]
    assert style == {"label": "area=0.75, n=4", "drawstyle": "default"}
    assert axes.settings["xlabel"] == "false positive rate"


def test_draws_steps_whose_area_is_the_average_precision():
    axes = Axes()
    meter = PrecisionRecallCurveMeter().add([0.9, 0.4, 0.6, 0.1], [1, 1, 0, 0])
    x, y, style = meter.plot(axes).drawn
    assert style["drawstyle"] == "steps-pre"  # from x[i - 1] to x[i] at height y[i]
    assert (np.diff(x) * y[1:]).sum() == pytest.approx(5 / 6)
    assert axes.settings["ylabel"] == "precision"


@every_curve
def test_makes_axes_if_none_are_given(make, monkeypatch):
    axes = Axes()
    pyplot = types.ModuleType("matplotlib.pyplot")
    pyplot.subplots = lambda: (None, axes)
    monkeypatch.setitem(sys.modules, "matplotlib", types.ModuleType("matplotlib"))
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", pyplot)
    assert make().add([0.9, 0.1], [1, 0]).plot() is axes


@every_curve
def test_says_how_to_get_matplotlib(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    pattern = rf'{make.__name__}.plot needs matplotlib.*pip install "tntjax\[plot\]"'
    with pytest.raises(ImportError, match=pattern):
        make().plot()


@every_curve
def test_matplotlib_draws(make):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    axes = make().add([0.9, 0.4, 0.6, 0.1], [1, 1, 0, 0]).plot()
    axes.figure.canvas.draw()
    assert len(axes.lines) == 1 and make().plot(axes) is axes
