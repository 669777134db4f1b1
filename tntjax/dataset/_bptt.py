"""bptt: one long sequence as batches that go on where the last one ended."""

import numpy as np
from jax.typing import ArrayLike

from tntjax._array import as_array
from tntjax._check import require
from tntjax._numbers import check_at_least
from tntjax.dataset._table import TableDataset


def bptt(ids: ArrayLike, batch_size: int, length: int) -> TableDataset:
    """Cuts a sequence into streams, and streams into steps, with shifted targets.

    Row `b` of sample `i + 1` goes on where row `b` of sample `i` ended, so that a
    recurrent state can be carried from one to the next. Do not shuffle them.

    Args:
      ids: [N, ...] a sequence.
      batch_size: B, in how many streams it is cut.
      length: T, how many steps a sample has.

    Returns:
      A dataset of S = (N - 1) // B // T samples `{"input": [B, T, ...], "target":
      [B, T, ...]}`, where each target is the next input. What is left at the end of
      the streams is left out.

    Raises:
      TypeError, ValueError: if a number is not an integer or below 1, or the sequence
        too short for one sample.

    Example:
      >>> dataset = bptt(np.arange(9), batch_size=2, length=2)
      >>> dataset[1]["input"].tolist(), dataset[1]["target"].tolist()
      ([[2, 3], [6, 7]], [[3, 4], [7, 8]])
    """
    rows = check_at_least("bptt: batch_size", batch_size, 1)
    length = check_at_least("bptt: length", length, 1)
    array = np.asarray(as_array(ids))
    steps = (len(array) - 1) // rows if array.ndim else 0
    needs = f"bptt needs more than batch_size * length = {rows * length} ids"
    require(steps >= length, needs, array)
    entry = array.shape[1:]

    def cut(first: int) -> np.ndarray:
        streams = array[first : first + steps * rows].reshape(rows, steps, *entry)
        parts = streams[:, : steps // length * length]
        return parts.reshape(rows, -1, length, *entry).swapaxes(0, 1)  # [S, B, T, ...]

    return TableDataset({"input": cut(0), "target": cut(1)})
