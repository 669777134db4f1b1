"""The view that all trackers are: rows in, errors told of once."""

from collections.abc import Callable, Mapping
from typing import Any

from tntjax._struct import shorten
from tntjax.log._file import Lost
from tntjax.log._log import Log
from tntjax.log._parts import Parts, read_row, read_step


class View:
    """A function of a log or a row that sends it to a tracker.

    Args:
      name, where: of the view, and of the run, for warnings and `repr`.
      send: `(step, parts) -> anything`. What it raises is told of once.
      begin: `step -> anything`: later rows have this step at least; 0 in a new run.
      step: the name of the step in a row.
      end: `bool -> anything`: there are no more rows; True after an error.
    """

    def __init__(
        self,
        name: str,
        where: str,
        send: Callable[[int, Parts], Any],
        begin: Callable[[int], Any],
        step: str,
        end: Callable[[bool], Any] = lambda failed: None,
    ) -> None:
        if not isinstance(step, str):
            raise TypeError(f"{name} needs the name of the step, got step={step!r}.")
        self._name, self._where, self._step = name, where, step
        self._send, self._begin, self._end = send, begin, end
        self._lost = Lost(f"{name}: {where}")

    def __call__(self, row: Log | Mapping[str, Any]) -> None:
        """Sends a row."""
        step, parts = read_row(row, self._name, self._step)
        self._try(self._send, step, parts)

    def start(self, done: Mapping[str, Any] | None = None) -> None:
        """Begins a run, or goes on after `done`, say `{"t": 100}`: no point twice."""
        if done is None:
            self._try(self._begin, 0)
        else:
            self._try(self._begin, read_step(done, self._name, self._step) + 1)

    def close(self, log: Log | None = None, failed: bool = False) -> None:
        """Ends the run, if the tracker shows that; also an `on_close` closure."""
        self._try(self._end, failed)

    def _try(self, function: Callable[..., Any], *arguments: Any) -> None:
        try:
            function(*arguments)
        except Exception as error:  # a disk that is full, a server that is gone
            self._lost.tell(shorten(f"{type(error).__name__}: {error}", 300))

    def __repr__(self) -> str:
        return f"{self._name}({self._where})"
