import hashlib
import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tntjax._array import check_unmasked
from tntjax._struct import describe


def md5(tree: Any) -> str:
    """Computes the MD5 sum of a sample.

    Equal samples have equal sums in every process and on every machine. Keys of a dict
    count and their order does not; of arrays shape, dtype and values count, and where
    they lie does not.

    Args:
      tree: arrays, numbers, strings, bytes, None, and dicts, lists and tuples of these.

    Returns:
      32 hexadecimal digits.

    Raises:
      TypeError: if there is something else in it.

    Example:
      >>> first = md5({"x": np.zeros(2, np.float32), "y": 1})
      >>> first == md5({"y": 1, "x": np.zeros(2, np.float32)})
      True
      >>> first == md5({"x": np.zeros(2, np.float64), "y": 1})
      False

    Torchnet: `utils.sys.md5`, the sum of the serialized object, which depends on the
    order of its keys.
    """
    return _sum(tree, 0, {}).hex()


DEEP = 2
"""A table that lies in so many others is fed as its sum."""

Sums = dict[int, tuple[Any, bytes]]
"""By the id of a table the table, which so keeps its id, and its sum."""


def _sum(tree: Any, depth: int, sums: Sums) -> bytes:
    state = hashlib.md5(usedforsecurity=False)
    _feed(state.update, tree, depth, sums)
    return state.digest()


def _feed(update: Callable[[bytes], None], value: Any, depth: int, sums: Sums) -> None:
    """Feeds a kind, a size and what is inside, so that no two trees feed the same.

    Of tables deep inside the sums are fed, so that one that is at many places is walked
    once.
    """
    if hasattr(value, "shape") and hasattr(value, "dtype"):  # before float: np.float64
        check_unmasked(value, "What md5 is to sum")
        _feed_array(update, np.asarray(value))
    elif isinstance(value, Mapping | list | tuple) and depth >= DEEP:
        if id(value) not in sums:
            sums[id(value)] = value, _sum(value, DEEP - 1, sums)
        update(b"table:" + sums[id(value)][1])
    elif isinstance(value, Mapping):
        update(f"dict {len(value)}:".encode())
        for key, inside in sorted((_sum(key, 0, {}), value[key]) for key in value):
            update(key)
            _feed(update, inside, depth + 1, sums)
    elif isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        update(f"{kind} {len(value)}:".encode())
        for inside in value:
            _feed(update, inside, depth + 1, sums)
    elif isinstance(value, str | bytes):
        text = isinstance(value, str)
        coded = value.encode(errors="surrogatepass") if text else value
        update(f"{'str' if text else 'bytes'} {len(coded)}:".encode() + coded)
    elif isinstance(value, bool | int) or value is None:
        update(f"{type(value).__name__} {value}:".encode())
    elif isinstance(value, float | complex):
        number = complex(value)
        update(f"{type(value).__name__}:".encode())
        update(struct.pack("<dd", number.real, number.imag))
    else:
        raise TypeError(
            "md5 needs arrays, numbers, strings, bytes, None, and dicts, lists and"
            f" tuples of these; got {describe(value)}."
        )


def _feed_array(update: Callable[[bytes], None], array: np.ndarray) -> None:
    if array.dtype.hasobject:
        raise TypeError(f"md5 needs arrays of numbers, got {describe(array)}.")
    native = array.dtype.newbyteorder("=")
    update(f"array {native} {array.shape}:".encode())
    update(array.astype(native.newbyteorder("<")).tobytes())
