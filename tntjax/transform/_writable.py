"""Samples that a user's function may write to."""

import copy
from collections import UserList, deque
from collections.abc import Mapping, MutableMapping, MutableSet
from typing import Any

import jax
import numpy as np

_FIXED = frozenset({bool, int, float, complex, str, bytes, type(None)})


def copy_writable(sample: Any) -> Any:
    """Copies what of a sample could be changed in place.

    These are the mappings, lists, sets, tuples and other pytrees that it is built of,
    bytearrays, and arrays that can be written to, torch's tensors and PIL's images too;
    all else is passed on. Two fields of a sample share nothing afterwards. Within a
    field a table that is at several places is copied once, so tables of tables cost
    what they hold.
    """
    if type(sample) is dict:
        return {key: _copy(value, {}) for key, value in sample.items()}
    if type(sample) is tuple:
        return tuple(_copy(value, {}) for value in sample)
    return _copy(sample, {})


Copies = dict[int, tuple[Any, Any]]
"""By the id of a table the table, which so keeps its id, and its copy."""


def _copy(sample: Any, copies: Copies) -> Any:
    if type(sample) in _FIXED:
        return sample
    if isinstance(sample, np.ndarray) and not sample.dtype.hasobject:
        return sample.copy("K") if sample.flags.writeable else sample
    if isinstance(sample, np.ndarray | np.void):  # a void is a row, and a view of it
        return copy.deepcopy(sample)
    if isinstance(sample, np.generic | jax.Array):
        return sample
    if hasattr(sample, "__array__") and hasattr(sample, "clone"):
        return sample.clone()  # deepcopy would copy all that the tensor is a row of
    if hasattr(type(sample), "__array_interface__") and hasattr(sample, "copy"):
        return sample.copy()  # an image
    if id(sample) not in copies:
        copies[id(sample)] = sample, _copy_table(sample, copies)
    return copies[id(sample)][1]


def _copy_table(sample: Any, copies: Copies) -> Any:
    kind = type(sample)
    if kind is dict:
        return {key: _copy(value, copies) for key, value in sample.items()}
    if kind is list or kind is tuple:
        if _FIXED.issuperset(map(type, sample)):  # long lists of tokens
            return kind(sample)
        return kind(_copy(value, copies) for value in sample)
    parts, structure = jax.tree.flatten(sample, lambda node: node is not sample)
    if not jax.tree_util.treedef_is_leaf(structure):
        return jax.tree.unflatten(structure, [_copy(p, copies) for p in parts])
    if isinstance(sample, bytearray | MutableSet):  # and what is in it is fixed
        return copy.copy(sample)
    if isinstance(sample, MutableMapping | list | UserList | deque):
        copied = copy.copy(sample)
        for key in copied if isinstance(copied, Mapping) else range(len(copied)):
            copied[key] = _copy(copied[key], copies)
        return copied
    if isinstance(sample, Mapping):
        return {key: _copy(value, copies) for key, value in sample.items()}
    return sample
