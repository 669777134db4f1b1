"""The lengths to pad to: exact dynamic programming over the lengths of samples."""

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
    values, ends = values.tolist(), [0, *np.cumsum(counts).tolist()]  # [U], [U + 1]
    costs = [value * end for value, end in zip(values, ends[1:], strict=True)]
    before: list[
        list[int]
    ] = []  # for each boundary but the first, where that is before
    for _ in range(min(shapes, len(values)) - 1):
        costs, places = _add_boundary(values, ends, costs)
        before.append(places)
    last, found = len(values) - 1, []
    for places in reversed(before):
        found.append(values[last])
        last = places[last]
    return tuple(reversed([*found, values[last]]))


def _add_boundary(
    values: list[int], ends: list[int], costs: list[int]
) -> tuple[list[int], list[int]]:
    """Returns for each length the least cost with one more boundary, and its place."""
    more, places = [costs[0]], [0]
    hull: list[int] = []  # places of lines, of falling slope
    head = 0
    for number in range(1, len(values)):
        line, value = number - 1, values[number]
        while len(hull) - head > 1 and _is_hidden(
            hull[-2], hull[-1], line, ends, costs
        ):
            hull.pop()
        hull.append(line)
        best = costs[hull[head]] + value * (ends[number + 1] - ends[hull[head] + 1])
        while head + 1 < len(hull):
            place = hull[head + 1]
            cost = costs[place] + value * (ends[number + 1] - ends[place + 1])
            if cost > best:
                break
            head, best = head + 1, cost
        more.append(best)
        places.append(hull[head])
    return more, places


def _is_hidden(
    one: int, middle: int, other: int, ends: list[int], costs: list[int]
) -> bool:
    """True if a line is nowhere the lowest of three, whose slopes fall."""
    left = (costs[middle] - costs[one]) * (ends[other + 1] - ends[middle + 1])
    right = (costs[other] - costs[middle]) * (ends[middle + 1] - ends[one + 1])
    return left >= right
