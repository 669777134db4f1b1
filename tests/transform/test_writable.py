from collections import OrderedDict, UserDict, UserList, defaultdict, deque
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.transform._writable import copy_writable


class Pair(NamedTuple):
    left: object
    right: object


@pytest.mark.parametrize(
    "sample",
    [
        {"b": 1, "a": {2: [np.arange(2), "x"]}},
        [1, 2.0, None],
        (np.zeros(2), [jnp.ones(1)]),
        Pair([1], np.zeros(1)),
        OrderedDict(b=[1], a=2),
        defaultdict(list, b=[1]),
        UserDict(b=[1]),
        np.asfortranarray(np.eye(2)),
        np.float32(1),
        np.zeros(1, [("x", int)])[0],
        object(),
        None,
    ],
)
def test_is_equal_and_of_the_same_types(sample):
    copied = copy_writable(sample)
    assert type(copied) is type(sample)
    np.testing.assert_equal(copied, sample)


@pytest.mark.parametrize(
    ("sample", "change"),
    [
        ({1}, lambda sample: sample.add(2)),
        (bytearray(b"x"), lambda sample: sample.append(2)),
        (deque([[1]]), lambda sample: sample[0].append(2)),
        (UserList([[1]]), lambda sample: sample[0].append(2)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_was_copied_may_be_changed(sample, change):
    before = repr(sample)
    copied = copy_writable(sample)
    change(copied)
    assert repr(sample) == before != repr(copied)


def test_keeps_the_order_of_keys():
    assert list(copy_writable({"b": 1, "a": 2})) == ["b", "a"]


def test_keeps_the_strides_of_an_array():
    assert copy_writable(np.asfortranarray(np.eye(3))).flags.f_contiguous


def test_copies_the_objects_in_an_array():
    array = np.array([[1], None], dtype=object)
    copy_writable(array)[0].append(2)
    assert array[0] == [1]


class Picture:
    """An image as PIL's are: pixels without `__array__`, that may be painted on."""

    __array_interface__ = {"shape": (1,), "typestr": "|u1", "version": 3}

    def __init__(self, pixel):
        self.pixel = pixel

    def copy(self):
        return Picture(self.pixel)


def test_an_image_may_be_painted_on():
    image = Picture(1)
    copy_writable({"input": image})["input"].pixel = 2
    assert image.pixel == 1
