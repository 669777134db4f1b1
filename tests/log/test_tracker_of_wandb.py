"""A run of W&B without a network, read back from its file."""

import json
import math
import struct

import jax.numpy as jnp
import numpy as np
import pytest
import wandb
from wandb.proto.wandb_internal_pb2 import Record

from tntjax.log import Image, tracker

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

HEADER, BLOCK = 7, 32768


def records(path):
    """Reads the records of a file, which is a log as LevelDB has it."""
    data, place, record = path.read_bytes(), HEADER, b""
    assert data.startswith(b":W&B")
    while place + HEADER < len(data):
        if BLOCK - place % BLOCK < HEADER:  # the rest of a block is empty
            place += BLOCK - place % BLOCK
        _, size, kind = struct.unpack_from("<IHB", data, place)
        record += data[place + HEADER : place + HEADER + size]
        place += HEADER + size
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(record)
            record = b""


def history(folder):
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    return [
        {
            "/".join(item.nested_key) or item.key: json.loads(item.value_json)
            for item in record.history.item
        }
        for record in records(path)
        if record.WhichOneof("record_type") == "history"
    ]


def start(folder):
    settings = wandb.Settings(silent=True, disable_git=True, x_disable_stats=True)
    return wandb.init(mode="offline", project="test", dir=folder, settings=settings)


def test_what_is_logged_is_in_the_file(tmp_path):
    row = {"loss": jnp.bfloat16(0.5), "nan": math.nan, "error": {1: 50.0}, "note": "x"}
    with start(tmp_path) as run:
        view = tracker(run)
        view.start()
        view({"t": 3, **row, "weights": [math.inf, *range(99)], "i": Image(np.eye(2))})
        view({"t": 5, "loss": 0.25})
        view({"t": 5, "seconds": 2.0})
    wandb.teardown()  # waits for the process that writes
    first, second = history(tmp_path)
    assert (first["_step"], first["loss"], first["error/1"]) == (3, 0.5, 50.0)
    assert first["note"] == "x" and math.isnan(float(first["nan"]))
    assert sum(first["weights/values"]) == 99
    assert first["i/_type"] == "image-file" and first["i/width"] == 2
    assert (second["_step"], second["loss"], second["seconds"]) == (5, 0.25, 2.0)


def test_a_run_that_is_finished_is_told_of_once(tmp_path):
    run = start(tmp_path)
    view = tracker(run)
    run.finish()
    with pytest.warns(RuntimeWarning, match="misses rows, as UsageError: .*finished"):
        view({"t": 1, "loss": 0.5})
    view({"t": 2, "loss": 0.5})
