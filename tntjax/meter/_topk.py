"""The numbers k of the best that a meter counts among."""

from typing import Any

import numpy as np

from tntjax._struct import describe


def check_topk(topk: Any, name: str) -> tuple[int, ...]:
    """Returns topk sorted, each k once.

    Args:
      topk: what should be a sequence of integers.
      name: the meter, for the error.

    Raises:
      TypeError: if it isn't a sequence of integers.
      ValueError: if it's empty or has a number below 1.
    """
    integers = isinstance(topk, list | tuple) and all(
        isinstance(k, int | np.integer) and not isinstance(k, bool) for k in topk
    )
    if not integers:
        raise TypeError(
            f"{name} needs topk to be a tuple of integers, such as (1, 5), got"
            f" {describe(topk)}."
        )
    if len(topk) == 0 or min(topk) < 1:
        raise ValueError(
            f"{name} needs one or more k >= 1 in topk, got {describe(topk)}."
        )
    return tuple(sorted({int(k) for k in topk}))
