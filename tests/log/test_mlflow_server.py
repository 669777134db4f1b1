"""The view for MLflow with a server of MLflow, which keeps runs in SQLite."""

import math
import os
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest

import tntjax as tnt
from tests.required import needs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
    *map(needs, ("sqlalchemy", "flask")),  # of the whole of MLflow, not its skinny part
]


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def answers(uri):
    try:
        return urllib.request.urlopen(f"{uri}/health", timeout=5).status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    with open(folder / "output", "wb") as output:
        server = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=output, start_new_session=True
        )
    try:
        while not answers(uri := f"http://127.0.0.1:{port}"):
            assert server.poll() is None, (folder / "output").read_text()
            time.sleep(0.2)
        yield uri
    finally:
        if server.poll() is None:
            os.killpg(server.pid, 15)  # it has a process for each worker
        server.wait()


def connect(uri):
    from mlflow import MlflowClient  # takes a second: not where tests are collected

    return MlflowClient(uri)


def read(uri, name):
    """Returns the runs of a name, the oldest first, and the points of each."""
    client = connect(uri)
    experiment = client.get_experiment_by_name("digits")
    runs = client.search_runs(
        [experiment.experiment_id],
        f"attributes.run_name = '{name}'",
        order_by=["attributes.start_time ASC"],
    )
    points = [
        {
            key: [
                (past.step, past.value)
                for past in client.get_metric_history(run.info.run_id, key)
            ]
            for key in run.data.metrics
        }
        for run in runs
    ]
    return runs, points


def train(uri, name, fails_at=None, **changes):
    def fail(state):
        if state.t == fails_at:
            raise RuntimeError("as it was told to")

    view = tnt.log.mlflow(uri, "digits", name, parameters={"lr": 0.1})
    hooks = tnt.chain(tnt.hooks.record(view, every=3), tnt.watch(1, fail))
    batch = {"input": np.ones(4), "target": np.full(4, 3.0)}
    return tnt.SGDEngine(hooks).train(
        **{
            "network": lambda params, input: input * params,
            "criterion": lambda output, target: (output - target) ** 2,
            "iterator": tnt.DatasetIterator([batch] * 7),
            "params": np.zeros((), np.float32),
            "lr": 0.1,
            "max_epoch": 2,
            **changes,
        }
    )


def test_what_is_recorded_is_on_the_server(uri):
    state = train(uri, "first")
    (run,), (points,) = read(uri, "first")
    assert run.info.status == "FINISHED" and run.data.params == {"lr": "0.1"}
    assert points["epoch"] == [(3, 0), (6, 0), (7, 1), (9, 1), (12, 1), (14, 2)]
    assert [value for _, value in points["loss"]] == state.history["loss"]
    assert [step for step, _ in points["seconds"]] == [7, 14]


def test_a_run_that_goes_on_has_each_point_once(uri):
    train(uri, "whole")
    train(uri, "parts", max_steps=9)  # which is two updates ahead of what goes on
    state = train(uri, "other", max_steps=7)
    train(uri, "parts", params=None, lr=None, state=state)
    (run,), (points,) = read(uri, "parts")
    _, (expected,) = read(uri, "whole")
    assert run.info.status == "FINISHED"
    for key in ("epoch", "samples", "loss", "lr"):
        np.testing.assert_allclose(points[key], expected[key], rtol=1e-5)
    train(uri, "parts")
    assert len(read(uri, "parts")[0]) == 2


def test_a_run_that_is_left_by_an_error_has_failed(uri):
    with pytest.raises(RuntimeError, match="as it was told to"):
        train(uri, "bad", fails_at=5)
    (run,), _ = read(uri, "bad")
    assert run.info.status == "FAILED"


def test_all_kinds_of_values(uri):
    view = tnt.log.mlflow(uri, "digits", "it's \\ 50 % é")
    view({"t": 1, "top@1": math.nan, "up": math.inf, "note": "x", "c": {1: 2}})
    view({"t": 2, "many": {n: 0.5 for n in range(900)}, "s": dict.fromkeys("ab", "y")})
    again = tnt.log.mlflow(uri, "digits", "it's \\ 50 % é")
    again.start({"t": 1})
    again({"t": 2, "many": {n: 0.5 for n in range(900)}, "up": 1})
    client = connect(uri)
    experiment = client.get_experiment_by_name("digits").experiment_id
    (run,) = client.search_runs([experiment], "metrics.`many/899` = 0.5")
    assert math.isnan(run.data.metrics["top_1"]) and run.data.metrics["c/1"] == 2
    assert run.data.tags["note"] == "x" and run.data.tags["s/b"] == "y"
    up = client.get_metric_history(run.info.run_id, "up")
    assert up[0].value > 1e308 and (up[1].step, up[1].value) == (2, 1.0)
    assert len(client.get_metric_history(run.info.run_id, "many/0")) == 1


def test_a_server_that_is_not_there_is_told_of_once():
    with pytest.warns(RuntimeWarning, match="misses rows, as") as told:
        train(f"http://127.0.0.1:{free_port()}", "first")
    assert len([w for w in told if "misses rows" in str(w.message)]) == 1
