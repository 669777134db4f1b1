import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax._array import (
    as_array,
    as_mask,
    host_or_device,
    host_zeros,
    namespace,
    over_rows,
)


def test_namespace_is_numpy_on_the_host():
    assert namespace() is np
    assert namespace(np.zeros(2), 3, None, [1]) is np


def test_namespace_is_jax_beside_a_jax_array():
    assert namespace(np.zeros(2), jnp.zeros(2)) is jnp


def test_namespace_is_jax_under_tracing():
    seen = []
    jax.jit(lambda x: seen.append(namespace(x)))(1.0)
    assert seen == [jnp]


def test_as_array_leaves_arrays_where_they_are():
    for array in (np.zeros(2), jnp.zeros(2)):
        assert as_array(array) is array


@pytest.mark.parametrize("value", [1, 2.5, True, np.float32(3), [1, 2], (1.0, 2.0)])
def test_as_array_makes_numpy_of_host_values(value):
    array = as_array(value)
    assert type(array) is np.ndarray
    assert array.tolist() == np.asarray(value).tolist()


def test_as_array_stacks_lists_of_jax_arrays():
    assert isinstance(as_array([jnp.ones(2), [1, 2]]), jax.Array)


def test_host_or_device_computes_where_the_arguments_are():
    add = host_or_device(lambda xp, x, y: (xp, x + y["z"])[1])
    assert type(add(np.ones(2), {"z": np.ones(2)})) is np.ndarray
    assert isinstance(add(np.ones(2), {"z": jnp.ones(2)}), jax.Array)


def test_host_or_device_is_silent():
    divide = host_or_device(lambda xp, x, y: x / y)
    assert np.isnan(divide(np.zeros(1), np.zeros(1))).all()


def test_host_zeros_reads_no_leaf():
    tree = {"a": jnp.ones((2, 3), jnp.bfloat16), "b": np.int32(4)}
    shapes = jax.eval_shape(lambda: tree)
    for zeros in (host_zeros(tree), host_zeros(shapes)):
        assert type(zeros["a"]) is np.ndarray
        assert zeros["a"].shape == (2, 3) and zeros["a"].dtype == jnp.bfloat16
        assert zeros["b"] == 0 and zeros["b"].dtype == np.int32


@pytest.mark.parametrize(
    ("given", "aligned"),
    [((), (2, 1)), ((2,), (2, 1)), ((2, 3), (2, 3)), ((1, 3), (1, 3))],
)
def test_over_rows_aligns_the_first_axes(given, aligned):
    assert over_rows(np.ones(given), (2, 3), "mask").shape == aligned


@pytest.mark.parametrize("given", [(1,), (3,), (2, 2), (2, 3, 1)])
def test_over_rows_refuses_what_does_not_fit(given):
    with pytest.raises(ValueError, match=r"mask has shape .* of shape \[2, 3\]"):
        over_rows(np.ones(given), (2, 3), "mask")


def test_as_mask_takes_lists_and_bools():
    assert as_mask([True, False], (2,), "mask").tolist() == [True, False]
    assert as_mask(True, (2,), "mask").tolist() == [True, True]


def test_as_mask_refuses_numbers():
    with pytest.raises(TypeError, match="mask must be bool, got float64"):
        as_mask([0.0, 1.0], (2,), "mask")
