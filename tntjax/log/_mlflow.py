"""The view that MLflow shows."""

import contextlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from tntjax._optional import import_optional
from tntjax._struct import shorten
from tntjax.log._parts import Parts, read_parameters
from tntjax.log._view import View

TAG = "tntjax.run"
"""Marks runs made here; it holds the name, by which one that goes on is found."""

MOST = {"metrics": 800, "params": 100, "tags": 100}
"""How much a server takes at once: 1,000 in all, 100 of params and of tags."""

WAITS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
"""What MLflow waits for, unless the user has set it; its own would be minutes a row."""

REST = 10  # times as long as it took to fail a server is not asked again


def mlflow(
    uri: str,
    experiment: str = "Default",
    name: str | None = None,
    run_id: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    step: str = "t",
) -> View:
    """Makes a view that gives rows to a run of MLflow.

    It is an `on_flush` closure of a `Log`, and a function of a row for
    `tnt.hooks.record`. Numbers are metrics, NaN and infinity too; of up to 64 numbers
    in one axis each is one, `name/0`, `name/1`, ...; parts of a dict are `name/part`. A
    string is a tag, which holds the latest. Other arrays and images are left out.
    Characters that MLflow does not allow in names become `_`. A row is on the server
    when the call returns.

    What MLflow raises, as the server is gone, is told of once, and training goes on: a
    row waits for some seconds, not the minutes that MLflow would, unless
    `MLFLOW_HTTP_REQUEST_TIMEOUT` or `MLFLOW_HTTP_REQUEST_MAX_RETRIES` is set; after a
    failure the rows of ten times as long are left out without waiting.

    The run is made by the first row. With `record` it is finished when training ends,
    or failed if by an error; with a log of your own, `log.attach("on_close",
    view.close)` finishes it.

    Args:
      uri: of a server, such as `"http://localhost:5000"`; or `"sqlite:///mlflow.db"`,
        which needs the whole of MLflow: `pip install mlflow`.
      experiment: its name; it is made if it is not there.
      name: of the run. One that `record` resumes goes on with the latest of that name
        in the experiment; any other training makes a new one.
      run_id: of a run that is there already, instead.
      parameters: hyperparameters, by name. Those that a run has already stay.
      step: which value of a row is the step; it is an integer.

    Returns:
      A closure of a log or a dict. It raises ValueError for a row without a step, and
      TypeError for a value of another kind.

    Raises:
      ImportError: if MLflow isn't installed.
      TypeError: if an argument is of the wrong kind.
      ValueError: if MLflow does not take the URI, or there is a `"` in the name.

    Example:
      >>> mlflow("http://localhost:5000", "digits", "first")
      mlflow(http://localhost:5000, experiment digits, run first)
    """
    flat = read_parameters(parameters, "mlflow")
    texts = {"uri": uri, "experiment": experiment, "name": name, "run_id": run_id}
    for key, value in texts.items():
        may_be_none = key in ("name", "run_id")
        if not (isinstance(value, str) and value or value is None and may_be_none):
            raise TypeError(f"mlflow needs text as its {key}, got {value!r}.")
    if '"' in (name or ""):
        raise ValueError(f'mlflow cannot find runs with a " in their name: {name!r}.')
    run = _Run(_connect(uri), experiment, name, run_id, flat)
    where = f"{uri}, experiment {experiment}, run {run_id or name}"
    return View("mlflow", where, run.send, run.begin, step, run.end)


def _connect(uri: str) -> Any:
    """Makes a client, which does not ask a server yet."""
    client = import_optional("mlflow", "tnt.log.mlflow", "mlflow").MlflowClient
    try:
        return client(uri)
    except Exception as error:  # of several kinds, with several texts
        raise ValueError(
            f"mlflow cannot write to {uri!r}: without a server MLflow writes to"
            " databases, such as 'sqlite:///mlflow.db', for which mlflow-skinny is not"
            " enough: pip install mlflow. MLflow says: " + shorten(f"{error}", 300)
        ) from error


class _Run:
    """A run on the server, made or found by the first row."""

    def __init__(
        self,
        client: Any,
        experiment: str,
        name: str | None,
        run_id: str | None,
        parameters: dict[str, Any],
    ) -> None:
        self._client, self._experiment, self._name = client, experiment, name
        self._given, self._parameters = run_id, parameters
        self._rests_until = 0.0
        self._leave(run_id, is_new=False)

    def _leave(self, wanted: str | None, is_new: bool) -> None:
        self._wanted, self._is_new = wanted, is_new  # the id of the next run
        self._goes_on = False
        self._id: str | None = None  # of the run that is open
        self._last: dict[str, int] = {}  # metric -> step
        self._params: list[Any] = []  # of the next row
        self._tags: list[Any] = []

    def begin(self, first: int) -> None:
        """Leaves the run; the next row opens it again, or another one."""
        self._rests_until = 0.0
        wanted = self._given or (self._id if first else None)
        self._leave(wanted, is_new=first == 0)
        self._goes_on = first > 0
        if first and not (self._wanted or self._name):
            raise ValueError(
                "what goes on is found by name= or run_id=, and neither is given; the"
                " rows go to a new run"
            )

    def end(self, failed: bool) -> None:
        if self._id is not None:
            with _short_waits():
                status = "FAILED" if failed else "FINISHED"
                self._client.set_terminated(self._id, status=status)

    def send(self, step: int, parts: Parts) -> None:
        began = time.monotonic()
        if began < self._rests_until:
            return
        try:
            with _short_waits():
                if self._id is None:
                    self._open()
                self._write(step, parts)
        except Exception:
            now = time.monotonic()
            self._rests_until = now + REST * (now - began)
            raise

    def _open(self) -> None:
        """Finds the run that goes on, or makes one."""
        found = self._find()
        if found is None:
            experiment, tags = self._find_experiment(make=True), {TAG: self._name or ""}
            found = self._client.create_run(experiment, run_name=self._name, tags=tags)
        elif self._is_new and TAG in found.data.tags:
            raise ValueError(
                f"the run {found.info.run_id} is of another training; leave run_id= out"
                " for a new one"
            )
        else:
            self._client.update_run(found.info.run_id, status="RUNNING")
            self._tags = [_entities().RunTag(TAG, self._name or "")]
        # Those of `data.metrics` have no steps.
        self._last = {last.key: last.step for last in found.data.to_proto().metrics}
        self._params = [
            _entities().Param(key, str(value))
            for name, value in self._parameters.items()
            if (key := _make_key(name)) not in found.data.params
        ]
        self._id = found.info.run_id

    def _find(self) -> Any:
        if self._wanted is not None:
            return self._client.get_run(self._wanted)
        experiment = self._find_experiment(make=False) if self._goes_on else None
        if experiment is None or self._name is None:
            return None
        found = self._client.search_runs(
            [experiment],
            f'tags.`{TAG}` = "{self._name}"',
            max_results=1,
            order_by=["attributes.start_time DESC"],
        )
        return next(iter(found), None)

    def _find_experiment(self, make: bool) -> str | None:
        found = self._client.get_experiment_by_name(self._experiment)
        if found is not None:
            return found.experiment_id
        return self._client.create_experiment(self._experiment) if make else None

    def _write(self, step: int, parts: Parts) -> None:
        now = time.time_ns() // 1_000_000
        metrics = [
            _entities().Metric(key, float(number), now, step)
            for name, number in parts.numbers.items()
            # At the end of an epoch there may be a row of its last update, too.
            if self._last.get(key := _make_key(name), -1) < step
        ]
        texts = parts.texts.items()
        tags = [_entities().RunTag(_make_key(name), text) for name, text in texts]
        tags = [*self._tags, *tags]
        content = {"metrics": metrics, "params": self._params, "tags": tags}
        while any(content.values()):
            batch = {kind: some[: MOST[kind]] for kind, some in content.items()}
            self._client.log_batch(self._id, **batch, synchronous=True)
            content = {kind: some[MOST[kind] :] for kind, some in content.items()}
        self._params, self._tags = [], []
        self._last.update((metric.key, step) for metric in metrics)


def _make_key(name: str) -> str:
    """Returns a name with what MLflow allows: no more than 250 of some characters."""
    return re.sub(r"[^\w.\-: /]", "_", name)[:250]


def _entities() -> Any:
    return import_optional("mlflow.entities", "tnt.log.mlflow", "mlflow")


@contextlib.contextmanager
def _short_waits() -> Iterator[None]:
    """Makes MLflow wait for less, where the user has not said how long."""
    ours = {name: value for name, value in WAITS.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)
