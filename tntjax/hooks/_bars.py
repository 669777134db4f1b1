"""Where progress is shown: a bar on a terminal, or lines of text."""

import contextlib
import functools
import importlib.util
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from tntjax._optional import import_optional
from tntjax.log._file import Lost, Output


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
        self.interval = interval
        self.lost = Lost("progress")
        self.write = Output(file, None, self.lost).write

    def begin(self, what: str) -> None:
        del what

    def show(self, what: str, done: int, total: int | None, text: str) -> None:
        of = "" if total is None else f" of {total}"
        self.write(f"{what}  {done}{of}  {text}" if done else f"{what}  {text}")

    def end(self) -> None:
        pass


def _guarded(draw: Callable[..., None]) -> Callable[..., None]:
    """Makes a method of bars that ends these if a terminal is gone, and not the run."""

    @functools.wraps(draw)
    def call(bars: "_RichBars", *arguments: Any) -> None:
        if bars.is_gone:
            return
        try:
            draw(bars, *arguments)
        except (OSError, ValueError) as error:  # a file that was closed, too
            bars.is_gone = True
            with contextlib.suppress(OSError, ValueError):
                bars.stop()
            bars.lost.tell(f"it could not be written to: {error}")

    return call


class _RichBars:
    """Bars of rich, which vanish when they end.

    Drawing one costs a millisecond: what follows on something shorter than `interval`
    has none until there is something to show.
    """

    def __init__(self, console: Any, interval: float) -> None:
        self._console, self.interval = console, interval
        self._lines = _Lines(console.file, interval)
        self.lost = self._lines.lost
        self._names: list[str] = []
        self._progress: Any = None
        self._began, self.is_gone = time.perf_counter(), False

    @_guarded
    def begin(self, what: str) -> None:
        self._names.append(what)
        before, self._began = self._began, time.perf_counter()
        if self._began - before >= self.interval:
            self._draw()

    @_guarded
    def show(self, what: str, done: int, total: int | None, text: str) -> None:
        self._draw()
        task = self._progress.task_ids[-1]
        changes = {"completed": done, "total": total, "text": text}
        self._progress.update(task, description=what, refresh=True, **changes)

    @_guarded
    def end(self) -> None:
        self._names.pop()
        if self._progress is None:
            return
        for task in self._progress.task_ids[len(self._names) :]:
            self._progress.remove_task(task)
        if self._names:
            self._progress.refresh()
        else:
            self.stop()

    def stop(self) -> None:
        """Takes the bars away."""
        progress, self._progress = self._progress, None
        if progress is not None:
            progress.stop()

    @_guarded
    def write(self, line: str) -> None:
        if self._progress is None and not self._console.is_jupyter:
            self._lines.write(line)
        else:  # above the bars, or into the cell
            plain = {"markup": False, "emoji": False, "highlight": False}
            self._console.print(line, **plain, soft_wrap=True)

    def _draw(self) -> None:
        """Draws a bar for each name that has none."""
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
        for what in self._names[len(self._progress.task_ids) :]:
            self._progress.add_task(what, total=None, text="")
        self._progress.start()  # does nothing if it has


Bars = _Lines | _RichBars
"""Bars that come and go, each below the one before, and lines that stay."""
