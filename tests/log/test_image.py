import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.log import Image


@pytest.mark.parametrize(
    ("array", "shown"),
    [
        (np.zeros((2, 3), np.uint8), "Image(uint8[2,3])"),
        (jnp.zeros((2, 3, 4), jnp.bfloat16), "Image(bfloat16[2,3,4])"),
        ([[0.0, 1.0]], "Image([[0.0, 1.0]])"),
    ],
)
def test_repr(array, shown):
    assert repr(Image(array)) == shown


def test_floats_are_shares_and_integers_are_bytes():
    assert Image(jnp.array([[0.5, 2]], jnp.bfloat16)).pixels()[0, :, 0].tolist() == [
        128,
        255,
    ]
    assert Image([[1, 256]]).pixels()[0, :, 0].tolist() == [1, 255]


@pytest.mark.parametrize(
    "array",
    [np.zeros(3), np.zeros((2, 2, 2)), np.zeros((0, 2)), np.zeros((4, 2, 2, 3))],
)
def test_other_shapes_are_refused(array):
    with pytest.raises(ValueError, match=r"Image needs one array \[H, W\] or"):
        Image(array)


@pytest.mark.parametrize("array", [[["a"]], np.zeros((1, 1), complex)])
def test_what_is_not_a_number_is_refused(array):
    with pytest.raises(TypeError, match="Image needs numbers, got"):
        Image(array)
