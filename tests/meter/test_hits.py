"""Precision, recall and the F score."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from tntjax.meter import FScoreMeter, PrecisionMeter, RecallMeter
from tntjax.meter.parts._count import Count

METERS = [PrecisionMeter, RecallMeter, FScoreMeter]
ORACLES = {
    PrecisionMeter: metrics.precision_score,
    RecallMeter: metrics.recall_score,
    FScoreMeter: lambda *args, **kwargs: metrics.fbeta_score(*args, beta=1, **kwargs),
}
OUTPUT = [[0.9, 0.6, 0.2], [0.4, 0.8, 0.1]]
TARGET = [[1, 0, 0], [1, 1, 0]]
every_meter = pytest.mark.parametrize("make", METERS)


def measured(meter):
    return {key: np.asarray(value).tolist() for key, value in meter.value().items()}


def test_golden_values_of_torchnet():
    precision = PrecisionMeter((0.5, 0.7)).add(OUTPUT, TARGET)
    assert measured(precision) == {0.5: pytest.approx(200 / 3), 0.7: 100.0}
    recall = RecallMeter((0.5, 0.3)).add(OUTPUT, TARGET)
    assert measured(recall) == {0.5: pytest.approx(200 / 3), 0.3: 100.0}


def test_the_conventions_differ_where_nothing_is_divided():
    for make in (PrecisionMeter, RecallMeter):
        standard = make((0.5,), 3).add(OUTPUT, TARGET)
        torchnet = make((0.5,), 3, convention="torchnet").add(OUTPUT, TARGET)
        assert measured(standard)[0.5][:2] == measured(torchnet)[0.5][:2]
        assert measured(standard)[0.5][2] == 0.0
        assert measured(torchnet)[0.5][2] == 100.0
        assert measured(make(convention="torchnet")) == {0.5: 100.0}
        assert np.isnan(measured(make())[0.5])
        with pytest.raises(ValueError, match="needs convention"):
            make(convention="sk")


@pytest.mark.slow
@every_meter
@pytest.mark.parametrize("num_classes", [None, 5])
@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_of_labels_is_scikit_learn(make, num_classes, seed):
    rng = np.random.default_rng(seed)
    output = rng.integers(0, 5, (16, 5)).astype(np.float32) / 4  # some at a threshold
    target, mask = rng.integers(0, 2, (16, 5)), rng.random(16) < 0.8
    target[:, 1], target[:, 2], output[:, 3], mask[0] = 0, 1, 0, True
    meter = make((0.25, 0.5, 1.0), num_classes).add(output, target, mask=mask)
    for threshold, percent in measured(meter).items():
        expected = ORACLES[make](
            target[mask],
            output[mask] >= threshold,
            average=None if num_classes else "micro",
            zero_division=0,
        )
        np.testing.assert_allclose(percent, 100 * expected, rtol=1e-6)


@pytest.mark.slow
@every_meter
@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_of_classes_is_scikit_learn(make, seed):
    rng = np.random.default_rng(seed)
    output, target = rng.integers(0, 9, (16, 4)), rng.integers(0, 3, 16)
    apart = measured(make(None, 4).add(output, target))["best"]
    options = {"labels": range(4), "zero_division": 0}
    predicted = output.argmax(1)
    expected = ORACLES[make](target, predicted, average=None, **options)
    np.testing.assert_allclose(apart, 100 * expected, rtol=1e-6)
    macro = ORACLES[make](target, predicted, average="macro", **options)
    assert np.mean(apart) == pytest.approx(100 * macro, rel=1e-6)
    micro = ORACLES[make](target, predicted, average="micro", **options)
    together = measured(make(None).add(output, target))["best"]
    assert together == pytest.approx(100 * micro, rel=1e-6)


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_beta_is_scikit_learn(beta):
    meter = FScoreMeter((0.5, 0.85), beta=beta).add(OUTPUT, TARGET)
    predicted = np.array(OUTPUT) >= 0.85
    expected = metrics.fbeta_score(TARGET, predicted, beta=beta, average="micro")
    assert measured(meter)[0.85] == pytest.approx(100 * expected, rel=1e-6)


@every_meter
def test_class_numbers_are_as_labels(make):
    one_hot = make((0.5,), 3).add(OUTPUT, np.eye(3)[[0, 1]])
    assert measured(make((0.5,), 3).add(OUTPUT, [0, 1])) == measured(one_hot)


def test_nan_predicts_nothing():
    assert measured(RecallMeter().add([np.nan, 0.9], [1, 1])) == {0.5: 50.0}
    best = RecallMeter(None, 2).add([[np.nan, 0.9], [0.1, 0.9]], [1, 1])
    assert measured(best) == {"best": [0.0, 50.0]}


def test_float_targets_and_integer_scores_work():
    meter = PrecisionMeter((128,)).add(np.array([200, 90], np.uint8), [1.0, 0.0])
    assert measured(meter) == {128.0: 100.0}


@pytest.mark.parametrize("start", [2**24, 2**31 - 1, 2**32 - 1])
def test_counts_are_exact_beyond_32_bits(start):
    hits = PrecisionMeter().add([0.9, 0.9], [1, 0]).hits
    meter = PrecisionMeter(hits=hits)
    many = type(hits)(*(Count.of(c) for c in ([start], [start], start, start)))
    grown = meter.merge(PrecisionMeter(hits=many)).hits
    assert int(meter.merge(PrecisionMeter(hits=grown)).hits.both[0]) == start + 2
    assert int(grown.predicted[0]) == start + 2 and int(grown.n) == start + 1


@every_meter
def test_thresholds_are_checked(make):
    for bad in (0.5, "0.5", (True,), ("0.5",), np.zeros((1, 1))):
        with pytest.raises(TypeError, match="tuple of thresholds"):
            make(bad)
    for bad in ((), (np.nan,)):
        with pytest.raises(ValueError, match="one or more thresholds, got"):
            make(bad)
    assert make([1, 0.25, np.float32(1)]).thresholds == (0.25, 1.0)
    assert list(make(np.array([0.5, 0.25])).value()) == [0.25, 0.5]


@every_meter
def test_classes_are_checked(make):
    with pytest.raises(TypeError, match="num_classes to be an integer, got True"):
        make(num_classes=True)
    with pytest.raises(ValueError, match=r"needs output \[B, 4\].*float64\[2,3\]"):
        make(num_classes=4).add(np.array(OUTPUT), TARGET)
    with pytest.raises(ValueError, match=r"\.add needs output \[B, K\]"):
        make().add(0.5, 1)
    with pytest.raises(TypeError, match="real scores, got output complex"):
        make().add(np.zeros(2, complex), [0, 1])


def test_beta_must_be_positive():
    for beta in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="needs 0 < beta < infinity, got"):
            FScoreMeter(beta=beta)


def test_merges_only_what_measures_the_same():
    with pytest.raises(ValueError, match=r"same beta, got 1.0 and "):
        FScoreMeter().merge(FScoreMeter(beta=2.0))


@every_meter
def test_a_number_is_as_exact_as_a_count(make):
    meter = make().add([0.9, 0.9, 0.9, 0.1, 0.1], [1, 0, 0, 1, 1])
    assert meter.value()[0.5] == pytest.approx(100 / 3, rel=1e-15)
    apart = make(num_classes=1).add([[0.9], [0.9], [0.9]], [[1], [0], [0]]).value()[0.5]
    assert apart.dtype == np.float32
