"""The lengths to pad to: exact dynamic programming over the lengths of samples."""

from collections import deque

import numpy as np


def find_boundaries(lengths: np.ndarray, shapes: int) -> tuple[int, ...]:
    """Finds the lengths to pad samples to such that padding is the least possible.

    Padding to boundaries costs the sum over samples of the boundary above. The best
    cost of all samples up to length `u` with one more boundary, at `u`, is the least of
    `cost[i] + u * (count - count[i])` over the places `i` of the boundary before: lines
    in `u`, whose lower hull is walked along once.

    Args:
      lengths: [N] integers, N >= 1.
      shapes: how many boundaries at most.

    Returns:
      Increasing lengths, the last the longest of all; as many as `shapes`, or one for
      each length if there are fewer.
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
