"""A fixed permutation as a function of an index."""

import dataclasses
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._struct import describe


def randperm(size: int, seed: int = 0) -> Callable[[Any], Any]:
    """Returns one fixed random permutation as a function of the index.

    Args:
      size: how many numbers are permuted, at least 0.
      seed: which permutation; the same size and seed give the same one.

    Returns:
      A function of an int, which returns an int, or of an array of integers of any
      shape, which returns an int64 array of that shape. An index outside of
      0 <= index < size raises IndexError; a JAX array or tracer is not checked, since
      that would wait for the device. Equal for equal arguments, and picklable.

    Raises:
      ValueError: if `size` or `seed` is negative.
      TypeError: if one isn't an integer.

    Example:
      >>> perm = randperm(4, seed=1)
      >>> sorted(perm(i) for i in range(4))
      [0, 1, 2, 3]
      >>> perm([0, 1]).tolist() == [perm(0), perm(1)]
      True

    Torchnet: `transform.randperm`, which drew from the global generator.
    """
    size, seed = operator.index(size), operator.index(seed)
    for name, number in (("size", size), ("seed", seed)):
        if number < 0:
            raise ValueError(f"randperm needs {name} >= 0, got {number}.")
    return _RandPerm(size, seed)


@dataclasses.dataclass(frozen=True, repr=False)
class _RandPerm:
    size: int
    seed: int
    order: np.ndarray = dataclasses.field(init=False, compare=False)

    def __post_init__(self) -> None:
        order = np.random.default_rng(self.seed).permutation(self.size)
        object.__setattr__(self, "order", order)

    def __call__(self, index: Any) -> Any:
        if isinstance(index, jax.Array):
            return jnp.asarray(self.order)[index]
        if isinstance(index, int | np.integer):
            if not 0 <= index < self.size:
                raise self.out_of_range(index)
            return int(self.order[index])
        index = np.asarray(index)
        if index.size == 0:
            return np.zeros(index.shape, self.order.dtype)
        if index.dtype.kind not in "iu":
            raise TypeError(f"randperm needs integer indices, got {describe(index)}.")
        for end in (index.min(), index.max()):
            if not 0 <= end < self.size:
                raise self.out_of_range(end)
        return self.order.take(index)

    def out_of_range(self, index: Any) -> IndexError:
        return IndexError(f"randperm has {self.size} indices from 0 on; got {index}.")

    def __repr__(self) -> str:
        return f"randperm({self.size}, seed={self.seed})"

    def __reduce__(self) -> tuple:
        return randperm, (self.size, self.seed)  # the permutation is made again
