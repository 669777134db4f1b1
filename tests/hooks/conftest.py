"""The problem that the tests of the engines train on, and how States are compared."""

import jax
import numpy as np
import pytest

from tests.engine.conftest import compiles, problem

__all__ = ["compiles", "problem", "same"]


def read_meters(tree):
    """Puts the value of each meter in its place."""

    def is_meter(node):
        return hasattr(node, "merge")

    def read(node):
        return node.value() if is_meter(node) else node

    return jax.tree.map(read, tree, is_leaf=is_meter)


@pytest.fixture(scope="session")
def same():
    """Compares pytrees: integers and bools exactly, floats but for rounding.

    Meters are compared by their values, as they hold sums in the bits of integers.
    """

    def compare(left, right):
        left, right = read_meters(left), read_meters(right)
        assert jax.tree.structure(left) == jax.tree.structure(right)
        for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
            if np.issubdtype(np.asarray(a).dtype, np.floating):
                np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)
            else:
                np.testing.assert_array_equal(a, b)

    return compare
