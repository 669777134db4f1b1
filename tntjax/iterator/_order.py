"""The order in which an iterator reads a dataset."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from tntjax.dataset._protocol import check_index


def check_position(epoch: int, start: int) -> None:
    """Raises a ValueError if a place in the epochs is negative.

    Args:
      epoch: which epoch.
      start: which sample of it.

    Raises:
      ValueError: if one of them is negative.
    """
    if epoch < 0 or start < 0:
        raise ValueError(
            f"A position is epoch >= 0 and start >= 0, got {epoch} and {start}."
        )


def check_countable(filter: Callable[[Any], bool] | None) -> None:
    """Raises a TypeError if the number of samples cannot be known beforehand.

    Args:
      filter: that of an iterator.

    Raises:
      TypeError: if there is one.
    """
    if filter is not None:
        raise TypeError(
            "An iterator with a filter has no len: how many samples it yields is known"
            " once all are read. len(dataset) is how many it reads."
        )


def in_order(
    dataset: Any, positions: range, perm: Callable[[int], Any] | None
) -> Iterator[int]:
    """Yields the index at each position, one by one: there may be very many.

    Args:
      dataset: what the indices are of.
      positions: which positions.
      perm: `position -> index`, or None where they are the same.

    Returns:
      An iterator over indices.

    Raises:
      IndexError: if `perm` gives an index that the dataset does not have.
      TypeError: if it gives something else.
    """
    if perm is None:
        return iter(positions)
    # Not with map: a StopIteration of the function would look like the end.
    return (index_at(dataset, position, perm) for position in positions)


def index_at(dataset: Any, position: int, perm: Callable[[int], Any]) -> int:
    """Returns what `perm` gives for a position, after checking it.

    Args:
      dataset: what it is an index of.
      position: which position.
      perm: `position -> index`.

    Returns:
      The index.

    Raises:
      IndexError: if the dataset does not have it.
      TypeError: if it is not an integer.
    """
    index = perm(position)
    try:
        return check_index(dataset, _on_host(index))
    except (IndexError, TypeError) as error:
        error.add_note(f"This is what perm({position}) gave.")
        raise


def _on_host(index: Any) -> Any:
    return np.asarray(index) if isinstance(index, jax.Array) else index
