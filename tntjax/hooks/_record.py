"""A record of a run: loss, meters, scores, rates and seconds, row by row."""

import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

from tntjax._numbers import check_at_least
from tntjax._plain import as_plain
from tntjax._struct import describe
from tntjax.engine import Hooks, State, chain, watch
from tntjax.engine._hooks import Session, Source
from tntjax.engine._rows import find_row_mask
from tntjax.hooks._bind import bind, claim, put
from tntjax.hooks._score import measured_now
from tntjax.log import Log
from tntjax.log._file import Output, open_output
from tntjax.log._json import as_json_line
from tntjax.log._view import View
from tntjax.meter import AverageValueMeter

NAME = "record.loss"

Row = dict[str, Any]


def record(
    where: str | os.PathLike | Log | Callable[[Row], Any], every: int | None = None
) -> Hooks:
    """Records what a run measures: a row for each epoch, and for updates if asked to.

    A row has `epoch`, `t` and `samples`, how many are done; `loss`, the mean of the
    epoch so far, whether it is metered or not (of a criterion that returns one number
    a batch each batch counts alike); the rate, if the State has it; what each
    meter shows, under its name, or `name.part` if it shows several things. That of an
    epoch also has its `seconds`, and the scores that `validate` put into `aux` at its
    end, if it is chained before.

    Args:
      where: a file, which gets a line of JSON for each row, as `pandas.read_json(file,
        lines=True)` reads it; a `Log`, whose keys that a row has are set before it is
        flushed; or a function of a row, a dict, such as the `append` of a list or
        `tnt.log.tensorboard(folder)`. A run
        that goes on, from a State or the disk, drops lines of a file that are behind
        where it goes on from, and writes on; any other empties the file.
      every: also a row after each so many updates, without waiting for the device.

    Returns:
      A Hooks value, to be chained with others. It serves one run at a time.

    Raises:
      TypeError: if an argument is of the wrong kind.
      ValueError: if `every` is below 1, or, when it runs, if there are two.
      OSError: if the file cannot be opened. One that cannot be written to later, as the
        disk is full, is told of in a warning, and training goes on.

    Example:
      >>> import jax.numpy as jnp
      >>> import tntjax as tnt
      >>> rows = []
      >>> batch = {"input": jnp.ones(4), "target": jnp.full(4, 3.0)}
      >>> state = tnt.SGDEngine(tnt.hooks.record(rows.append)).train(
      ...     network=lambda params, input: input * params,
      ...     criterion=lambda output, target: (output - target) ** 2,
      ...     iterator=tnt.DatasetIterator([batch] * 5),
      ...     params=jnp.zeros(()), lr=0.25, max_epoch=2,
      ... )
      >>> [(row["epoch"], row["t"], round(row["loss"], 3)) for row in rows]
      [(1, 5, 2.398), (2, 10, 0.002)]
    """
    if every is not None:
        every = check_at_least("record: every", every, 1)
    write, sessions = _open(where)
    before = State()

    def start_epoch(state: State) -> State:
        # Not in `aux`: in a run that is resumed the clock starts anew.
        nonlocal before
        before = state
        return put(state, "meters", NAME, AverageValueMeter())

    def look(state: State) -> None:
        write(_make_row(state))

    def end_epoch(state: State) -> State:
        row = _make_row(state)
        spent = sum(state.seconds or ()) - sum(before.seconds or ())
        write({**row, "seconds": spent, **measured_now(state)})
        return state

    hooks = Hooks(
        on_start=bind(_start),
        on_start_epoch=start_epoch,
        on_update=bind(_measure),
        on_end_epoch=end_epoch,
        sessions=sessions,
    )
    return hooks if every is None else chain(hooks, watch(every, look))


def _start(state: State) -> State:
    if not state.training:
        return state
    return claim(state, "meters", NAME, AverageValueMeter())


def _measure(state: State) -> State:
    if state.loss is None:  # a step of the user's that has none
        return state
    loss, mask = jnp.asarray(state.loss, jnp.float32), find_row_mask(state.sample)
    if mask is not None and mask.shape != loss.shape:  # of losses [], or other rows
        mask = None
    return put(state, "meters", NAME, state.meters[NAME].add(loss, mask=mask))


def _make_row(state: State) -> Row:
    """Returns what is measured by then, all of it on the host."""
    row = {name: getattr(state, name) for name in ("epoch", "t", "samples")}
    row["loss"] = state.meters[NAME].value().mean
    if state.lr is not None:
        row["lr"] = state.lr
    elif "learning_rate" in state.aux:  # of a plugin that changes that of an optimizer
        row["lr"] = state.aux["learning_rate"]
    for name, meter in state.meters.items():
        if name != NAME:
            shown = meter.summary() if hasattr(meter, "summary") else {}
            for part, value in shown.items():
                row[f"{name}.{part}" if len(shown) > 1 else name] = value
    return as_plain(row)


def _open(where: Any) -> tuple[Callable[[Row], Any], tuple[Session, ...]]:
    """Returns what takes rows, and what is to be done around a run."""
    if isinstance(where, str | os.PathLike):
        file = _File(where)
        return file.write, (Session(load=file.load),)
    if isinstance(where, Log):
        return _LogRows(where), (_tell(where.on_flush),)
    if callable(where) and not isinstance(where, type):
        return where, (_tell([where]),)
    raise TypeError(
        "record needs a file's name, a Log or a function of a row, such as rows.append;"
        f" got {describe(where)}."
    )


def _tell(views: Sequence[Any]) -> Session:
    """Returns a session that tells trackers what a run goes on from."""

    def load(state: State, source: Source) -> None:
        counters = {name: getattr(state, name) for name in ("epoch", "t", "samples")}
        done = None if source == "start" else counters
        for view in views:
            if state.training and isinstance(view, View):
                view.start(done)

    return Session(load=load)


class _LogRows:
    """Sets what a log has a key for, and flushes it."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def __call__(self, row: Row) -> None:
        known = {name: row[name] for name in row if name in self._log.keys}
        self._log = self._log.set(known).flush()


class _File:
    """Lines of JSON in a file."""

    def __init__(self, filename: str | os.PathLike) -> None:
        self._filename = os.path.abspath(os.fspath(filename))
        self._output: Output | None = None

    def load(self, state: State, source: Source) -> None:
        """Empties the file, or drops what the run will do again."""
        if not state.training:
            return
        if source != "start" and os.path.exists(self._filename):
            self._drop_after(int(state.t), int(state.epoch))
        append = source != "start"
        self._output = open_output("record", None, self._filename, append)

    def _drop_after(self, t: int, epoch: int) -> None:
        with open(self._filename, encoding="utf-8", errors="replace") as file:
            lines = file.readlines()
        kept = [line for line in lines if _is_before(line, t, epoch)]
        if kept != lines:
            rest = f"{self._filename}.part"
            with open(rest, "w", encoding="utf-8") as file:
                file.writelines(kept)
            os.replace(rest, self._filename)  # whole, or not at all

    def write(self, row: Row) -> None:
        """Writes a line; a disk that is full is told of once."""
        assert self._output is not None, "load comes first"
        self._output.write(as_json_line(row, "record"))


def _is_before(line: str, t: int, epoch: int) -> bool:
    """True if a line is whole and of what a State has done."""
    try:
        row = json.loads(line)
        return line.endswith("\n") and row["t"] <= t and row["epoch"] <= epoch
    except (ValueError, KeyError, TypeError):  # killed while it was written
        return False
