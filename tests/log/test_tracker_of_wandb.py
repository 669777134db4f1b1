"""A run of W&B without a network, read back from its file."""

import contextlib
import json
import math
import struct

import jax.numpy as jnp
import numpy as np
import pytest
import wandb
from wandb.proto.wandb_internal_pb2 import Record

import tntjax as tnt
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
    return rows(path)


def rows(path):
    return [
        {
            "/".join(item.nested_key) or item.key: json.loads(item.value_json)
            for item in record.history.item
        }
        for record in records(path)
        if record.WhichOneof("record_type") == "history"
    ]


def start(folder, **how):
    settings = wandb.Settings(silent=True, disable_git=True, x_disable_stats=True)
    how |= {"mode": "offline", "project": "test", "settings": settings}
    return wandb.init(dir=folder, **how)


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


def test_a_training_that_goes_on_goes_on_in_the_same_run(tmp_path):
    pytest.importorskip("orbax.checkpoint")
    batches = tnt.DatasetIterator([{"input": np.ones(4), "target": np.ones(4)}] * 5)
    job = {
        "network": lambda params, input: input * params,
        "criterion": lambda output, target: (output - target) ** 2,
        "iterator": batches,
        "params": jnp.zeros(()),
        "lr": 0.1,
    }
    save = tnt.hooks.checkpoint(tmp_path / "saved", every=1)
    ends = {"before": 7, "after": 99}  # of three epochs with 15 updates
    for part, last in ends.items():
        (tmp_path / part).mkdir()
        with start(tmp_path / part, id="one", resume="allow") as run:
            hooks = tnt.chain(tnt.hooks.record(tracker(run)), stop_at(last), save)
            with contextlib.suppress(KeyError):
                tnt.SGDEngine(hooks).train(**job, max_epoch=3, resume=True)
    wandb.teardown()  # waits for the process that writes
    steps = {}
    for part in ends:
        (path,) = tmp_path.glob(f"{part}/wandb/offline-run-*/*.wandb")
        steps[part] = [row["_step"] for row in rows(path)]
        (run,) = (r.run for r in records(path) if r.WhichOneof("record_type") == "run")
        assert run.run_id == "one"
    assert steps == {"before": [5], "after": [10, 15]}


def stop_at(last):
    def stop(state):
        if state.t == last:
            raise KeyError
        return state

    return tnt.every(1, stop)


def test_a_run_that_is_finished_is_told_of_once(tmp_path):
    run = start(tmp_path)
    view = tracker(run)
    run.finish()
    with pytest.warns(RuntimeWarning, match="misses rows, as UsageError: .*finished"):
        view({"t": 1, "loss": 0.5})
    view({"t": 2, "loss": 0.5})
