import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import top_k_accuracy_score

from tntjax.meter import ClassErrorMeter
from tntjax.meter.parts._count import Count

OUTPUT = [[0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1], [0.4, 0.1, 0.5]]
TARGET = [1, 1, 0, 1]


def measured(meter):
    return {k: float(percent) for k, percent in meter.value().items()}


def wrong(output, target, topk=(1,)):
    meter = ClassErrorMeter(topk).add(np.asarray(output, np.float32), target)
    return [count for count in meter.wrong.integers().tolist()]


def test_golden_values_of_torchnet():
    assert measured(ClassErrorMeter((1, 2, 3)).add(OUTPUT, TARGET)) == {
        1: 50.0,
        2: 25.0,
        3: 0.0,
    }


def test_accuracy_is_the_rest():
    meter = ClassErrorMeter((1, 2), accuracy=True).add(OUTPUT, TARGET)
    assert measured(meter) == {1: 50.0, 2: 75.0}
    perfect = ClassErrorMeter(accuracy=True)
    for _ in range(3):
        perfect = perfect.add([0.0, 1.0], 1)
    assert measured(perfect) == {1: 100.0}


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_is_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    output = rng.permuted(np.tile(np.arange(6.0), (16, 1)), axis=1)  # no ties
    target = rng.integers(0, 6, 16)
    meter = ClassErrorMeter((1, 2, 5), accuracy=True).add(output, target)
    for k, percent in measured(meter).items():
        score = top_k_accuracy_score(target, output, k=k, labels=np.arange(6))
        assert percent == pytest.approx(100 * score)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_is_top_k_with_ties(seed):
    rng = np.random.default_rng(seed)
    output = rng.integers(0, 3, (16, 6)).astype(np.float32)
    target = rng.integers(0, 6, 16)
    best = np.asarray(jax.lax.top_k(output, 3)[1])  # keeps the lower index
    expected = [int((best[:, :k] != target[:, None]).all(1).sum()) for k in (1, 3)]
    assert wrong(output, target, (1, 3)) == expected


def test_ties_keep_the_lower_index():
    assert wrong([[1.0, 1.0, 1.0]], [0]) == [0]
    assert wrong([[1.0, 1.0, 1.0]], [1], (1, 2)) == [1, 0]
    assert wrong([[0.0, -0.0]], [1]) == [1]


def test_nan_comes_first():
    nan = np.nan
    assert wrong([[nan, 1.0, 0.0]], [1], (1, 2)) == [1, 0]
    assert wrong([[1.0, 0.0, nan]], [0], (1, 2)) == [1, 0]


def test_a_nan_target_is_wrong_for_every_k():
    assert wrong([[np.nan, 1.0]], [0], (1, 2)) == [1, 1]
    assert wrong(np.full((3, 4), np.nan), [0, 1, 3], (1, 4)) == [3, 3]


@pytest.mark.parametrize("target", [-1, 3, 255, -(2**31)])
def test_a_target_out_of_range_is_wrong_for_every_k(target):
    assert wrong([[0.1, 0.2, 0.3]], [target], (1, 3)) == [1, 1]


def test_infinite_scores_are_scores():
    assert wrong([[-np.inf, np.inf]], [1]) == [0]
    assert wrong([[-np.inf, -np.inf]], [1]) == [1]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint32, np.int64])
def test_targets_of_any_integer_dtype(dtype):
    output = np.zeros((2, 300), np.float32)
    output[0, 100] = output[1, 299] = 1
    assert wrong(output, np.array([100, 100], dtype), (1, 300)) == [1, 0]


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.int32, jnp.uint8])
def test_scores_of_any_real_dtype(dtype):
    output = jnp.array([[1, 7, 3], [4, 2, 1]], dtype)
    meter = ClassErrorMeter().add(output, jnp.array([1, 1]))
    assert measured(meter) == {1: 50.0}


def test_targets_of_one_column():
    assert wrong(OUTPUT, np.array(TARGET)[:, None]) == [2]


def test_one_example():
    for target in (1, [1], np.int64(1), jnp.array(1)):
        meter = ClassErrorMeter().add([0.2, 0.5, 0.3], target)
        assert measured(meter) == {1: 0.0} and int(meter.n) == 1


@pytest.mark.parametrize("target", [[0, 0], [[0], [1]]])
def test_one_class_is_nothing_to_choose_from(target):
    with pytest.raises(ValueError, match=r"two or more classes.*float64\[2,1\]"):
        ClassErrorMeter().add(np.zeros((2, 1)), target)


def test_more_axes_of_examples():
    output, target = np.array([OUTPUT, OUTPUT]), np.array([TARGET, TARGET])
    meter = ClassErrorMeter().add(output, target, mask=[True, False])
    assert measured(meter) == {1: 50.0} and int(meter.n) == 4


def test_empty_is_nan():
    assert np.isnan(measured(ClassErrorMeter((1, 5)))[5])


def test_topk_is_sorted_and_each_once():
    meter = ClassErrorMeter(topk=[5, 1, np.int64(5)])
    assert meter.topk == (1, 5) == ClassErrorMeter(np.array([5, 1])).topk
    assert ClassErrorMeter(range(1, 4)).topk == (1, 2, 3)
    assert list(meter.value()) == [1, 5]
    assert meter.wrong.low.shape == (2,)


def test_counts_are_exact_beyond_32_bits():
    for count in (2**24, 2**31 - 1, 2**32 - 1, 2**40):
        meter = ClassErrorMeter(wrong=Count.of([count]), n=Count.of(count))
        meter = meter.add([[0.0, 1.0]], [0])
        assert int(meter.wrong[0]) == int(meter.n) == count + 1
        assert measured(meter) == {1: 100.0}


@pytest.mark.parametrize("topk", [5, "15", (1, 2.0), (True,), None])
def test_topk_must_be_integers(topk):
    with pytest.raises(TypeError, match=r"tuple of integers, such as \(1, 5\)"):
        ClassErrorMeter(topk)


@pytest.mark.parametrize("topk", [(), (0,), (1, -2)])
def test_topk_must_be_positive(topk):
    with pytest.raises(ValueError, match="one or more k >= 1"):
        ClassErrorMeter(topk)


def test_too_few_classes_names_both():
    with pytest.raises(ValueError, match=r"topk=\(1, 5\)\) needs 5 .* has 3: float"):
        ClassErrorMeter((1, 5)).add(np.zeros((2, 3)), [0, 1])


@pytest.mark.parametrize(
    ("output", "target", "hint"),
    [
        ((4,), (4,), "one-hot, pass target.argmax"),
        ((4,), (4,), r"one score z of two classes pass jnp.stack\(\[-z, z\], -1\)"),
        ((4, 3), (4, 3), "one-hot, pass target.argmax"),
        ((4, 1), (5,), "a row of scores for each target"),
        ((4, 3), (4, 1, 1), "a row of scores for each target"),
        ((), (), "a row of scores for each target"),
    ],
)
def test_shapes_that_do_not_fit_are_shown(output, target, hint):
    shapes = [re.escape(str(list(s)).replace(" ", "")) for s in (output, target)]
    pattern = f"output float64{shapes[0]} and target int32{shapes[1]}.*{hint}"
    with pytest.raises(ValueError, match=pattern):
        ClassErrorMeter().add(np.zeros(output), np.zeros(target, np.int32))


def test_targets_must_be_integers():
    with pytest.raises(TypeError, match=r"target float64\[2\].*astype\('int32'\)"):
        ClassErrorMeter().add(np.zeros((2, 3)), np.zeros(2))


def test_scores_must_be_real():
    with pytest.raises(TypeError, match=r"real scores, got output complex128\[2,3\]"):
        ClassErrorMeter().add(np.zeros((2, 3), complex), [0, 1])


@pytest.mark.parametrize(
    "other", [ClassErrorMeter((1, 2)), ClassErrorMeter((1,), True)]
)
def test_merges_only_what_measures_the_same(other):
    with pytest.raises(ValueError, match="same (topk|accuracy), got "):
        ClassErrorMeter().merge(other)
