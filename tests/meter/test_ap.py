import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from tntjax.meter import APMeter, mAPMeter

many_examples = settings(max_examples=60)
seeds = st.integers(0, 2**32 - 1)
SLOTS, CLASSES = 24, 3
in_jit = jax.jit(lambda meter: meter.value())
put = jax.jit(lambda *batch, mask: APMeter(SLOTS, CLASSES).add(*batch, mask=mask))


def average(output, target, *weight, convention="standard"):
    return APMeter(convention=convention).add(output, target, *weight).value().tolist()


def drawn(seed):
    """Scores with ties; targets of one class only are among them."""
    rng = np.random.default_rng(seed)
    shape = (SLOTS, CLASSES)
    scores = rng.integers(0, rng.integers(2, 30), shape).astype(np.float32) / 8
    targets = rng.random(shape) < rng.choice([0.0, 0.1, 0.5, 1.0], CLASSES)
    weights = rng.integers(1, 5, SLOTS) / 2
    return scores, targets, weights, rng.random(SLOTS) < 0.7


def expected(scores, targets, weights):
    """Of scikit-learn, which has 0 and a warning where there is nothing to average."""
    return [
        average_precision_score(target, score, sample_weight=weights)
        if target.any()
        else np.nan
        for score, target in zip(scores.T, targets.T, strict=True)
    ]


def test_golden_values():
    # above the positive ones: 1 of 1, 2 of 3
    assert average([0.9, 0.6, 0.4, 0.1], [1, 0, 1, 0]) == [np.float32(5 / 6)]
    assert average([0.1, 0.9], [1, 0]) == [0.5]


def test_golden_values_with_weights():
    scores, targets, weights = [0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0], [1, 2, 3, 1]
    # precisions 1 and (1 + 3) / 6; in the mean they weigh 1 and 3, or the same
    standard = (1 * 1 + 3 * 4 / 6) / 4
    torchnet = (1 + 4 / 6) / 2
    assert average(scores, targets, weights) == [np.float32(standard)]
    assert average(scores, targets, weights, convention="torchnet") == [
        np.float32(torchnet)
    ]
    meter = APMeter(4, 1, "torchnet").add(scores, targets, weights)
    np.testing.assert_allclose(in_jit(meter), [torchnet], rtol=1e-6)


def test_no_positive_examples():
    scores, targets = [[0.1, 0.3], [0.9, 0.2]], [[0, 1], [0, 0]]
    np.testing.assert_array_equal(average(scores, targets), [np.nan, 1.0])
    assert average(scores, targets, convention="torchnet") == [0.0, 1.0]
    assert mAPMeter().add(scores, targets).value() == 1.0
    assert mAPMeter(convention="torchnet").add(scores, targets).value() == 0.5
    for convention, mean in {"standard": 1.0, "torchnet": 0.5}.items():
        meter = mAPMeter(4, 2, convention).add(scores, targets)
        assert meter.value() == in_jit(meter) == mean


@pytest.mark.slow
@pytest.mark.parametrize("convention", ["standard", "torchnet"])
def test_nothing_added_is_nan(convention):
    for meter in (APMeter(convention=convention), APMeter(5, 2, convention)):
        assert np.isnan(meter.value()).all() and np.isnan(in_jit(meter)).all()
    for meter in (mAPMeter(convention=convention), mAPMeter(5, 2, convention)):
        assert np.isnan(meter.value()) and np.isnan(in_jit(meter))


def test_equal_scores_count_together_in_any_order():
    for convention in ("standard", "torchnet"):
        for targets in ([0, 1, 1], [1, 1, 0]):
            (value,) = average([0.5, 0.5, 0.5], targets, convention=convention)
            assert value == np.float32(2 / 3)


def test_unweighted_and_weighted_adds_mix():
    batch, more = ([0.9, 0.8], [1, 0]), ([0.7, 0.6], [1, 0])
    mixed = APMeter().add(*batch).add(*more, [3, 1])
    together = APMeter().add([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0], [1, 1, 3, 1])
    assert mixed.value().tolist() == together.value().tolist()
    late = APMeter().add(*more, [3, 1]).add(*batch)
    assert late.value().tolist() == together.value().tolist()


@many_examples
@given(seed=seeds)
def test_is_scikit_learn(seed):
    scores, targets, weights, mask = drawn(seed)
    kept = scores[mask], targets[mask], weights[mask]
    wanted = expected(*kept)
    growing = APMeter().add(*kept).value()
    np.testing.assert_allclose(growing, wanted, atol=1e-6)
    unweighted = APMeter().add(*kept[:2]).value()
    np.testing.assert_allclose(unweighted, expected(*kept[:2], None), atol=1e-6)
    mean = mAPMeter().add(*kept).value()
    if not np.isnan(wanted).all():
        assert mean == pytest.approx(np.nanmean(wanted), abs=1e-6)
    else:
        assert np.isnan(mean)


@pytest.mark.slow
@many_examples
@given(seed=seeds)
def test_is_scikit_learn_in_jit(seed):
    scores, targets, weights, mask = drawn(seed)
    meter = put(scores, targets, weights, mask=mask)
    wanted = expected(scores[mask], targets[mask], weights[mask])
    np.testing.assert_allclose(in_jit(meter), wanted, atol=1e-6)
    np.testing.assert_allclose(meter.value(), wanted, atol=1e-6)


@pytest.mark.slow
@many_examples
@given(seed=seeds)
def test_torchnet_weighs_the_precision_only(seed):
    scores, targets, weights, _ = drawn(seed)
    scores = np.random.default_rng(seed).permuted(
        np.tile(np.arange(SLOTS, dtype=np.float32)[:, None], (1, CLASSES)), axis=0
    )  # no ties, whose order Torchnet leaves open
    wanted = []
    for score, target in zip(scores.T, targets.T, strict=True):
        order = np.argsort(-score)
        truth, weight = target[order], weights[order]
        precision = (truth * weight).cumsum() / weight.cumsum()
        wanted.append((precision * truth).sum() / max(truth.sum(), 1))
    meter = APMeter(SLOTS, CLASSES, "torchnet").add(scores, targets, weights)
    np.testing.assert_allclose(meter.value(), wanted, atol=1e-6)
    np.testing.assert_allclose(in_jit(meter), wanted, atol=1e-6)
    mean = mAPMeter(convention="torchnet").add(scores, targets, weights).value()
    assert mean == pytest.approx(np.mean(wanted), abs=1e-6)


@pytest.mark.slow
def test_a_nan_shows_in_its_class_and_in_the_mean():
    scores, targets = [[np.nan, 0.1], [0.3, 0.2]], [[0, 1], [1, 0]]
    for convention in ("standard", "torchnet"):
        meter = APMeter(2, 2, convention).add(scores, targets)
        for value in (meter.value(), in_jit(meter)):
            assert np.isnan(value).tolist() == [True, False]
        mean = mAPMeter(2, 2, convention).add(scores, targets)
        assert np.isnan(mean.value()) and np.isnan(in_jit(mean))


def test_a_vector_is_examples_of_one_class_or_one_of_many():
    assert APMeter().add([0.1, 0.9, 0.3], [1, 0, 1]).value().shape == (1,)
    assert int(APMeter(9).add([0.1, 0.9, 0.3], [1, 0, 1]).n) == 3
    for meter in (APMeter(9, 3), APMeter(None, 3)):
        meter = meter.add([0.1, 0.9, 0.3], [1, 0, 1])
        assert meter.value().shape == (3,) and int(meter.n) == 1


def test_shows_a_few_classes():
    scores = np.array([[0.1] * 8, [0.9] * 8])
    meter = APMeter().add(scores, scores > 0.5)
    shown = ", ".join(f"class{number}=1" for number in range(6))
    assert repr(meter) == f"APMeter({shown}, classes=8, n=2)"
    assert repr(APMeter(1, 8).add(scores, scores)).startswith("APMeter(classes=over")


@pytest.mark.parametrize("make", [APMeter, mAPMeter])
def test_classes_stay_the_same(make):
    rows = np.zeros((4, 3))
    with pytest.raises(ValueError, match=r"needs output \[B, 1\].*is \w+\(N, K\)"):
        make(10).add(rows, rows)
    with pytest.raises(ValueError, match=r"needs output \[B, 3\]"):
        make().add(rows, rows).add(rows[:, :2], rows[:, :2])
    with pytest.raises(ValueError, match=r"needs output \[B, K\].*float32\[2,2\]"):
        make().add(np.zeros(4), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="as many classes, got 3 and 2"):
        make().add(rows, rows).merge(make().add(rows[:, :2], rows[:, :2]))
    with pytest.raises(ValueError, match="the same num_classes, got 2 and 3"):
        make(10, 2).merge(make(10, 3))


@pytest.mark.parametrize("make", [APMeter, mAPMeter])
def test_arguments_are_checked(make):
    with pytest.raises(
        ValueError, match="needs convention to be 'standard' or 'torchnet'"
    ):
        make(convention=3)
    with pytest.raises(ValueError, match="needs num_classes >= 1, got 0"):
        make(num_classes=0)
    with pytest.raises(TypeError, match="needs num_classes to be an integer"):
        make(num_classes=2.0)
    with pytest.raises(ValueError, match="the same convention"):
        make().merge(make(convention="torchnet"))
