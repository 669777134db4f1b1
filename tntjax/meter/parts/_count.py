import operator
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._array import host_or_device
from tntjax._struct import describe, pytree
from tntjax.meter.parts._mesh import gather

COUNTED = "How many values or examples were counted; `int(meter.n)` is exact."


@pytree
class Count:
    """Counts [...], exact up to 2**63 - 1 although JAX has integers of 32 bits.

    They are `high * 2**32 + low`, both uint32. `+` and `-` work word by word with a
    carry, on the host, on a device and traced.

    Example:
      >>> count = Count.of(2**32 - 1) + np.int32(2)
      >>> int(count)
      4294967297
    """

    low: Any = np.uint32(0)
    high: Any = np.uint32(0)

    @staticmethod
    def of(number: Any) -> "Count":
        """Converts integers >= 0: int32 arrays or tracers, or Python's own."""
        if isinstance(number, jax.Array):
            low = number.astype(jnp.uint32)
            return Count(low, jnp.zeros_like(low))
        number = np.asarray(number, np.uint64)
        words = number & np.uint64(0xFFFFFFFF), number >> np.uint64(32)
        return Count(*(np.asarray(word, np.uint32) for word in words))

    @staticmethod
    def zeros(shape: tuple[int, ...]) -> "Count":
        """Returns counts of nothing, on the host."""
        return Count(np.zeros(shape, np.uint32), np.zeros(shape, np.uint32))

    def __add__(self, other: Any) -> "Count":
        return Count(*_plus(_words(self), _words(other)))

    merge = __add__  # as a part of a meter

    def __sub__(self, other: Any) -> "Count":
        """Subtracts counts that are not larger."""
        return Count(*_minus(_words(self), _words(other)))

    def __int__(self) -> int:
        count = jax.device_get(self).integers()
        if np.ndim(count):
            raise TypeError(
                f"int() needs one count, got {describe(self.low)}: counts of a stack"
                " of meters, or of many cells. Read them all with"
                " jax.device_get(count).integers()."
            )
        return int(count)

    def __getitem__(self, index: Any) -> "Count":
        return Count(self.low[index], self.high[index])

    def integers(self) -> Any:
        """Returns int64 on the host, else int32 that stop at 2**31 - 1."""
        return _integers(self.low, self.high)

    def floats(self) -> Any:
        """Returns float64 on the host, else float32, rounded."""
        return _floats(self.low, self.high)

    def cumsum(self) -> "Count":
        """Returns the sums up to each place of the last axis."""
        return Count(*_cumsum(self.low, self.high))

    def __repr__(self) -> str:
        return f"Count({describe(self.low)})"


def count_of(part: str) -> Any:
    """Makes the property `n` of a meter whose part has it."""
    return property(operator.attrgetter(f"{part}.n"), doc=COUNTED)


def count_in(cells: str) -> Any:
    """Makes the property `n` of a meter whose cells sum up to it."""
    return property(lambda meter: getattr(meter, cells).cumsum()[..., -1], doc=COUNTED)


def check_single(counts: Any, axes: int) -> None:
    """Raises a ValueError if counts have more axes: are of many meters of `vmap`."""
    shape = np.shape(jax.tree.leaves(counts)[0])
    if len(shape) != axes:
        many = list(shape[: len(shape) - axes])
        raise ValueError(
            f"add is of one meter, and this is a stack of {many}. Map over it:"
            " jax.vmap(lambda meter, *rows: meter.add(*rows))(meters, ...)."
        )


def tally(counts: Count, cells: jax.Array, amount: Any = 1, *, axes: int) -> Count:
    """Counts things into cells, in time of the things and not of the cells.

    Args:
      counts: those of one meter; of many it is a ValueError.
      cells: [...] int32, places in the flattened counts; those past the end drop out.
      amount: int32 >= 0, broadcasts to `cells`, how much each thing counts. One add
        puts less than 2**32 into a cell.
      axes: how many axes the counts of one meter have.
    """
    check_single(counts, axes)
    counts, cells, amount = gather((counts, cells, amount))
    shape, cells = counts.low.shape, cells.reshape(-1)  # [N]
    low, high = (jnp.asarray(word).reshape(-1) for word in (counts.low, counts.high))
    amount = jnp.broadcast_to(jnp.asarray(amount, jnp.uint32).reshape(-1), cells.shape)
    before = _at(low, cells)  # [N]
    # The amount itself, in a form that has to read the cells first: or else XLA keeps
    # a copy of them all to read after the scatter.
    amount = jnp.minimum(amount, amount | before)
    total = low.at[cells].add(amount, mode="drop")  # of all cells, wraps around
    # A cell that became smaller ran over. All things in a cell agree on what to set.
    over = _at(total, cells) < before
    high = high.at[cells].set(_at(high, cells) + over.astype(jnp.uint32), mode="drop")
    return Count(total.reshape(shape), high.reshape(shape))


def _at(words: jax.Array, cells: jax.Array) -> jax.Array:
    return words.at[cells].get(mode="fill", fill_value=0)


def _words(count: Any) -> tuple[Any, Any]:
    count = count if isinstance(count, Count) else Count.of(count)
    return count.low, count.high


@host_or_device
def _plus(xp: ModuleType, mine: tuple, others: tuple) -> tuple[Any, Any]:
    low = mine[0] + others[0]
    return low, mine[1] + others[1] + (low < others[0]).astype(np.uint32)  # the carry


@host_or_device
def _minus(xp: ModuleType, mine: tuple, others: tuple) -> tuple[Any, Any]:
    borrowed = (mine[0] < others[0]).astype(np.uint32)
    return mine[0] - others[0], mine[1] - others[1] - borrowed


@host_or_device
def _cumsum(xp: ModuleType, low: Any, high: Any) -> tuple[Any, Any]:
    total = xp.cumsum(low, -1, dtype=np.uint32)
    over = (total < low).astype(np.uint32)  # where the sum of low words ran over
    return total, xp.cumsum(high + over, -1, dtype=np.uint32)


@host_or_device
def _integers(xp: ModuleType, low: Any, high: Any) -> Any:
    if xp is np:
        return low.astype(np.int64) + (high.astype(np.int64) << 32)
    most = np.uint32(2**31 - 1)
    return xp.where(high > 0, most, xp.minimum(low, most)).astype(np.int32)


@host_or_device
def _floats(xp: ModuleType, low: Any, high: Any) -> Any:
    real = np.float64 if xp is np else np.float32
    return low.astype(real) + high.astype(real) * np.float32(2**32)
