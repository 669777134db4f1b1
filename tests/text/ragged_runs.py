"""Runs over ragged data that can be killed: python -m tests.text.ragged_runs DIR."""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tntjax as tnt
from tests.checkpoint.resumable import leaves, logged

LETTERS = 20


def documents():
    generator = np.random.default_rng(0)
    lengths = generator.integers(1, 30, size=150)
    return [{"input": generator.integers(LETTERS, size=n)} for n in lengths]


BUCKETS = tnt.BucketDataset(documents(), tokens=60, shapes=3, seed=0)
ROWS = tnt.PackDataset(documents(), 32, window=40, seed=0)


def packed(epoch):
    return tnt.BatchDataset(ROWS.at_epoch(epoch), 3)


ITERATORS = {
    "buckets": tnt.DatasetIterator(BUCKETS.at_epoch),
    "packed rows": tnt.DatasetIterator(packed),
    "packed rows, two threads": tnt.ParallelDatasetIterator(lambda worker: packed, 2),
}


def prepare(state):  # compiled
    sample = state.sample
    ids = sample["input"]
    if "segment" in sample:
        there = sample["segment"] > 0
        before = tnt.text.shift_right(ids, segment=sample["segment"])
    else:
        there = tnt.text.length_mask(sample["length"], ids.shape[1])
        before = tnt.text.shift_right(ids)
    target = {"id": ids, "there": there}
    return state.replace(sample={"input": before, "target": target})


def network(params, input):  # [B, T] -> [B, T, letters]
    return params["letter"][input] @ params["output"]


def criterion(output, target):
    return tnt.text.token_loss(output, target["id"], target["there"])


def main(folder: Path) -> None:
    params = {
        "letter": jax.random.normal(jax.random.key(0), (LETTERS, 8)),
        "output": jnp.zeros((8, LETTERS)),
    }
    for name, iterator in ITERATORS.items():
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        log = place / "log.jsonl"
        save = tnt.hooks.checkpoint(place / "saved", 4, keep=2, files=[log])
        measure = tnt.chain(tnt.Hooks(on_sample=prepare), tnt.hooks.metering("loss"))
        state = tnt.OptimEngine(tnt.chain(measure, logged(log, 0.01), save)).train(
            network=network,
            criterion=criterion,
            iterator=iterator,
            params=params,
            optimizer=optax.adam(0.01),
            max_epoch=3,
            resume=place / "saved",
        )
        (place / "end.json").write_text(json.dumps(leaves(state), indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
