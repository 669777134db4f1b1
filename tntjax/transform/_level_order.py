"""level_order: trees as arrays, level by level, for one compiled shape."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tntjax._numbers import check_integer
from tntjax._struct import describe

Place = tuple[int, int]
"""The level of a node and its number in the level."""


class Levels(NamedTuple):
    """The nodes of trees by their height: `L` levels of `W` places, leaves in level 0.

    Place `w` of level `l` has the number `l * W + w`.

    Args:
      value: [L, W] int32, 0 where there is no node.
      children: [L, W, A] int32, numbers of places, all in levels before; L * W where
        there is no child.
      mask: [L, W] bool, where there is a node.
      root: [N] int32, the number of the root's place for each tree.
    """

    value: Any
    children: Any
    mask: Any
    root: Any


def level_order(
    trees: Sequence[Any],
    levels: int | None = None,
    width: int | None = None,
    arity: int | None = None,
) -> Levels:
    """Lays out the nodes of many trees such that children come before parents.

    All nodes of one height, of whatever trees, are computed at once: a scan over the
    levels gathers what was computed for the children. With sizes that are given, trees
    of any form have one shape, and one program computes them all.

    Args:
      trees: a list of trees, each a tuple `(value, child, child, ...)`, with an
        integer as value and trees as children; a leaf may be its value alone.
      levels: L, None for as many as there are.
      width: W, None for the most nodes of one height.
      arity: A, None for the most children of one node.

    Returns:
      The arrays, NumPy's.

    Raises:
      TypeError: if `trees` is not a list, or a tree is something else.
      ValueError: if there are no trees, or they have more levels, nodes of one height
        or children than there is room for, or a value that int32 does not hold.

    Example:
      >>> order = level_order([(9, (8, 1, 2), 3)])  # 9 over 8 and 3, 8 over 1 and 2
      >>> order.value.tolist()
      [[1, 2, 3], [8, 0, 0], [9, 0, 0]]
      >>> order.children[1:, 0].tolist(), order.root.tolist()
      ([[0, 1], [3, 2]], [6])

    Looks et al., "Deep Learning with Dynamic Computation Graphs", 2017 (TensorFlow
    Fold).
    """
    is_tree = isinstance(trees, tuple) and trees and not isinstance(trees[0], tuple)
    if is_tree or not isinstance(trees, Sequence):
        raise TypeError(
            f"level_order needs a list of trees, got {describe(trees)}, or one tree:"
            " pass [tree]."
        )
    if not trees:
        raise ValueError("level_order needs at least one tree, got none.")
    rows: list[list[tuple[int, list[Place]]]] = []
    roots = [_place_nodes(tree, rows) for tree in trees]
    sizes = {
        "levels": (levels, len(rows)),
        "width": (width, max(map(len, rows))),
        "arity": (arity, max(len(found) for row in rows for _, found in row)),
    }
    depth, breadth, most = (_as_size(name, *pair) for name, pair in sizes.items())
    value = np.zeros((depth, breadth), np.int32)
    children = np.full((depth, breadth, most), depth * breadth, np.int32)
    counts = np.zeros(depth, np.int32)
    counts[: len(rows)] = [len(row) for row in rows]
    mask = np.arange(breadth) < counts[:, None]  # [L, W]
    # A place (level, number) has the number `level * W + number` in all.
    for level, row in enumerate(rows):
        value[level, : len(row)] = [number for number, _ in row]
        for slot, (_, found) in enumerate(row):
            children[level, slot, : len(found)] = [a * breadth + b for a, b in found]
    root = np.array([a * breadth + b for a, b in roots], np.int32)
    return Levels(value, children, mask, root)


def _as_size(name: str, given: int | None, needed: int) -> int:
    if given is None:
        return needed
    size = check_integer(given, f"level_order needs an integer {name}")
    if size < needed:
        raise ValueError(f"level_order: the trees need {name} {needed}, got {size}.")
    return size


def _place_nodes(tree: Any, rows: list[list[tuple[int, list[Place]]]]) -> Place:
    """Appends nodes to the rows of their heights; returns the place of the root.

    Without recursion, as a tree may be deeper than Python's calls.
    """
    under_way = [_open(tree)]
    while True:
        value, left, found = under_way[-1]
        if left:
            under_way.append(_open(left.pop()))
            continue
        height = 1 + max((level for level, _ in found), default=-1)
        if height == len(rows):
            rows.append([])
        place = height, len(rows[height])
        rows[height].append((value, found))
        under_way.pop()
        if not under_way:
            return place
        under_way[-1][2].append(place)


def _open(tree: Any) -> tuple[int, list, list[Place]]:
    """Returns the value of a tree, its children from the last on, and no places yet."""
    parts = tree if isinstance(tree, tuple) else (tree,)
    subject = "level_order needs trees (value, child, ...) with integers as values"
    if not parts:
        raise TypeError(f"{subject}, got {describe(tree)}.")
    value = check_integer(parts[0], subject)
    if not -(2**31) <= value < 2**31:
        raise ValueError(f"{subject} that fit int32, got {value}.")
    return value, list(parts[:0:-1]), []
