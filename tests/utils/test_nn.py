from contextlib import suppress

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tntjax.utils import infer_input_size, infer_output_size

LENET = [
    {"name": "cast"},  # without a kernel: passed over
    {"name": "conv", "kernel": 5},
    {"kernel": 2, "stride": 2},
    {},
    {"kernel": 5},
    {"kernel": 2, "stride": 2},
]


def test_lenet():
    assert infer_output_size(LENET, 32) == (5, 4)
    assert infer_input_size(LENET, 5) == (32, 4)
    assert infer_input_size(LENET) == (16, 4)


@pytest.mark.parametrize(
    ("layers", "size", "expected"),
    [
        ([], 7, (7, 1)),
        ([{"kernel": 3}, {"kernel": 3}], 1, (5, 1)),
        ([{"kernel": 3, "padding": 1}] * 4, 8, (8, 1)),
        ([{"kernel": 11, "stride": 4}, {"kernel": 3, "stride": 2}], 1, (19, 8)),
        ([{"kernel": 7, "stride": 2, "padding": 3}], 112, (223, 2)),
    ],
    ids=str,
)
def test_input_sizes_and_receptive_fields(layers, size, expected):
    found = infer_input_size(layers, size)
    assert found == expected
    assert (found.size, found.stride) == expected


@pytest.mark.parametrize("size", [1, 2, 7, 30])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1])
def test_the_input_is_the_smallest_that_gives_the_output(size, stride, padding):
    layers = [{"kernel": 4, "stride": stride, "padding": padding}, {"kernel": 3}]
    least = infer_input_size(layers, size).size
    assert infer_output_size(layers, least).size == size
    assert infer_output_size(layers, least + stride).size == size + 1
    with suppress(ValueError):  # smaller than a kernel
        assert infer_output_size(layers, least - 1).size < size


LAYER = st.builds(
    lambda kernel, stride, padding: {
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
    },
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(0, 4),
)


@given(st.lists(LAYER, max_size=3), st.integers(1, 6))
def test_an_input_is_found_if_there_is_one(layers, size):
    for candidate in range(1, 600):  # more than any of these nets needs
        with suppress(ValueError):  # smaller than a kernel
            if infer_output_size(layers, candidate).size == size:
                assert infer_input_size(layers, size).size == candidate
                return
    with pytest.raises(ValueError, match="pads so much"):
        infer_input_size(layers, size)


def test_both_ways_have_the_same_stride():
    layers = [{"kernel": 11, "stride": 4}, {}, {"kernel": 3, "stride": 2}]
    found = infer_output_size(layers, 227)
    assert found == (27, 8)
    assert (found.size, found.stride) == (27, 8)
    assert infer_input_size(layers, found.size).stride == found.stride
    assert infer_output_size([], 7) == (7, 1)


def test_small_integers_of_numpy_do_not_wrap():
    layers = [{"kernel": np.uint8(3), "padding": np.uint8(100)}]
    assert infer_output_size(layers, np.uint8(200)).size == 398
    assert infer_input_size(layers, np.int16(398)) == (200, 1)


def test_the_output_is_that_of_a_convolution():
    layers = [{"kernel": 5, "stride": 3, "padding": 2}, {"kernel": 2}]
    signal = np.ones((1, 1, 40), np.float32)
    for layer in layers:
        pad = layer.get("padding", 0)
        signal = jax.lax.conv_general_dilated(
            signal,
            np.ones((1, 1, layer["kernel"]), np.float32),
            (layer.get("stride", 1),),
            [(pad, pad)],
        )
    assert infer_output_size(layers, 40).size == signal.shape[-1]


@pytest.mark.parametrize(
    ("layers", "size", "error", "message"),
    [
        ([3], 9, TypeError, r"Layer 0 must be a dict such as \{'kernel': 3\}, got 3"),
        ([{}, {"kernel": 2.0}], 9, TypeError, "an integer layer 1: kernel, got 2.0"),
        ([{"kernel": True}], 9, TypeError, "an integer layer 0: kernel, got True"),
        ([{"kernel": 0}], 9, ValueError, "layer 0: kernel >= 1, got 0"),
        ([{"kernel": 1, "stride": 0}], 9, ValueError, "stride >= 1, got 0"),
        ([{"kernel": 1, "padding": -1}], 9, ValueError, "padding >= 0, got -1"),
        ([{"kernel": 1, "strides": 2}], 9, ValueError, "Layer 0 has 'strides'; only"),
        ([{}, {"kernal": 3}], 9, ValueError, "Layer 1 has 'kernal'; only 'kernel', 's"),
        ([{"channels": 6}], 9, ValueError, "Layer 0 has 'channels'; only"),
        ([{3: 3}], 9, ValueError, "Layer 0 has 3; only 'kernel', 'stride', 'padding'"),
        ([{"stride": 2}], 9, ValueError, "Layer 0 has 'stride' but no 'kernel'"),
        ([{"padding": 0}], 9, ValueError, "Layer 0 has 'padding' but no 'kernel'"),
        ([], 0, ValueError, "size >= 1, got 0"),
        ([], None, TypeError, "an integer size, got None"),
    ],
    ids=str,
)
@pytest.mark.parametrize("infer", [infer_input_size, infer_output_size])
def test_refuses(infer, layers, size, error, message):
    with pytest.raises(error, match=message):
        infer(layers, size)


def test_no_input_may_be_small_enough():
    with pytest.raises(ValueError, match="layer 1 pads so much .* gives 1: .*: 2"):
        infer_input_size([{"kernel": 3}, {"kernel": 3, "padding": 2}])


def test_an_input_may_be_smaller_than_the_kernel():
    with pytest.raises(ValueError, match="layer 1 gets 3 inputs, less than its kernel"):
        infer_output_size([{"kernel": 3}, {"kernel": 5}], 5)
