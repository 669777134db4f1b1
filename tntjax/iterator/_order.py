"""The order in which an iterator reads a dataset."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from tntjax.dataset._protocol import check_index


def index_in_order(
    dataset: Any, positions: range, perm: Callable[[int], Any] | None
) -> Iterator[int]:
    """Yields the index at each position, one by one: there may be very many."""
    if perm is None:
        return iter(positions)
    # Not with map: a StopIteration of the function would look like the end.
    return (find_index(dataset, position, perm) for position in positions)


def find_index(dataset: Any, position: int, perm: Callable[[int], Any]) -> int:
    """Returns what `perm` gives for a position, after checking it."""
    index = perm(position)
    try:
        on_host = np.asarray(index) if isinstance(index, jax.Array) else index
        return check_index(dataset, on_host)
    except (IndexError, TypeError) as error:
        error.add_note(f"This is what perm({position}) gave.")
        raise
