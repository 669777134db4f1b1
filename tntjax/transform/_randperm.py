"""A fixed permutation as a function of an index."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from tntjax._numbers import check_at_least, check_axis, check_integers, find_outside


def randperm(size: int, seed: int = 0) -> Callable[[Any], Any]:
    """Returns one fixed random permutation as a function of the index.

    Args:
      size: how many numbers are permuted, at least 0.
      seed: which permutation; the same size and seed give the same one.

    Returns:
      A function of an int, which returns an int, or of an array of integers of any
      shape, which returns an int64 array of that shape. An index outside of
      0 <= index < size raises IndexError, unless it is traced. Equal for equal
      arguments, and picklable.

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
    size = check_axis("randperm: size", size, bits=63)
    return _RandPerm(size, check_at_least("randperm: seed", seed, 0))


@dataclasses.dataclass(frozen=True, repr=False)
class _RandPerm:
    size: int
    seed: int
    order: np.ndarray = dataclasses.field(init=False, compare=False)

    def __post_init__(self) -> None:
        order = np.random.default_rng(self.seed).permutation(self.size)
        object.__setattr__(self, "order", order)

    def __call__(self, index: Any) -> Any:
        index = check_integers(index, "randperm needs integer indices")
        wrong = None if isinstance(index, Tracer) else find_outside(index, self.size)
        if wrong is not None:
            raise IndexError(
                f"randperm has {self.size} indices from 0 on; got {wrong}."
            )
        if isinstance(index, jax.Array):
            return jnp.asarray(self.order)[index]
        found = self.order.take(index)
        return found if found.ndim else int(found)

    def __repr__(self) -> str:
        return f"randperm({self.size}, seed={self.seed})"

    def __reduce__(self) -> tuple:
        return randperm, (self.size, self.seed)  # the permutation is made again
