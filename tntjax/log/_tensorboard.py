"""The view that TensorBoard shows."""

import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from typing import Any

from tntjax._files import as_place
from tntjax._optional import import_optional
from tntjax.log._parts import Parts, finite_numbers, read_parameters
from tntjax.log._view import View

BINS = 64


def tensorboard(
    folder: str | os.PathLike,
    hyperparameters: Mapping[str, Any] | None = None,
    step: str = "t",
) -> View:
    """Makes a view that writes rows for TensorBoard.

    It is an `on_flush` closure of a `Log`, and a function of a row for
    `tnt.hooks.record`. Numbers are scalars, NaN and infinity too; strings text; a
    `tnt.log.Image` an image; of up to 64 numbers in one axis, such as those of members
    or classes, each is a scalar `name/0`, `name/1`, ...; other arrays are histograms of
    what is finite in them. Parts of a dict are `name/part`. A row is in the file when
    the call returns. What cannot be written, as the disk is full, is told of once, and
    training goes on.

    Args:
      folder: of this run alone; it is made if it is not there. A new run that `record`
        begins hides what it has; one that is resumed hides what comes after that step.
      hyperparameters: names and values, for the tab of that name.
      step: which value of a row is the step; it is an integer.

    Returns:
      A closure of a log or a dict. It raises ValueError for a row without a step, and
      TypeError for a value of another kind.

    Raises:
      ImportError: if tensorboardX isn't installed.
      TypeError: if an argument is of the wrong kind.

    Example:
      >>> import tempfile
      >>> import tntjax as tnt
      >>> view = tensorboard(tempfile.mkdtemp(), {"lr": 0.1})
      >>> log = tnt.Log(["t", "loss"], on_flush=[view])
      >>> log = log.set(t=1, loss=0.5).flush()
      >>> view({"t": 2, "loss": 0.25})
    """
    tensorboardx("summary")
    folder = as_place(folder, "tensorboard: folder")
    events = _Events(folder, read_parameters(hyperparameters, "tensorboard"))
    return View("tensorboard", folder, events.write, events.begin, step)


class _Events:
    """Files of events in a folder, each begun by the first row that goes into it.

    tensorboardX's own writer has a thread with a queue: what waits there is lost when
    the program is killed, and a full disk ends the thread, so that training waits for
    it without end.
    """

    def __init__(self, folder: str, parameters: dict[str, Any]) -> None:
        self._folder, self._parameters = folder, parameters
        self._file: str | None = None
        self._first: int | None = None  # hides what is there from this step on
        self._last: dict[str, int] = {}

    def begin(self, first: int) -> None:
        self._file, self._first, self._last = None, first, {}

    def write(self, step: int, parts: Parts) -> None:
        values = [
            value
            for value in _make_values(parts)
            # At the end of an epoch there may be a row of its last update, too.
            if self._last.get(value.tag, -1) < step
        ]
        summary = tensorboardx("summary").Summary(value=values)
        self._append([_make_event(step, summary=summary)])
        self._last.update((value.tag, step) for value in values)

    def _append(self, events: list[Any]) -> None:
        if self._file is None:
            os.makedirs(self._folder, exist_ok=True)
            now = f"{time.time_ns() / 1e9:.9f}"  # TensorBoard reads in order of names
            name = f"events.out.tfevents.{now}.{socket.gethostname()}"
            self._file = os.path.join(self._folder, name)
            open(self._file, "xb").close()
            events = [*_make_first(self._first, self._parameters), *events]
        try:
            with open(self._file, "r+b") as file:
                file.seek(0, os.SEEK_END)
                file.write(b"".join(map(_frame, events)))
        except OSError:
            # Nothing is read behind half a record.
            self._file = None
            raise
        self._first = None


def _make_first(first: int | None, parameters: dict[str, Any]) -> list[Any]:
    log = tensorboardx("proto.event_pb2").SessionLog
    events = [_make_event(0, file_version="brain.Event:2")]
    if first is not None:
        start = log(status=log.SessionStatus.Value("START"))
        events.append(_make_event(first, session_log=start))
    if parameters:
        hparams = tensorboardx("summary").hparams(parameters, {})
        events.append(_make_event(0, summary=hparams[1]))  # the start of a session
    return events


def _make_values(parts: Parts) -> Iterator[Any]:
    summary = tensorboardx("summary")
    make = summary.Summary.Value
    for name, number in parts.numbers.items():
        yield make(tag=name, simple_value=number)
    for name, text in parts.texts.items():
        yield from summary.text(name, text).value
    for name, array in parts.arrays.items():
        if (finite := finite_numbers(array)).size:
            yield make(tag=name, histo=summary.make_histogram(finite, BINS))
    for name, pixels in parts.images.items():
        yield make(tag=name, image=summary.make_image(pixels))


def _make_event(step: int, **content: Any) -> Any:
    event = tensorboardx("proto.event_pb2").Event
    return event(step=step, wall_time=time.time(), **content)


def _frame(event: Any) -> bytes:
    """Makes a record of an event, as TFRecord has it."""
    crc = tensorboardx("record_writer").masked_crc32c
    data = event.SerializeToString()
    size = struct.pack("<Q", len(data))
    sums = [struct.pack("<I", crc(part)) for part in (size, data)]
    return size + sums[0] + data + sums[1]


def tensorboardx(module: str) -> Any:
    """Returns a module of tensorboardX, or says how to get it."""
    name = f"tensorboardX.{module}"
    return import_optional(name, "tnt.log.tensorboard", "tensorboard")
