import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._array import namespace
from tntjax._numbers import check_integer
from tntjax._struct import static
from tntjax.meter.parts._arguments import check_levels
from tntjax.meter.parts._count import Count, count_in, tally
from tntjax.meter.parts._inputs import spread_counts
from tntjax.meter.parts._weighted import MeterOfValues


class QuantileMeter(MeterOfValues):
    """Measures quantiles, each to a known relative error.

    It counts values by the leading bits of their float32: sign, exponent and the first
    `bits` of the fraction. So it needs no range, and what it finds is within
    2**-(bits + 1) of the quantile, relative to it (0.4 % for 7 bits), and takes
    4 KiB * 2**bits. Values below 1.2e-38 count as 0.

    The quantile q of n values is the smallest value that at least q * n of them don't
    exceed, as NumPy's method "inverted_cdf" has it; q * n is rounded to float32. A
    value that is NaN is left out.

    Args:
      quantiles: one or more from 0 to 1; they are kept sorted, each once.
      bits: how many bits of the fraction to tell apart, 1 to 16.
      cells: [2 ** (bits + 9)] pairs of uint32, how many values of each kind there
        were, the lowest first.

    Raises:
      TypeError, ValueError: if an argument is something else.

    Example:
      >>> QuantileMeter((0.5, 0.9)).add([1.0, 2.0, 3.0, 4.0, 100.0])
      QuantileMeter(q0.5=3.00781, q0.9=100.25, n=5)
    """

    quantiles: Sequence[float] = static(default=(0.5,))
    bits: int = static(default=7, kw_only=True)
    cells: Any = None

    def __post_init__(self) -> None:
        limits = ("QuantileMeter", "quantiles", 0.0, 1.0)
        quantiles = check_levels(self.quantiles, *limits)
        bits = check_integer(self.bits, "QuantileMeter needs integer bits")
        if not 1 <= bits <= 16:
            raise ValueError(f"QuantileMeter needs 1 <= bits <= 16, got {bits}.")
        vars(self).update(quantiles=quantiles, bits=bits)
        if self.cells is None:
            vars(self).update(cells=Count.zeros((2 ** (bits + 9),)))

    n = count_in("cells")

    def _count(self, values: Any, weight: Any, mask: Any) -> Self:
        return _add(self, values, weight, mask)

    def value(self) -> dict[float, Any]:
        """Returns floats `{q: quantile}` in ascending order; NaN if nothing came."""
        up_to = self.cells.cumsum().floats()  # [..., cells]
        xp, total = namespace(up_to), up_to[..., -1:]
        wanted = (np.array(self.quantiles, np.float32) * total).astype(np.float32)
        # at least one value: the quantile 0 is the least of them
        wanted = xp.minimum(xp.maximum(wanted, xp.minimum(total, 1)), total)
        place = (up_to[..., None, :] < wanted[..., None]).sum(-1, dtype=np.int32)
        found = xp.asarray(_middles(self.bits))[place]  # [..., Q]
        found = xp.where(total > 0, found, np.float32(np.nan))
        return {q: found[..., place] for place, q in enumerate(self.quantiles)}

    def summary(self) -> dict[str, Any]:
        """Returns the quantiles under their names."""
        return {f"q{q:g}": found for q, found in self.value().items()}


@functools.partial(jax.jit, inline=True)
def _add(meter: QuantileMeter, value: Any, weight: Any, mask: Any) -> QuantileMeter:
    bits, cells = meter.bits, meter.cells
    weight, value = spread_counts(weight, mask, value.shape), value.astype(jnp.float32)
    size = jnp.finfo(jnp.float32).smallest_normal
    value = jnp.where(jnp.abs(value) < size, jnp.float32(0), value)
    word = jax.lax.bitcast_convert_type(value, jnp.uint32)
    kind = (word >> (23 - bits)).astype(jnp.int32)
    half = 2 ** (bits + 8)  # kinds without the sign
    place = jnp.where(kind < half, half + kind, 2 * half - 1 - kind)
    place = jnp.where(jnp.isnan(value), 2 * half, place)  # past the end
    return dataclasses.replace(meter, cells=tally(cells, place, weight, axes=1))


@functools.cache
def _middles(bits: int) -> np.ndarray:
    """Returns the number in the middle of each kind, the lowest kind first."""
    kind = np.arange(2 ** (bits + 8), dtype=np.uint32)
    word = (kind << (23 - bits)) | np.uint32(1 << (22 - bits))
    word[kind < 2**bits] = 0
    word[kind >= 255 * 2**bits] = np.float32(np.inf).view(np.uint32)
    positive = word.view(np.float32)
    return np.concatenate([-positive[::-1], positive]) + np.float32(0)
