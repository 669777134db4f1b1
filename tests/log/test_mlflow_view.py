"""The view for MLflow, with a stand-in for its client and server."""

import math
import os
import sys

import numpy as np
import pytest

from tests.docs.printed import program
from tests.log.mlflow_stand_in import Server, modules
from tntjax.log import Image, Log, _mlflow, mlflow

URI = "http://localhost:5000"


@pytest.fixture
def server(monkeypatch):
    server = Server()
    for name, module in modules(server).items():
        monkeypatch.setitem(sys.modules, name, module)
    return server


def test_a_log_is_one_batch_a_row(server):
    view = mlflow(URI, "digits", "first", parameters={"lr": 0.1, "model": {"n": 3}})
    log = Log(["t", "loss", "note", "error"], on_flush=[view])
    log = log.set(t=3, loss=0.5, note="x", error={1: 50.0}).flush()
    log.set(t=4, loss=0.25).flush()
    (run,) = server.runs
    assert (run.experiment, run.name) == ("id of digits", "first")
    assert run.points() == [(3, 0.5), (4, 0.25)]
    assert run.points("error/1") == [(3, 50.0)]
    assert run.params == {"lr": "0.1", "model/n": "3"}
    assert run.tags == {"tntjax.run": "first", "note": "x"}
    assert server.batches == [(2, 2, 1), (1, 0, 0)]


def test_the_program_of_the_page_begins_a_run_of_its_server(server):
    exec(program("docs/log.md"), names := {})
    names["view"]({"t": 100, "loss": 0.5})
    (run,) = server.runs
    assert (run.experiment, run.name) == ("id of digits", "first")
    assert run.params == {"lr": "0.1"} and run.points() == [(100, 0.5)]


def test_numbers_are_metrics(server):
    row = {"nan": math.nan, "inf": -math.inf, "yes": True, "members": np.arange(2)}
    mlflow(URI)({"t": 1, **row})
    metrics = server.runs[0].data.metrics
    assert math.isnan(metrics.pop("nan"))
    assert metrics == {"inf": -math.inf, "yes": 1, "members/0": 0, "members/1": 1}
    assert all(type(metric.value) is float for metric in server.runs[0].history)


def test_images_and_large_arrays_are_left_out(server):
    mlflow(URI)({"t": 1, "image": Image([[0.0]]), "weights": np.zeros(65), "n": 2})
    assert list(server.runs[0].data.metrics) == ["n"]


def test_names_have_what_mlflow_allows(server):
    mlflow(URI, parameters={"a=b": 1})(
        {"t": 1, "top@1 é/x": 2, "n" * 300: 3, "c#": "x"}
    )
    run = server.runs[0]
    assert list(run.data.metrics) == ["top_1 é/x", "n" * 250]
    assert run.params == {"a_b": "1"} and run.tags["c_"] == "x"


def test_what_is_too_much_for_one_batch_goes_in_several(server):
    row = {"many": {n: 0.5 for n in range(900)}, "s": {n: "x" for n in range(150)}}
    mlflow(URI)({"t": 1, **row})
    assert server.batches == [(800, 0, 100), (100, 0, 50)]


def test_each_point_of_a_step_is_logged_once(server):
    view = mlflow(URI)
    view({"t": 1, "loss": 0.5})
    view({"t": 1, "loss": 0.5, "seconds": 2.0})
    assert [(past.key, past.step) for past in server.runs[0].history] == [
        ("loss", 1),
        ("seconds", 1),
    ]


def test_a_run_that_goes_on_is_found_by_its_name(server):
    for name in ("first", "first", "other"):
        view = mlflow(URI, name=name, parameters={"lr": 0.1})
        view.start()
        for t in (1, 2, 3):
            view({"t": t, "loss": 0.5})
        view.close()
    view = mlflow(URI, name="first", parameters={"lr": 0.3, "n": 2})
    view.start({"t": 1})
    for t in (2, 3, 4):
        view({"t": t, "loss": 0.5, "more": 1.0})
    first, second, other = server.runs
    assert second.points() == [(1, 0.5), (2, 0.5), (3, 0.5), (4, 0.5)]
    assert [step for step, _ in second.points("more")] == [2, 3, 4]
    assert second.params == {"lr": "0.1", "n": "2"}
    assert [run.status for run in server.runs] == ["FINISHED", "RUNNING", "FINISHED"]
    assert len(first.points()) == len(other.points()) == 3


@pytest.mark.parametrize("experiment", ["Default", "new"])
def test_a_run_that_is_not_found_is_made(server, experiment):
    mlflow(URI, name="other")({"t": 1, "loss": 0.5})
    view = mlflow(URI, experiment, name="first")
    view.start({"t": 1})
    view({"t": 2, "loss": 0.5})
    assert server.runs[1].points() == [(2, 0.5)]


def test_a_run_that_is_there_is_gone_on_with(server):
    made = server.client(URI).create_run("id of mine")
    for done, steps in ((None, (1, 2)), ({"t": 1}, (2, 3))):
        view = mlflow(URI, run_id=made.run_id)
        view.start(done)
        for t in steps:
            view({"t": t, "loss": 0.5})
    assert [step for step, _ in made.points()] == [1, 2, 3]
    assert server.runs == [made] and server.experiments == []


def test_a_new_training_in_the_run_of_another_is_told_of(server):
    mlflow(URI)({"t": 1, "loss": 0.5})
    view = mlflow(URI, run_id="0")
    view.start()
    with pytest.warns(RuntimeWarning, match="the run 0 is of another training; leave"):
        view({"t": 1, "loss": 0.25})
    assert server.runs[0].points() == [(1, 0.5)]


def test_one_view_makes_a_run_for_each_training(server):
    view = mlflow(URI)
    for done in (None, {"t": 1}, None):
        view.start(done)
        view({"t": 1 if done is None else 2, "loss": 0.5})
    assert [len(run.points()) for run in server.runs] == [2, 1]


def test_a_run_that_goes_on_without_a_name_is_told_of(server):
    view = mlflow(URI)
    with pytest.warns(RuntimeWarning, match="is found by name= or run_id="):
        view.start({"t": 1})
    view({"t": 2, "loss": 0.5})
    assert server.runs[0].points() == [(2, 0.5)]


def test_a_log_that_is_closed_finishes_the_run(server):
    view = mlflow(URI)
    log = Log(["t"], on_flush=[view], on_close=[view.close])
    log.set(t=1).flush().close()
    assert server.runs[0].status == "FINISHED"


def test_without_rows_there_is_no_run(server):
    view = mlflow(URI)
    view.start()
    view.close()
    assert server.requests == 0 and server.runs == []


def test_a_server_that_is_gone_is_told_of_once_and_rests(server, monkeypatch):
    now = iter([100.0, 102.0, 121.9, 122.1]).__next__
    monkeypatch.setattr(_mlflow.time, "monotonic", now)
    server.error = ConnectionError("no answer")
    view = mlflow(URI, name="first")
    with pytest.warns(
        RuntimeWarning, match="first misses rows, as ConnectionError: no"
    ):
        view({"t": 1, "loss": 0.5})
    server.error, asked = None, server.requests
    view({"t": 2, "loss": 0.5})
    assert server.requests == asked
    view({"t": 3, "loss": 0.5})
    assert server.runs[0].points() == [(3, 0.5)]


def test_requests_wait_for_less_unless_the_user_says(server, monkeypatch):
    seen = []
    names = list(_mlflow.WAITS)
    monkeypatch.delenv(names[0], raising=False)
    monkeypatch.setenv(names[1], "77")
    ask = server.ask
    monkeypatch.setattr(
        server, "ask", lambda: (seen.append([os.environ[n] for n in names]), ask())
    )
    mlflow(URI)({"t": 1, "loss": 0.5})
    assert seen and all(entry == ["1", "77"] for entry in seen)
    assert names[0] not in os.environ and os.environ[names[1]] == "77"


def test_what_mlflow_cannot_write_to_is_refused(server):
    with pytest.raises(
        ValueError, match="cannot write to 'mlruns'.*pip install mlflow.*"
    ):
        mlflow("mlruns")


@pytest.mark.parametrize(
    "wrong", [{"uri": None}, {"name": 3}, {"experiment": ""}, {"run_id": ""}]
)
def test_what_is_not_text_is_refused(server, wrong):
    with pytest.raises(
        TypeError, match=f"mlflow needs text as its {next(iter(wrong))}"
    ):
        mlflow(**{"uri": URI, **wrong})


def test_the_step_is_named(server):
    mlflow(URI, step="epoch")({"epoch": 2, "t": 7})
    assert server.runs[0].points("t") == [(2, 7.0)]
    with pytest.raises(
        TypeError, match="mlflow needs the name of the step, got step=3"
    ):
        mlflow(URI, step=3)


def test_a_quote_in_a_name_is_refused(server):
    with pytest.raises(ValueError, match='runs with a " in their name'):
        mlflow(URI, name='a "b"')


def test_without_mlflow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ImportError, match=r'pip install "tntjax\[mlflow\]"'):
        mlflow(URI)
