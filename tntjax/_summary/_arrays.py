"""The arrays of a tree as rows of a table: path, shape, bytes, where they lie."""

import dataclasses
import itertools
import math
import re
import types
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp

from tntjax._struct import describe

SHORT = {"float": "f", "bfloat": "bf", "int": "i", "uint": "u", "complex": "c"}
"""Kinds of numbers, as they stand before their bits."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One array of a tree, or several of them.

    Args:
      path: where in the tree, such as `hidden/weight`; of several what is common.
      shape: dtype and shape, such as `f32[784,128]`; of several how many they are.
      size: how many numbers they hold.
      bytes: how many bytes these take.
      sharding: how they are divided over a mesh, `""` if they are not.
      arrays: how many they are.
    """

    path: str
    shape: str
    size: int
    bytes: int
    sharding: str = ""
    arrays: int = 1


def as_shapes(tree: Any) -> Any:
    """Replaces arrays and numbers by their shapes, with shardings over several devices.

    On a single device it does not matter where one lies: the default one is analysed.
    """

    def shape_of(leaf: Any) -> jax.ShapeDtypeStruct:
        sharding = getattr(leaf, "sharding", None)
        spread = sharding is not None and len(sharding.device_set) > 1
        return jax.ShapeDtypeStruct(
            jnp.shape(leaf),
            jnp.result_type(leaf),
            sharding=sharding if spread else None,
        )

    return jax.tree.map(shape_of, tree)


def without_shardings(tree: Any) -> Any:
    """Returns the same shapes, on no devices in particular."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree)


def count_devices(tree: Any) -> int:
    """Returns over how many devices the arrays of a tree are spread, at least 1."""
    shardings = [leaf.sharding for leaf in jax.tree.leaves(tree) if leaf.sharding]
    return max((len(sharding.device_set) for sharding in shardings), default=1)


def describe_short(tree: Any) -> str:
    """Describes a tree of arrays in one line, such as `f32[64,784]`."""
    return describe(jax.tree.map(_shorten, tree))


def list_rows(name: str, tree: Any, depth: int | None = None) -> tuple[Row, ...]:
    """Lists the arrays of a tree of shapes; `name` is the path of a lone one.

    With `depth`, arrays whose paths begin with the same so many keys make one row.
    """

    def common(entry: tuple[Any, Any]) -> str:
        return jax.tree_util.keystr(entry[0][:depth], simple=True, separator="/")

    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return tuple(
        add_up(path or name, [_make_row(leaf) for _, leaf in entries])
        for path, entries in itertools.groupby(leaves, common)
    )


def add_up(path: str, rows: Iterable[Row]) -> Row:
    """Makes one row of some; a single one keeps its shape."""
    rows = list(rows)
    if len(rows) == 1:
        return dataclasses.replace(rows[0], path=path)
    arrays = sum(row.arrays for row in rows)
    places = sorted({row.sharding for row in rows} - {""})
    return Row(
        path,
        f"{arrays} arrays",
        sum(row.size for row in rows),
        sum(row.bytes for row in rows),
        places[0] if len(places) == 1 else "several" if places else "",
        arrays,
    )


def _make_row(leaf: jax.ShapeDtypeStruct) -> Row:
    size, spec = math.prod(leaf.shape), getattr(leaf.sharding, "spec", None)
    sharding = "" if spec is None else f"P({', '.join(map(repr, spec))})"
    bytes = size * leaf.dtype.itemsize
    return Row("", describe(_shorten(leaf)), size, bytes, sharding)


def _shorten(leaf: Any) -> Any:
    dtype = re.sub("^[a-z]+(?=[0-9])", lambda kind: SHORT[kind[0]], str(leaf.dtype))
    return types.SimpleNamespace(dtype=dtype, shape=leaf.shape)
