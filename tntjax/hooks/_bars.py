"""Where progress is shown: a bar on a terminal, or lines of text."""

import importlib.util
import sys
from typing import Any, TextIO

from tntjax._optional import import_optional
from tntjax.log._file import Lost


def make_bars(file: TextIO | None, interval: float | None) -> "Bars":
    """Chooses what a file, or standard error, can do."""
    if importlib.util.find_spec("rich"):
        make_console = import_optional("rich.console", "progress", "progress").Console
        console = make_console(file=file) if file else make_console(stderr=True)
        if console.is_terminal or console.is_jupyter:
            return _RichBars(console, 0.25 if interval is None else interval)
    return _Lines(file or sys.stderr, 30.0 if interval is None else interval)


class _Lines:
    """Bars as lines, now and then: for logs, and where rich is not installed."""

    def __init__(self, file: TextIO, interval: float) -> None:
        self._file, self.interval = file, interval
        self._lost = Lost("progress")

    def begin(self, what: str) -> None:
        del what

    def show(self, what: str, done: int, total: int | None, text: str) -> None:
        of = "" if total is None else f" of {total}"
        self.write(f"{what}  {done}{of}  {text}" if done else f"{what}  {text}")

    def end(self) -> None:
        pass

    def write(self, line: str) -> None:
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except (OSError, ValueError) as error:  # nobody reads it, or it is closed
            self._lost.tell(str(error))


class _RichBars:
    """Bars of rich, which vanish when they end."""

    def __init__(self, console: Any, interval: float) -> None:
        self._console, self.interval = console, interval
        self._progress: Any = None

    def begin(self, what: str) -> None:
        rich = import_optional("rich.progress", "progress", "progress")
        if self._progress is None:
            columns = (
                rich.TextColumn("{task.description}", markup=False),
                rich.BarColumn(bar_width=None),
                rich.MofNCompleteColumn(),
                rich.TextColumn("{task.fields[text]}", markup=False),
            )
            self._progress = rich.Progress(
                *columns,
                console=self._console,
                auto_refresh=False,  # by a thread, which would have to get a core
                transient=True,
                expand=True,
            )
        self._progress.add_task(what, total=None, text="")
        self._progress.start()  # does nothing if it has

    def show(self, what: str, done: int, total: int | None, text: str) -> None:
        task = self._progress.task_ids[-1]
        changes = {"completed": done, "total": total, "text": text}
        self._progress.update(task, description=what, refresh=True, **changes)

    def end(self) -> None:
        self._progress.remove_task(self._progress.task_ids[-1])
        if self._progress.task_ids:
            self._progress.refresh()
        else:
            self._progress.stop()
            self._progress = None

    def write(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


Bars = _Lines | _RichBars
"""Bars that come and go, each below the one before, and lines that stay."""
