"""A record of a run: loss, meters, scores, rates and seconds, row by row."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from tntjax._numbers import check_at_least
from tntjax._plain import as_plain
from tntjax._struct import describe
from tntjax.engine import Hooks, State, chain, watch
from tntjax.engine._around import Session, Source
from tntjax.engine._history import MOMENT, Row
from tntjax.hooks._arguments import explain_arguments
from tntjax.hooks._bind import trust
from tntjax.hooks._kept_rate import KEPT_RATE
from tntjax.hooks._kept_rate import NAME as KEPT
from tntjax.hooks._mean_loss import MEAN_LOSS, show_meters
from tntjax.hooks._record_file import RecordFile
from tntjax.hooks._score import measured_now
from tntjax.log import Log
from tntjax.log._view import View

Where = str | os.PathLike | Log | Callable[[Row], Any]


@explain_arguments
def record(where: Where | None = None, every: int | None = None) -> Hooks:
    """Records what a run measures: a row for each epoch, and for updates if asked to.

    A row has `epoch`, `t` and `samples`, how many are done; `loss`, the mean of the
    epoch so far, whether it is metered or not (of a criterion that returns one number
    a batch each batch counts alike); the rate of the last update as `lr`, if the State
    has it or the optimizer keeps it, given as `optimizer=optax.adam, lr=schedule`; what
    each meter shows, under its name, or `name.part` if it shows several things. That of
    an epoch also has its `seconds`, without hooks at its end; and what a `validate`,
    chained before, has measured there: the score as `validate`, the rest as
    `validate.name`.

    All rows are `state.history`, columns for `pandas.DataFrame(state.history)`. They
    are in checkpoints, and a run that goes on, from a State or the disk, goes on with
    the rows of what it goes on from. An epoch that is cut short has a row when the run
    ends; a checkpoint of that moment is without. An epoch that another call of `train`
    has begun has no `seconds`.

    Args:
      where: also write the rows to a file: "run.csv", a table for `pandas.read_csv`
        with a column for each of several numbers (`loss.0` of member 0), or of another
        name, "run.jsonl", a line of JSON each for `pandas.read_json(file, lines=True)`;
        to a `Log`, whose keys that a row has are set before it is flushed; or to a
        function of a row, a dict, such as the `append` of a list or
        `tnt.log.tensorboard(folder)`. A run that goes on drops lines of a file that are
        behind where it goes on from, and writes on; any other empties the file. Of
        several processes the first alone writes.
      every: also a row after each so many updates, without waiting for the device.

    Returns:
      A Hooks value, to be chained with others, once for each place to write to. It
      serves one run at a time.

    Raises:
      TypeError: if an argument is of the wrong kind.
      ValueError: if `every` is below 1, or the file is named as one of another form,
        such as "run.html"; when it runs, if `validate` is chained after.
      OSError: if the file cannot be opened. One that cannot be written to later, as the
        disk is full, is told of in a warning, and training goes on.

    Example:
      >>> import jax.numpy as jnp
      >>> import tntjax as tnt
      >>> batch = {"input": jnp.ones(4), "target": jnp.full(4, 3.0)}
      >>> state = tnt.SGDEngine(tnt.hooks.record()).train(
      ...     network=lambda params, input: input * params,
      ...     criterion=lambda output, target: (output - target) ** 2,
      ...     iterator=tnt.DatasetIterator([batch] * 5),
      ...     params=jnp.zeros(()), lr=0.25, max_epoch=2,
      ... )
      >>> state.history["t"], [round(loss, 3) for loss in state.history["loss"]]
      ([5, 10], [2.398, 0.002])
    """
    if every is not None:
        every = check_at_least("record: every", every, 1)
    write, sessions = _open(where)
    recorder = _Recorder(write)
    own = Hooks(
        on_start=trust(recorder.start),
        on_start_epoch=trust(recorder.start_epoch),
        on_end_epoch=trust(recorder.end_epoch),
        on_end=trust(recorder.end),
        sessions=(*sessions, Session(load=recorder.load)),
    )
    hooks = chain(MEAN_LOSS, KEPT_RATE, own)
    return hooks if every is None else chain(hooks, watch(every, recorder.look))


class _Recorder:
    """Makes rows of a run, one at a time, for the history and a function."""

    def __init__(self, write: Callable[[Row], Any]) -> None:
        self._write = write
        # Not in `aux`: in a run that is resumed the clock starts anew.
        self._began, self._is_part = 0.0, False
        self._last: Row = {}

    def start(self, state: State) -> State:
        if state.recorded is not None:
            state.recorded.is_read = True  # a `validate` after this would be too late
        return state

    def load(self, state: State, source: Source) -> None:
        """Finds out if the first epoch was begun by another program, and its rows."""
        if not state.training:  # a test of `validate` in the epoch
            return
        self._is_part = source != "start" and int(state.position) > 0
        self._last = next(reversed(state.recorded.rows), {})

    def start_epoch(self, state: State) -> State:
        self._began = time.perf_counter()
        return state

    def look(self, state: State) -> None:
        self._add(state, _make_row(state))

    def end_epoch(self, state: State) -> State:
        spent = None if self._is_part else state.recorded.epoch_ended - self._began
        self._is_part = False
        measured = {**measured_now(state), **state.recorded.noted(state.epoch)}
        # Not the rate of the next epoch, which a hook chained before may have set.
        row = _make_row(state) | _read_rate(state.replace(**state.recorded.ended))
        self._add(state, {**row, "seconds": spent, **measured})
        return state

    def end(self, state: State) -> State:
        if state.training and int(state.position):
            row = _make_row(state)
            if any(self._last.get(name) != row[name] for name in MOMENT):
                self._add(state, row)
        return state

    def _add(self, state: State, row: Row) -> None:
        self._last = row
        state.recorded.add(row)
        self._write(row)


def _make_row(state: State) -> Row:
    row = {name: getattr(state, name) for name in ("epoch", "t", "samples")}
    row["loss"] = None  # its place among the columns
    return {**as_plain(row), **_read_rate(state), **show_meters(state)}


def _read_rate(state: State) -> Row:
    """Returns the learning rate as `lr`, nothing if the State has none."""
    rate, aux = state.lr, state.aux if isinstance(state.aux, dict) else {}
    if rate is None:  # a plugin that changes that of an optimizer keeps it there
        rate = aux.get("learning_rate")
    if rate is None:
        rate = aux.get(KEPT)
    if rate is None:
        return {}
    rate = np.asarray(rate)  # [], or [N] of members
    if rate.dtype == np.float32:  # by its shortest decimals, 0.1 and not 0.10000000149
        rate = rate.astype(str).astype(float)
    return {"lr": as_plain(rate)}


def _open(where: Any) -> tuple[Callable[[Row], Any], tuple[Session, ...]]:
    """Returns what takes rows, and what is to be done around a run."""
    if where is None:
        return _drop, ()
    if isinstance(where, str | os.PathLike):
        file = RecordFile(where)
        write, session = file.write, Session(load=_in_first(file.load))
    elif isinstance(where, Log):
        write, session = _write_to(where), _tell(where.on_flush)
    elif callable(where) and not isinstance(where, type):
        write, session = where, _tell([where])
    else:
        raise TypeError(
            "record takes a file's name, a Log or a function of a row, such as"
            f" rows.append; got {describe(where)}."
        )
    return _in_first(write), (session,)


def _in_first(act: Callable[..., Any]) -> Callable[..., None]:
    """Makes a function that acts in the first process alone, as each has all rows."""

    def act_once(*arguments: Any) -> None:
        if jax.process_index() == 0:
            act(*arguments)

    return act_once


def _drop(row: Row) -> None:
    """Writes a row nowhere."""


def _tell(places: Sequence[Any]) -> Session:
    """Returns a session that tells trackers how a run begins and ends."""
    views = [place for place in places if isinstance(place, View)]
    error: BaseException | None = None  # that is handled around the run
    training = False

    def load(state: State, source: Source) -> None:
        nonlocal error, training
        error, training = sys.exception(), state.training
        counters = {name: getattr(state, name) for name in ("epoch", "t", "samples")}
        done = None if source == "start" else counters
        for view in views if training else ():
            view.start(done)

    def close() -> None:
        nonlocal error, training
        failed = sys.exception() is not error
        for view in views if training else ():
            view.close(failed=failed)
        error, training = None, False

    return Session(load=_in_first(load), close=_in_first(close))


def _write_to(log: Log) -> Callable[[Row], None]:
    """Makes a function that sets what a log has a key for, and flushes it."""

    def write(row: Row) -> None:
        nonlocal log
        log = log.set({name: row[name] for name in row if name in log.keys}).flush()

    return write
