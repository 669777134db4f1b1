"""The report: one page of HTML about a run, or about several."""

import base64
import datetime
import hashlib
import importlib.resources
import json
import os
import string
from collections.abc import Mapping, Sequence, Sized
from pathlib import Path
from typing import Any

from tntjax.log._file import check_form, check_place
from tntjax.log._report._curves import Drawing, arrange
from tntjax.log._report._html import Markup, escape, join, section, tag
from tntjax.log._report._matrix import show_matrices
from tntjax.log._report._payload import explain_curves, make_payload
from tntjax.log._report._runs import Run, read_runs
from tntjax.log._report._setup import (
    show_config,
    show_data,
    show_environment,
    show_time,
)
from tntjax.log._report._tables import show_last, show_members, show_runs


def report(
    path: str | os.PathLike,
    *runs: Any,
    title: str = "Training report",
    config: Mapping[str, Any] | None = None,
    classes: Sequence[str] | None = None,
    **named: Any,
) -> Path:
    """Writes one page of HTML about a run, or about several side by side.

    The page needs nothing but itself: it makes no request, and a browser shows it
    without a network. It has curves of all that was recorded, `validate.loss` with
    `loss`, with values under the pointer, zoom and a logarithmic scale; last, lowest
    and highest values; confusion matrices; where the time went; the configuration; the
    data with a fingerprint; versions, devices and the commit. A run of `members` is a
    family of curves with its median. Of a curve with more than 4,000 points the lowest
    and the highest of each of 2,000 stretches are drawn, of very many curves fewer.

    Args:
      path: the file to write. An old one is replaced as a whole, or stays as it is.
      *runs: runs, or dicts of runs by name. A run is a State that `train` or `test`
        returned, a dict of columns such as `state.history`, a list of rows, or the name
        of a file of JSON lines or a table, as `tnt.hooks.record(file)` writes them.
      title: of the page.
      config: settings to show, such as `vars(args)`; or a dict of these by the name of
        the run.
      classes: names of the classes of confusion matrices.
      **named: more runs, by name.

    Returns:
      The path of the file.

    Raises:
      TypeError: if an argument is of the wrong kind.
      ValueError: if the path is named as a file of another form, as those are that
        hold runs; if there is no run, two have one name, or nothing was recorded; or if
        a file has other lines than objects of JSON or rows of one table.
      OSError: if a file cannot be read or written.

    Example:
      >>> import os, tempfile
      >>> import tntjax as tnt
      >>> history = {"t": [100, 200], "loss": [0.7, 0.4], "validate.loss": [0.8, 0.6]}
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = tnt.log.report(os.path.join(folder, "out.html"), history)
      ...     path.read_text(encoding="utf-8").splitlines()[0]
      '<!doctype html>'
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(
            "report needs the name of the file to write first, and then the runs:"
            " report('out.html', state)."
        )
    check_form("report, to its first argument,", "HTML", path)  # not over a run
    if isinstance(classes, str) or not isinstance(classes, Sized | None):
        raise TypeError(f"report: classes must be a list of names, got {classes!r}.")
    path = Path(os.fsdecode(path)).expanduser()
    check_place("report", os.path.abspath(path))
    read = read_runs(runs, named)
    drawing = arrange(read)
    payload, blob = make_payload(read, drawing)
    scripts = _read_text("uplot/uPlot.iife.min.js"), _read_text("page.js")
    now = datetime.datetime.now(datetime.UTC).isoformat(" ", "minutes")
    page = string.Template(_read_text("page.html")).substitute(
        title=escape(str(title)),
        allowed=" ".join(map(_hash_script, scripts)),
        style=_read_text("uplot/uPlot.min.css") + _read_text("page.css"),
        date=tag("time", now.replace("+00:00", " UTC"), datetime=now),
        body=_make_body(read, drawing, config, classes),
        # Or a name could end the element that it stands in.
        payload=json.dumps(payload, separators=(",", ":")).replace("<", "\\u003c"),
        blob=blob,
        licence=_read_text("uplot/LICENSE"),
        library=scripts[0],
        script=scripts[1],
    )
    return _write(path, page)


def _make_body(
    runs: Sequence[Run],
    drawing: Drawing,
    config: Mapping[str, Any] | None,
    classes: Sequence[str] | None,
) -> Markup:
    members = map(show_members, runs, drawing.numbers)
    plots = tag("div", id="plots") if drawing.plots else Markup()
    parts = {
        "Runs": show_runs(runs, drawing),
        "Curves": join([plots, *explain_curves(runs, drawing)]),
        "Values": join([show_last(runs, drawing), *members]),
        "Confusion": show_matrices(runs, classes),
        "Time": show_time(runs),
        "Configuration": show_config(runs, config),
        "Data": show_data(runs),
        "Environment": show_environment(runs),
    }
    return join(section(name, part) for name, part in parts.items() if part)


def _read_text(name: str) -> str:
    folder = importlib.resources.files("tntjax.log._report")
    return folder.joinpath(name).read_text(encoding="utf-8")


def _hash_script(script: str) -> str:
    """Returns the name by which a page allows a script, and so no other."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _write(path: Path, page: str) -> Path:
    place = path.resolve()  # a link stays one
    part = place.with_name(f"{place.name}.part")
    try:
        part.write_text(page, encoding="utf-8", newline="\n")
        os.replace(part, place)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    return path
