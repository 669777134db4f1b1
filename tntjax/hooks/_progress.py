"""The progress of a run, shown while it runs."""

import math
import sys
import time
from typing import Any, TextIO

import jax
import numpy as np

from tntjax._numbers import check_number
from tntjax.engine import Hooks, State, chain
from tntjax.engine._around import Display
from tntjax.hooks._arguments import explain_arguments
from tntjax.hooks._bars import Bars, make_bars
from tntjax.hooks._bind import trust
from tntjax.hooks._mean_loss import MEAN_LOSS, show_meters
from tntjax.hooks._score import measured_now
from tntjax.log._file import check_file

COMPILING = "compiling ..."

MEMBERS = 16
"""Members of which meters are read while a run goes on; of more the mean loss."""


@explain_arguments
def progress(file: TextIO | None = None, interval: float | None = None) -> Hooks:
    """Shows how far a run is: epoch, updates, rate, time left, loss and meters.

    On a terminal and in a notebook that is a bar of rich (`pip install
    "tntjax[progress]"`), and a line for each epoch that is done. Elsewhere, and without
    rich, a line for each epoch, when something begins to be compiled, and now and then
    in between. The engine's tests are shown as well, and those of `validate` if it
    tests with this engine; what any `validate` measured ends the line of its epoch. The
    mean loss is there without a meter. It does not wait for the device. With several
    processes the first one shows.

    Args:
      file: an open file to write to, by default standard error.
      interval: how many seconds at least are between two looks at the run, by default
        0.25 where there is a bar and 30 elsewhere.

    Returns:
      A Hooks value, to be chained with others. It serves one run at a time.

    Raises:
      TypeError: if an argument is of the wrong kind.
      ValueError: if `interval` is negative.

    Example:
      >>> import sys
      >>> import jax.numpy as jnp
      >>> import tntjax as tnt
      >>> batch = {"input": jnp.ones(4), "target": jnp.full(4, 3.0)}
      >>> engine = tnt.SGDEngine(tnt.hooks.progress(sys.stdout))
      >>> state = engine.train(
      ...     network=lambda params, input: input * params,
      ...     criterion=lambda output, target: (output - target) ** 2,
      ...     iterator=tnt.DatasetIterator([batch] * 5),
      ...     params=jnp.zeros(()), lr=0.25, max_epoch=1,
      ... )  # doctest: +ELLIPSIS
      epoch 1 of 1  compiling ...
      epoch 1 of 1  5 updates  ... s  loss 2.398

    Torchnet: not there; its examples print.
    """
    if file is not None:
        check_file("progress", file)
    if interval is not None:
        interval = check_number("progress: interval", interval)
        if not interval >= 0:
            raise ValueError(f"progress: interval must be >= 0, got {interval}.")
    shown = _Progress(file, interval)
    own = Hooks(
        on_start=trust(shown.start),
        on_start_epoch=trust(shown.start_epoch),
        on_end_epoch=trust(shown.end_epoch),
        on_end=trust(shown.end),
        displays=(
            Display(shown.open, shown.close, shown.wants, shown.show, shown.compile),
        ),
    )
    return chain(MEAN_LOSS, own)


class _Part:
    """An epoch or a test under way: its name, and what was counted at its start."""

    def __init__(self, what: str, state: State) -> None:
        self.what, self.total = what, _count_updates(state)
        self.began = self._since = time.perf_counter()
        # Not the State: the engine would copy parameters that somebody holds.
        self._t, self._from = int(state.t), None
        self.is_compiling, self.done = False, 0

    def describe(self, state: State, ended: float, unit: str = "updates") -> str:
        """Returns the line of what is done."""
        count = f"{int(state.t) - self._t} {unit}"
        measured = _as_texts(show_meters(state))
        return "  ".join([self.what, count, _as_time(ended - self.began), *measured])

    def pace(self, state: State) -> str:
        """Returns samples a second and the time left, since what was compiled last."""
        now, samples, done = time.perf_counter(), state.samples, state.position
        if self._from is None or self.is_compiling:  # made for the first time just now
            self.is_compiling = False
            self._since, self._from = now, (samples, done)
        spent, (samples_then, done_then) = now - self._since, self._from
        if not spent or done <= done_then:
            return ""
        text = f"{(samples - samples_then) / spent:,.0f} samples/s"
        if self.total is not None:
            left = max(0, self.total - done) * spent / (done - done_then)
            text += f"  {_as_time(left)} left"
        return text


class _Progress:
    """The epoch of a run, and a test in it."""

    def __init__(self, file: TextIO | None, interval: float | None) -> None:
        self._file, self._interval = file, interval
        self._bars: Bars | None = None
        self._parts: list[_Part | None] = []
        self._line: str | None = None
        self._looked = 0.0

    def open(self) -> None:
        """Comes before a run or a test."""
        is_seen = self._file or sys.stderr  # not in a program without standard error
        if self._bars is None and is_seen and jax.process_index() == 0:
            self._bars = make_bars(self._file, self._interval)
        self._parts.append(None)

    def close(self) -> None:
        """Comes after it, or when an error has ended it."""
        self._end_part()
        self._parts.pop()
        if not self._parts and self._line is not None and self._bars is not None:
            self._bars.write(self._line)  # an error came before its validation
        if not self._parts:
            self._bars = self._line = None

    def start(self, state: State) -> State:
        if not state.training:
            self._begin("test" if len(self._parts) == 1 else "validation", state)
        return state

    def start_epoch(self, state: State) -> State:
        self._write_line(state)
        of = "" if state.max_epoch is None else f" of {state.max_epoch}"
        self._begin(f"epoch {int(state.epoch) + 1}{of}", state)
        return state

    def end_epoch(self, state: State) -> State:
        part = self._end_part()
        if part is not None:
            self._line = part.describe(state, state.recorded.epoch_ended)
        return state

    def end(self, state: State) -> State:
        part = self._end_part()
        if state.training or len(self._parts) == 1:  # a validation is in another's line
            if part is not None:  # a test, or the middle of an epoch
                unit = "updates" if state.training else "batches"
                self._line = part.describe(state, time.perf_counter(), unit)
            self._write_line(state)
        return state

    def wants(self) -> bool:
        """True if it is time for another look."""
        if self._bars is None:
            return False
        now = time.perf_counter()
        if now - self._looked < self._bars.interval:
            return False
        self._looked = now
        return True

    def show(self, state: State) -> None:
        part = self._parts[-1]
        if self._bars is not None and part is not None:
            measured = show_meters(state, most=MEMBERS)
            texts = [part.pace(state), *_as_texts(measured)]
            part.done, text = int(state.position), "  ".join(filter(None, texts))
            self._bars.show(part.what, part.done, part.total, text)

    def compile(self) -> None:
        """Comes when a call begins to be traced, to be compiled then."""
        part = self._parts[-1] if self._parts else None
        if self._bars is not None and part is not None and not part.is_compiling:
            part.is_compiling = True
            self._bars.show(part.what, part.done, part.total, COMPILING)

    def _begin(self, what: str, state: State) -> None:
        self._end_part()
        self._parts[-1:] = [_Part(what, state)]
        self._looked = time.perf_counter()
        if self._bars is not None:
            self._bars.begin(what)

    def _end_part(self) -> _Part | None:
        part = self._parts[-1]
        self._parts[-1] = None
        if part is not None and self._bars is not None:
            self._bars.end()
        return part

    def _write_line(self, state: State) -> None:
        """Writes the line of what is done, with what a validation has added to it."""
        if self._line is None or self._bars is None:
            return
        measured: dict[str, Any] = {}
        if state.recorded is not None:
            noted = state.recorded.noted(int(state.epoch))
            measured = {**measured_now(state), **noted}
        self._bars.write("  ".join([self._line, *_as_texts(measured)]))
        self._line = None


def _count_updates(state: State) -> int | None:
    """Returns the position at the end of an epoch, a test or the run."""
    try:
        total = len(state.iterator)
    except TypeError:  # one with a filter, or of the user's
        return None
    if state.max_steps is None:
        return total
    return min(total, int(state.position) + state.max_steps - int(state.t))


def _as_texts(row: dict[str, Any]) -> list[str]:
    """Returns names and numbers; without deviations, and what is there twice."""
    once = {}
    for name, value in row.items():
        stem, _, part = name.rpartition(".")
        if part != "std" and not (part == "mean" and stem in row):
            once[name] = value
    texts = []
    for name, value in once.items():
        parts = [once[other] for other in once if other.startswith(f"{name}.")]
        # A score and the number it is: in the State it has 32 bits.
        is_score = isinstance(value, float) and any(
            isinstance(part, float) and math.isclose(part, value, rel_tol=1e-6)
            for part in parts
        )
        if not is_score:
            texts.append(f"{name} {_as_text(value)}")
    return texts


def _as_text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.size:
        if value.dtype.kind in "iuf":  # of many members
            return f"{value.min():.4g} to {value.max():.4g}"
    return str(value)


def _as_time(seconds: float) -> str:
    """Returns 3.2 s, 2:05 min or 1:02:05 h."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(math.ceil(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02} h"
