"""BucketDataset: batches of samples that are about equally long."""

from collections import deque
from typing import Any

import numpy as np

from tntjax._check import require
from tntjax._numbers import check_at_least, check_integers
from tntjax._struct import Opaque, child, pytree, static
from tntjax._types import Dataset, Sample
from tntjax.dataset._groups import Groups
from tntjax.dataset._index_map import IndexMap
from tntjax.dataset._lengths import at_epoch, check_planned, order_of, read_lengths
from tntjax.dataset._many import read_samples
from tntjax.dataset._pad_batch import Fields, pad_batch
from tntjax.dataset._protocol import hide_unreadable


@pytree
class BucketDataset(IndexMap):
    """Batches of few shapes, each of samples that are about equally long.

    A batch is padded to one of a few boundaries. Where the samples of a boundary do not
    fill their last batch, shorter ones do: one batch in an epoch is not full. What is
    in a batch and which batch comes when is a function of (seed, epoch).

    Args:
      dataset: N samples, dicts with arrays of several lengths, or such arrays.
      size: how many samples a batch has; None where `tokens` tells.
      length: how long each sample is: an array [N], a function of a sample, the name of
        a field, or None for the first field with an axis. Without an array each sample
        is read once.
      tokens: how many steps a batch has at most, padding included; shorter batches have
        more rows then.
      shapes: into how many lengths to divide, at most; those with the least padding.
      boundaries: these lengths, increasing, in place of `shapes`.
      fields, fill: which fields to pad, and with what; see `pad_batch`.
      seed: a non-negative integer, None for samples in their order and short batches
        first.
      epoch: which epoch; `at_epoch` makes others.

    Raises:
      TypeError: if `dataset` is not one, or a number not an integer.
      ValueError: if not exactly one of `size` and `tokens` is given, or one of the
        numbers is below 1, or a sample is longer than the last boundary or `tokens`.

    Samples are batches as `pad_batch` makes them: the fields, `length` and `mask`.

    Example:
      >>> words = [list(word.encode()) for word in "a be sea deep sheep".split()]
      >>> dataset = BucketDataset(words, 2, shapes=2)
      >>> dataset.shapes
      ((2, 3), (2, 5))
      >>> [batch["length"].tolist() for batch in dataset]
      [[3, 0], [1, 2], [4, 5]]

    Purpose: little padding and few compilations for text, audio, whatever is ragged:
    `DatasetIterator(BucketDataset(..., seed=0).at_epoch)`. Torchnet has no counterpart.
    """

    dataset: Dataset = child(hide_unreadable)
    size: int | None = static(default=None)
    length: Any = child(Opaque, default=None)
    tokens: int | None = static(default=None)
    shapes: Any = static(default=8)
    boundaries: Any = static(default=None)
    fields: Fields = child(Opaque, default=None)
    fill: float = static(default=0)
    seed: int | None = static(default=None)
    epoch: int = static(default=0)
    plan: Any = child(Opaque, init=False)

    def __post_init__(self) -> None:
        name = type(self).__name__
        order = check_planned(self)
        if (self.size is None) == (self.tokens is None):
            raise ValueError(f"{name} needs size or tokens, one of the two.")
        limit = "tokens" if self.size is None else "size"
        most = check_at_least(f"{name}: {limit}", getattr(self, limit), 1)
        given, longest = self.boundaries, None
        if given is not None:
            given = _check_boundaries(given, name)
            longest = given[-1]
        lengths = read_lengths(self.dataset, self.length, name, longest)
        boundaries = given or find_boundaries(
            lengths, check_at_least(f"{name}: shapes", self.shapes, 1)
        )
        rows = [most if self.size else most // max(1, end) for end in boundaries]
        if not rows[-1]:
            raise ValueError(
                f"{name}: a batch of tokens={most} has no room for one sample of"
                f" length {boundaries[-1]}. Raise tokens, or cut such samples."
            )
        shapes = tuple(zip(rows, boundaries, strict=True))
        vars(self).update({**order, limit: most}, boundaries=boundaries, shapes=shapes)
        vars(self).update(length=lengths, plan=self._draw(lengths))

    def _draw(self, lengths: np.ndarray) -> Groups:
        """Draws batches, the samples of the longest boundary in each first."""
        order = order_of(len(lengths), self.seed, self.epoch)
        places = np.searchsorted(self.boundaries, lengths[order])
        longest_first = np.argsort(-places, kind="stable")
        order, places = order[longest_first], places[longest_first]
        ends = [0]
        while (start := ends[-1]) < len(order):
            ends.append(start + self.shapes[places[start]][0])
        batches = np.stack([ends[:-1], ends[1:]])
        if self.seed is None:
            return Groups(order, *batches[:, ::-1])
        mixed = order_of(len(batches[0]), self.seed, self.epoch, purpose=1)
        return Groups(order, *batches[:, mixed])

    at_epoch = at_epoch

    def __len__(self) -> int:
        return len(self.plan)

    def _get(self, index: int) -> Sample:
        members = self.plan[index]
        place = np.searchsorted(self.boundaries, self.length[members[0]])
        rows, length = self.shapes[place]
        samples = list(read_samples(self.dataset, members))
        return pad_batch(samples, length, rows=rows, fill=self.fill, fields=self.fields)


def _check_boundaries(boundaries: Any, name: str) -> tuple[int, ...]:
    needs = f"{name} needs integers as boundaries"
    given = np.asarray(check_integers(boundaries, needs)).astype(np.int64)
    fits = given.ndim == 1 and len(given) and (np.diff(given, prepend=-1) > 0).all()
    require(fits, f"{name} needs boundaries >= 0 that increase", boundaries)
    return tuple(given.tolist())


def find_boundaries(lengths: np.ndarray, shapes: int) -> tuple[int, ...]:
    """Finds the lengths, at most so many, to which padding is the least possible.

    Padding to boundaries costs the sum over samples of the boundary above. The best
    cost of all samples up to length `u` with one more boundary, at `u`, is the least of
    `cost[i] + u * (count - count[i])` over the places `i` of the boundary before: lines
    in `u`, whose lower hull is walked along once.
    """
    values, counts = np.unique(lengths, return_counts=True)
    values, ends = values.tolist(), np.cumsum(counts).tolist()  # [U] both
    costs = [value * end for value, end in zip(values, ends, strict=True)]
    before = []  # for each boundary but the first the places [U] of the one before
    for _ in range(min(shapes, len(values)) - 1):
        costs, places = _add_boundary(values, ends, costs)
        before.append(places)
    place, found = len(values) - 1, [values[-1]]
    for places in reversed(before):
        place = places[place]
        found.append(values[place])
    return tuple(reversed(found))


def _add_boundary(
    values: list[int], ends: list[int], costs: list[int]
) -> tuple[list[int], list[int]]:
    """Returns for each length the least cost with one more boundary, and its place."""

    def cost(place: int, number: int) -> int:
        return costs[place] + values[number] * (ends[number] - ends[place])

    def is_hidden(one: int, middle: int, other: int) -> bool:
        """True if the middle one of three lines, whose slopes fall, is never lowest."""
        left = (costs[middle] - costs[one]) * (ends[other] - ends[middle])
        return left >= (costs[other] - costs[middle]) * (ends[middle] - ends[one])

    more, places = [costs[0]], [0]
    hull: deque[int] = deque()  # places of lines, of falling slope
    for number in range(1, len(values)):
        while len(hull) > 1 and is_hidden(hull[-2], hull[-1], number - 1):
            hull.pop()
        hull.append(number - 1)
        best = cost(hull[0], number)
        while len(hull) > 1 and (next_best := cost(hull[1], number)) <= best:
            best = next_best
            hull.popleft()
        more.append(best)
        places.append(hull[0])
    return more, places
