"""The view that keeps all rows as columns."""

from collections.abc import Sequence
from typing import Any

from tntjax.log._log import Log, check_names


class history:  # noqa: N801  # a view, made like the others
    """Makes an `on_flush` closure that keeps a log's rows, for a table or a plot.

    Args:
      keys: which values to keep.

    Raises:
      TypeError: if `keys` aren't strings.

    Example:
      >>> kept = history(["epoch", "loss"])
      >>> log = Log(["epoch", "loss"], on_flush=[kept])
      >>> log = log.set(epoch=1, loss=0.5).flush().set(epoch=2).flush()
      >>> kept.columns()
      {'epoch': [1, 2], 'loss': [0.5, None]}

    Torchnet: not there; its views write, and what was written is not read back.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._columns: dict[str, list[Any]] = {
            key: [] for key in check_names(keys, "history")
        }

    def __call__(self, log: Log) -> None:
        """Keeps a row."""
        row = [log.get(key) for key in self._columns]  # all, or none if one is unknown
        for column, value in zip(self._columns.values(), row, strict=True):
            column.append(value)

    def columns(self) -> dict[str, list[Any]]:
        """Returns a list of values for each key, which `pandas.DataFrame` takes.

        Returns:
          Lists of one length; None where a value wasn't set. They are copies.
        """
        return {key: list(values) for key, values in self._columns.items()}

    def __repr__(self) -> str:
        rows = len(next(iter(self._columns.values()), []))
        return f"history({list(self._columns)}, {rows} rows)"
