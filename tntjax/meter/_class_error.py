import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._array import namespace
from tntjax._struct import describe, flag, static
from tntjax.meter._meter import Meter, in_percent
from tntjax.meter.parts._arguments import check_topk
from tntjax.meter.parts._count import Count, check_single
from tntjax.meter.parts._inputs import Mask, as_rows, narrow
from tntjax.meter.parts._labels import as_classes


class ClassErrorMeter(Meter):
    """Measures how many targets aren't among the k best scores, exactly, in percent.

    Among equal scores the lower class number comes first. A target without a place is
    an error for every k: one whose score is NaN (any other NaN comes before it), or one
    that isn't a class number, like the -1 of an example without a class; leave such
    examples out with `mask=target >= 0`.

    Args:
      topk: one or more integers >= 1, for which k to measure.
      accuracy: measure 100 minus the error.
      wrong: [len(topk)] pairs of uint32, how many examples were wrong for each k.
      n: [] a pair of uint32, how many examples were counted.

    Raises:
      TypeError, ValueError: if an argument is something else.

    Example:
      >>> scores = [[0.1, 0.7, 0.2], [0.6, 0.3, 0.1]]
      >>> meter = ClassErrorMeter(topk=(1, 2)).add(scores, [2, 0])
      >>> meter
      ClassErrorMeter(top1=50%, top2=0%, n=2)
      >>> meter.value()[1]
      50.0

    Torchnet: `meter/classerrormeter.lua`, labels from 1. There ties came in no
    certain order, and a label that is not a class number was just wrong, as here. Fewer
    classes than two, or than k, are an error in both.
    """

    topk: Sequence[int] = static(default=(1,))
    accuracy: bool = flag(default=False)
    wrong: Any = None
    n: Count = Count()

    def __post_init__(self) -> None:
        topk = check_topk(self.topk, "ClassErrorMeter")
        vars(self).update(topk=topk)
        if self.wrong is None:
            vars(self).update(wrong=Count.zeros((len(topk),)))

    def add(self, output: ArrayLike, target: ArrayLike, *, mask: Mask = None) -> Self:
        """Counts examples in; see `Meter.add`.

        Args:
          output: [B, K] real scores, higher is better, or [K] for one example. K, the
            number of classes, is at least 2 and what `topk` asks, or it is a
            ValueError. There may be more axes of examples than one: [..., K].
          target: [B] or [B, 1] integers, the class numbers from 0; [] or [1] for one
            example.
          mask: [B] bool; False leaves the example out.
        """
        check_single(self.n, 0)
        scores, labels = as_classes(output, target, "ClassErrorMeter.add")
        if scores.shape[-1] == 1:
            raise ValueError(
                "ClassErrorMeter.add needs a score for each of two or more classes, got"
                f" output {describe(scores)}. Of one score z of two classes pass"
                " jnp.concatenate([-z, z], -1), or [1 - z, z] of a probability."
            )
        if max(self.topk) > scores.shape[-1]:
            raise ValueError(
                f"ClassErrorMeter(topk={self.topk}) needs {max(self.topk)} classes or"
                f" more, but output has {scores.shape[-1]}: {describe(scores)}."
            )
        mask = as_rows(mask, labels.shape, "ClassErrorMeter.add")
        return _add(self, narrow(scores), labels, mask)

    def value(self) -> dict[int, Any]:
        """Returns floats `{k: percent}` in ascending order; NaN if nothing came."""
        total, percents = self.n.floats(), {}
        xp = namespace(total)
        for place, k in enumerate(self.topk):
            wrong = self.wrong[..., place]
            shown = (self.n - wrong if self.accuracy else wrong).floats()
            percent = np.float32(100) * shown / xp.maximum(total, 1)
            percents[k] = xp.where(total > 0, percent, np.float32(np.nan))
        return percents

    def summary(self) -> dict[str, Any]:
        """Returns the percentages under their names."""
        return {f"top{k}": in_percent(share) for k, share in self.value().items()}


@functools.partial(jax.jit, inline=True)
def _add(meter: Any, output: Any, target: Any, mask: Any) -> Any:
    rank = _rank(output, target)  # [...]
    missed = jnp.stack([rank >= k for k in meter.topk], -1)  # [..., topk]
    if mask is None:
        seen = Count.of(target.size)
    else:
        mask = jnp.broadcast_to(mask, target.shape)  # [...]
        missed, seen = missed & mask[..., None], mask.sum(dtype=jnp.int32)
    wrong = meter.wrong + missed.sum(tuple(range(target.ndim)), dtype=jnp.int32)
    return dataclasses.replace(meter, wrong=wrong, n=meter.n + seen)


def _rank(output: jax.Array, target: jax.Array) -> jax.Array:
    """Counts the scores before the target's, [...] int32; K if it has no place.

    Counting takes a fifth of the time of sorting, and one count serves every k.
    """
    classes = output.shape[-1]
    known = (target >= 0) & (target < classes)
    target = jnp.where(known, target, 0)[..., None]  # [..., 1]
    score = jnp.take_along_axis(output, target, axis=-1)  # [..., 1]
    numbers = jax.lax.broadcasted_iota(target.dtype, output.shape, output.ndim - 1)
    earlier = numbers < target  # [..., K]
    # "not less" where one would say "greater or equal": NaN comes before any number
    before = jnp.where(earlier, ~(output < score), ~(output <= score))  # [..., K]
    return jnp.where(known, before.sum(-1, dtype=jnp.int32), classes)
