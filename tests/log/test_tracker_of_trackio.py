"""A run of trackio in a program of its own, read back from its SQLite file."""

import json
import os
import sqlite3

import pytest

from tests.docs.printed import run_in

PROGRAM = """
import numpy as np, trackio
import tntjax as tnt

def run(done, rows, resume):
    quiet = {"embed": False, "auto_log_cpu": False, "auto_log_gpu": False}
    run = trackio.init(project="test", name="run", resume=resume, **quiet)
    view = tnt.log.tracker(run)
    view.start(done)
    for row in rows:
        view(row)
    run.finish()

image, weights = tnt.log.Image(np.eye(4)), [np.inf, *range(99)]
more = {"nan": np.nan, "note": "x", "weights": weights, "image": image}
run(None, [{"t": 3, "loss": 0.5, **more}, {"t": 5, "loss": 0.25}], "never")
run({"t": 3}, [{"t": 5, "loss": 0.25}, {"t": 7, "loss": 0.125}], "must")
"""


@pytest.mark.slow
def test_what_is_logged_is_in_the_file_once(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", os.fspath(tmp_path / "tracked"))
    run_in(tmp_path, PROGRAM)
    (path,) = tmp_path.glob("tracked/*.db")
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT step, metrics FROM metrics ORDER BY step")
        found = [(step, json.loads(metrics)) for step, metrics in rows]
    database.close()
    assert [(step, row["loss"]) for step, row in found] == [
        (3, 0.5),
        (5, 0.25),
        (7, 0.125),
    ]
    first = found[0][1]
    assert first["note"] == "x" and first["nan"] == "NaN"
    assert sum(first["weights"]["values"]) == 99
    assert first["image"]["_type"] == "trackio.image"
