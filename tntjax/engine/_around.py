"""Sessions and displays: the work of plugins around a run, and beside it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

Source = Literal["start", "disk", "memory"]
"""Where the State comes from that a run goes on from."""


@dataclasses.dataclass(frozen=True)
class Session:
    """A plugin's work around a whole run of `train`, such as keeping it on the disk.

    Args:
      open: `() -> anything`, before all else.
      load: `(state, source) -> anything`, as soon as all is done again that hooks did
        before this State was left. The source is `"start"` if the run begins after
        `on_start`, `"disk"` if it was restored, `"memory"` if it goes on from a State.
      save: `State -> anything`. It sees all of the State after all hooks, at the end of
        each epoch, and before a program that was told to end does; it changes nothing.
      close: `() -> anything`, when the run is over or left by an error.
      every: also saves after each so many updates.
      folder: where it saves, absolute, for a run that resumes from there.
    """

    open: Callable[[], Any] | None = None
    load: Callable[[Any, Source], Any] | None = None
    save: Callable[[Any], Any] | None = None
    close: Callable[[], Any] | None = None
    every: int | None = None
    folder: Path | None = None


@dataclasses.dataclass(frozen=True)
class Display:
    """Shows how far a run or a test is, without waiting for the device.

    Args:
      open: `() -> anything`, before all else.
      close: `() -> anything`, when all is over or left by an error.
      wants: `() -> bool`, after each call: True to be shown the State after it.
      show: `State -> anything`, as for a `watch`.
      compile: `() -> anything`, when a call begins to be traced and compiled.
    """

    open: Callable[[], Any]
    close: Callable[[], Any]
    wants: Callable[[], bool]
    show: Callable[[Any], Any]
    compile: Callable[[], Any]
