"""level_order: what is computed level by level is what recursion computes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tntjax.transform import level_order

trees = st.recursive(
    st.integers(0, 9),
    lambda inner: st.lists(inner, min_size=1, max_size=3).map(lambda c: (1, *c)),
    max_leaves=12,
)


def add_up(tree):
    if not isinstance(tree, tuple):
        return tree
    return tree[0] + sum((number + 2) * add_up(c) for number, c in enumerate(tree[1:]))


def add_up_levels(order):
    """The same as arrays: [L * W + 1] sums, of which the last stands for no child."""
    depth, breadth, most = order.children.shape
    sums = np.zeros(depth * breadth + 1, np.int64)
    for level in range(depth):
        below = sums[order.children[level]] @ (np.arange(most) + 2)  # [W]
        own = np.where(order.mask[level], order.value[level] + below, 0)
        sums[level * breadth :][:breadth] = own
    return sums[order.root]


@given(st.lists(trees, min_size=1, max_size=5))
def test_levels_compute_what_recursion_computes(some):
    expected = [add_up(tree) for tree in some]
    assert add_up_levels(level_order(some)).tolist() == expected
    fixed = level_order(some, levels=13, width=70, arity=4)
    assert fixed.value.shape == (13, 70) and fixed.children.shape == (13, 70, 4)
    assert add_up_levels(fixed).tolist() == expected


def test_a_tree_may_be_deeper_than_python_calls():
    tree = 1
    for _ in range(5000):
        tree = (0, tree)
    order = level_order([tree, 3])
    assert order.value.shape == (5001, 2) and order.root.tolist() == [10000, 1]
    assert order.mask.sum() == 5002


@pytest.mark.parametrize(
    ("some", "options", "error", "words"),
    [
        ([], {}, ValueError, "at least one tree, got none"),
        ([(1, 2)], {"levels": 1}, ValueError, "the trees need levels 2, got 1"),
        ([(1, 2, 3)], {"width": 1}, ValueError, "the trees need width 2, got 1"),
        ([(1, 2, 3)], {"arity": 1}, ValueError, "the trees need arity 2, got 1"),
        ([(1, 2)], {"arity": "2"}, TypeError, "an integer arity, got '2'"),
        ((9, 1, 2), {}, TypeError, r"or one tree: pass \[tree\]"),
        ([2**31], {}, ValueError, "that fit int32, got 2147483648"),
        ([()], {}, TypeError, r"trees \(value, child, ...\) with integers.*got"),
        ([("a", 1)], {}, TypeError, "integers as values, got 'a'"),
    ],
)
def test_what_has_no_room_or_is_no_tree_is_told(some, options, error, words):
    with pytest.raises(error, match=words):
        level_order(some, **options)


def test_narrow_sizes_count_as_far_as_python_does():
    assert level_order(((1, 2), 3)).root.tolist() == [2, 1]  # not one tree
    order = level_order([(1, 2)], levels=np.int8(100), width=np.int8(100))
    assert order.root.tolist() == [100] and order.children.max() == 100 * 100
