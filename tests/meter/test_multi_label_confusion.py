import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from tntjax.meter import MultiLabelConfusionMeter


def matrix(meter):
    return np.asarray(meter.value()).tolist()


def by_hand(output, target):
    """The words of the docstring, one example and one pair at a time."""
    classes = target.shape[1]
    cells = np.zeros((classes, classes))
    for scores, labels in zip(output, target, strict=True):
        order = np.argsort(-scores, kind="stable")
        predicted, actual = set(order[: labels.sum()]), set(np.flatnonzero(labels))
        for label in predicted & actual:
            cells[label, label] += 1
        for label in actual - predicted:
            for other in predicted - actual:
                cells[label, other] += 1 / len(actual - predicted)
    return cells


def test_golden_values_of_torchnet():
    output = [[0.9, 0.8, 0.1], [0.1, 0.9, 0.5], [0.9, 0.2, 0.1]]
    target = [[1, 1, 0], [1, 0, 1], [0, 0, 0]]
    meter = MultiLabelConfusionMeter(3).add(output, target)
    # the first is right; of the second 2 is, and 0 was taken for 1
    assert matrix(meter) == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    shares = MultiLabelConfusionMeter(3, normalized=True).add(output, target)
    assert matrix(shares) == [[0.5, 0.5, 0], [0, 1, 0], [0, 0, 1]]


def test_pairs_share_what_is_left():
    meter = MultiLabelConfusionMeter(4).add([9.0, 8.0, 1.0, 0.0], [0, 0, 1, 1])
    assert matrix(meter)[2] == matrix(meter)[3] == [0.5, 0.5, 0.0, 0.0]


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_is_what_its_docstring_says(seed):
    rng = np.random.default_rng(seed)
    output = rng.integers(0, 4, (12, 6)).astype(np.float32)  # ties
    target, mask = rng.integers(0, 2, (12, 6)), rng.random(12) < 0.7
    meter = MultiLabelConfusionMeter(6).add(output, target, mask=mask)
    expected = by_hand(output[mask], target[mask])
    np.testing.assert_allclose(meter.value(), expected, rtol=1e-6, atol=1e-6)
    found = np.asarray(meter.value())
    np.testing.assert_allclose(found.sum(1), target[mask].sum(0), rtol=1e-6)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_of_one_label_each_it_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    output = rng.integers(0, 4, (12, 6)).astype(np.float32)  # ties
    target, mask = rng.integers(0, 6, 12), rng.random(12) < 0.7
    meter = MultiLabelConfusionMeter(6).add(output, np.eye(6)[target], mask=mask)
    kept = target[mask], output[mask].argmax(1)
    expected = confusion_matrix(*kept, labels=range(6)) if mask.any() else 0
    np.testing.assert_array_equal(meter.value(), expected)


def test_nan_is_predicted_last():
    meter = MultiLabelConfusionMeter(3).add([np.nan, 0.2, -np.inf], [0, 1, 0])
    assert matrix(meter)[1] == [0.0, 1.0, 0.0]


def test_many_shares_are_summed_to_the_last_digit():
    meter = MultiLabelConfusionMeter(4)
    meter = meter.add([[9.0, 8.0, 7.0, 0.0]] * 3, [[0, 0, 0, 1]] * 3)
    meter = meter.add([[9.0, 8.0, 1.0, 0.0]] * 1000, [[0, 1, 0, 1]] * 1000)
    for _ in range(3):
        meter = meter.merge(meter)
    assert int(meter.n) == 8 * 1003
    assert matrix(meter)[3] == [8 * 1003.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("shape", [(2, 3), (4, 4), (2,)])
def test_shapes_that_do_not_fit_are_shown(shape):
    with pytest.raises(ValueError, match=r"needs output and target \[B, 4\], got"):
        MultiLabelConfusionMeter(4).add(np.zeros((2, 4)), np.zeros(shape))


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="needs num_classes >= 1, got -1"):
        MultiLabelConfusionMeter(-1)
    with pytest.raises(TypeError, match="real scores, got output complex"):
        MultiLabelConfusionMeter(2).add(np.zeros(2, complex), np.zeros(2))
