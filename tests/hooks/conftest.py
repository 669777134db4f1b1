"""The problem that the tests of the engines train on, and how States are compared."""

import jax
import numpy as np
import pytest

from tests.engine.conftest import compiles, problem

__all__ = ["compiles", "problem", "same"]


def read_leaves(tree):
    """Returns the leaves as arrays; a score's two words are the float64 they hold."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = np.asarray(leaf)
        is_words = "['words']" in map(str, path[-1:])
        yield array.view(np.float64) if is_words else array


@pytest.fixture(scope="session")
def same():
    """Compares pytrees: integers and bools exactly, floats but for rounding."""

    def compare(left, right):
        assert jax.tree.structure(left) == jax.tree.structure(right)
        for a, b in zip(read_leaves(left), read_leaves(right), strict=True):
            if np.issubdtype(a.dtype, np.floating):
                np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)
            else:
                np.testing.assert_array_equal(a, b)

    return compare
