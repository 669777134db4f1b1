"""Many samples made one: `make_batch`, and `stack_rows` beneath it."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tntjax._check import check_function
from tntjax._struct import describe
from tntjax._types import Sample
from tntjax.transform._column import column_for
from tntjax.transform._compose import Bound
from tntjax.transform._table import table_merge_keys

BLOCK = 32
"""How many samples are held at once on their way into the rows of a batch."""

MOST_FIELDS = 100_000
"""Fields of a sample, those of dicts in dicts included."""


def make_batch(
    merge: Callable[[Any], Sample] | None = None,
) -> Callable[[Sequence[Sample]], Sample]:
    """Makes one batch of a list of samples.

    A sample is a dict, a tuple, another pytree such as a registered dataclass, or these
    nested, or a bare array. Leaf by leaf:

    * arrays of equal shape are stacked along a new first axis: JAX arrays with
      `jax.numpy`, all else (NumPy arrays, tensors, PIL's images) with NumPy;
    * numbers and bools become a NumPy array of NumPy's own choice of dtype, int64 or
      float64 of Python's, which JAX takes for 32 bits unless `jax_enable_x64` is on;
    * strings, bytes, None, lists and other objects stay a list. A list is data of
      unknown length: return a tuple for a sample of two things, an array for a vector.

    Where dtypes differ from sample to sample the batch has the one that NumPy promotes
    them to, if no value changes by it: numbers do not become strings or objects, and
    integers of 64 bits not floats.

    Args:
      merge: what to do instead: a function that is given the whole batch turned inside
        out as by `table_merge_keys`, `{field: [value of each sample]}`, or the list of
        samples itself if they are bare, and returns the batch.

    Returns:
      A function of a list of samples, equal if `merge` is, and picklable. It raises

      * ValueError if it is empty, if arrays of a field have unequal shapes, or if a
        sample has other keys than the first;
      * TypeError if a field is an array or number in one sample and neither in another,
        if its dtypes do not mix, or if it is a masked array.

    Raises:
      TypeError: if `merge` isn't callable.

    Example:
      >>> batch = make_batch()([{"x": [1.0], "y": 0}, {"x": [2.0], "y": 1}])
      >>> batch["y"].tolist()
      [0, 1]
      >>> make_batch(merge=len)([1.5, 2.5, 3.5])
      3

    Torchnet: `transform.makebatch`. There tensors of unequal shapes but equal numbers
    of elements were cut anew in silence, and other unequal ones stayed a list. Nested
    tables stayed lists.
    """
    if merge is not None:
        check_function(merge, "make_batch needs a function, but merge")
    text = f"make_batch({'' if merge is None else describe(merge)})"
    return Bound(_make_batch, (merge,), text)


def _make_batch(
    samples: Sequence[Sample], merge: Callable[[Any], Sample] | None
) -> Sample:
    if len(samples) == 0:
        raise ValueError("make_batch needs at least one sample, got none.")
    if merge is None:
        return stack_rows(samples, len(samples))
    fields = isinstance(samples[0], Mapping | tuple)
    return merge(table_merge_keys(samples) if fields else list(samples))


def stack_rows(samples: Iterable[Sample], count: int) -> Sample:
    """Stacks `count` samples as they come, writing them straight into a batch's rows.

    Few are held at a time, so a long run takes no more memory than its batch.

    Raises:
      ValueError: if there are fewer samples or none, or they can't be stacked.
      TypeError: if a field changes its kind.
    """
    coming = itertools.islice(samples, count)
    block, done, column = list(itertools.islice(coming, BLOCK)), 0, None
    while block:
        if column is None:
            check_fields(block[0])
            column = column_for(block[0], count, ())
        column.write(done, block)
        done += len(block)
        block = list(itertools.islice(coming, BLOCK))
    if column is None or done != count:
        raise ValueError(f"Expected {count} samples to stack, got {done}.")
    return column.batch()


def check_fields(sample: Sample) -> None:
    """Raises a ValueError if a sample has more fields than a batch could have.

    That takes dicts in dicts, the same one at many places: 2**n of n.
    """
    number = _count_fields(sample, {})
    if number > MOST_FIELDS:
        raise ValueError(
            f"Can't make a batch of samples with {number} fields each, at most"
            f" {MOST_FIELDS}. Fields of a dict count at each place where it is; keep"
            " what is not an array in a list."
        )


def _count_fields(value: Any, known: dict[int, int]) -> int:
    """Counts fields; each dict or tuple is walked once, and then `known` by its id."""
    if not isinstance(value, Mapping | tuple):
        return 1
    if id(value) not in known:
        parts = value.values() if isinstance(value, Mapping) else value
        known[id(value)] = sum(_count_fields(part, known) for part in parts)
    return known[id(value)]
