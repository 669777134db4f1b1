"""The mean loss of an epoch or a test, which plugins share that show it."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._array import namespace
from tntjax._plain import as_plain, summarize
from tntjax.engine import Hooks, State
from tntjax.engine._rows import find_row_mask
from tntjax.hooks._bind import Bound, claim, put
from tntjax.meter import Meter
from tntjax.meter._meter import check_same
from tntjax.meter.parts._count import Count
from tntjax.meter.parts._sums import Mean, Total

NAME = "mean_loss"

COLUMNS = ("epoch", "t", "samples", "loss", "lr", "seconds")
"""Names that rows have for what is not a meter's."""


class MeanLoss(Meter):
    """Measures the mean of losses and nothing else: a step hardly costs more.

    That is why it is one array: each that a step carries costs as much as the sum.

    Args:
      words: [4] uint32, the bits of a `Mean`: of the sum and of its rest, float32, and
        the low and the high word of the count.
    """

    words: Any = dataclasses.field(default_factory=lambda: np.zeros(4, np.uint32))

    def add(self, loss: Any, *, mask: Any = None) -> "MeanLoss":
        """Counts losses in, [] or [B] float32; a mask is of the same shape."""
        return MeanLoss(_pack(_unpack(self.words).add(loss, np.int32(1), mask)))

    def value(self) -> Any:
        """Returns the mean, NaN if nothing was counted."""
        return _unpack(self.words).value()

    def merge(self, other: "MeanLoss") -> "MeanLoss":
        """Returns the mean of what both have seen."""
        check_same(self, other)
        mine, others = _unpack(self.words), _unpack(other.words)
        return MeanLoss(_pack(Mean(mine.total + others.total, mine.n + others.n)))


def _unpack(words: Any) -> Mean:  # [..., 4] -> [...]
    floats = words[..., :2].view(np.float32)
    total = Total(floats[..., 0], floats[..., 1])
    return Mean(total, Count(words[..., 2], words[..., 3]))


def _pack(mean: Mean) -> Any:  # [...] -> [..., 4]
    floats = (part.view(np.uint32) for part in (mean.total.sum, mean.total.rest))
    words = *floats, mean.n.low, mean.n.high
    return namespace(*words).stack(words, axis=-1)


def _start(state: State) -> State:
    return claim(state, "meters", NAME, MeanLoss())


def _start_epoch(state: State) -> State:
    return put(state, "meters", NAME, MeanLoss())


def _measure(state: State) -> State:
    if NAME not in state.meters or not jax.tree_util.all_leaves([state.loss]):
        return state  # taken out by a hook; or a step has no loss, or no number
    loss, mask = jnp.asarray(state.loss, jnp.float32), find_row_mask(state.sample)
    if mask is not None and mask.shape != loss.shape:  # of losses [], or other rows
        mask = None
    return put(state, "meters", NAME, state.meters[NAME].add(loss, mask=mask))


def _measure_in_test(state: State) -> State:
    return state if state.training else _measure(state)


MEAN_LOSS = Hooks(
    on_start=Bound(_start, (), is_shared=True),
    on_start_epoch=Bound(_start_epoch, (), is_shared=True, is_trusted=True),
    on_forward_criterion=Bound(
        _measure_in_test, (), only_in_tests=True, is_shared=True
    ),
    on_update=Bound(_measure, (), is_shared=True),
)
"""Measures it as `state.meters["mean_loss"]`, once if several plugins chain it. In
training that is after the update, as a step of the user's may set its loss anywhere."""


def show_meters(state: State, most: int | None = None) -> dict[str, Any]:
    """Returns the mean loss and what each meter shows, all of it on the host.

    Numbers or text are by the meter's name, or by `name.part` if it shows several
    things; of members arrays [N]. Of more members than `most`, as each is asked by
    itself, it is the mean loss alone.
    """
    meters, members = dict(state.meters), state.members
    losses = meters.pop(NAME, None)
    row = {} if losses is None else {"loss": as_plain(losses.value())}
    if members is not None and most is not None and members > most:
        return row
    for name, parts in summarize(meters, members).items():
        for part, value in parts.items():
            is_plain = len(parts) == 1 and name not in COLUMNS
            row[name if is_plain else f"{name}.{part}"] = value
    return row
