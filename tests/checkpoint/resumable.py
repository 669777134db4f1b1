"""Runs that can be killed and started again: python -m tests.checkpoint.resumable DIR.

Each configuration trains into folders of its own, one after the other, so that a
program that is killed and started again goes through those that are done at once.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tntjax as tnt

EVERY, WATCH, EPOCHS = 4, 3, 2
ADAM = optax.adam(0.1)


def make_data(length: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    target = generator.integers(3, size=length, dtype=np.int32)
    input = target[:, None] + generator.normal(size=(length, 5))
    return {"input": input.astype(np.float32), "target": target}


def shuffled(dataset, **kwargs) -> tnt.DatasetIterator:
    return tnt.DatasetIterator(
        lambda e: tnt.BatchDataset(tnt.ShuffleDataset(dataset, seed=e), 8, **kwargs)
    )


def one_by_one() -> tnt.DatasetIterator:
    """Batches that are loaded in Python, of which a filter drops some."""
    data = make_data(66)
    batches = tnt.ListDataset(
        list(range(0, 66, 6)), lambda k: {n: a[k : k + 6] for n, a in data.items()}
    )
    return tnt.DatasetIterator(batches, filter=lambda s: s["target"][0] < 2)


def parallel(num_workers, backend="thread") -> tnt.ParallelDatasetIterator:
    """Workers that read ahead what a dead run has not used."""
    return tnt.ParallelDatasetIterator(batches_of, num_workers, backend=backend)


def batches_of(worker):
    del worker
    return batches_of_epoch


def batches_of_epoch(epoch):
    return tnt.BatchDataset(tnt.ShuffleDataset(ROWS, seed=epoch), 8)


def make_ragged() -> list[dict[str, np.ndarray]]:
    sizes = np.random.default_rng(1).integers(1, 30, size=40)
    return [make_data(size) for size in sizes]


def buckets_of_epoch(epoch):
    return tnt.TransformDataset(BUCKETS.at_epoch(epoch), as_examples)


def as_examples(batch):  # [B, T, ...] to [B * T, ...]
    rows, steps, _ = batch["input"].shape
    there = np.arange(steps) < batch["length"][:, None]
    fields = {"input": batch["input"], "target": batch["target"], "mask": there}
    return {k: v.reshape(rows * steps, *v.shape[2:]) for k, v in fields.items()}


def packed_of(worker):
    del worker
    return packed_of_epoch


def packed_of_epoch(epoch):
    return tnt.TransformDataset(PACKED.at_epoch(epoch), as_marked)


def as_marked(row):
    return {**row, "mask": row["segment"] > 0}


BUCKETS = tnt.BucketDataset(make_ragged(), tokens=60, shapes=3, seed=0)
PACKED = tnt.PackDataset(make_ragged(), 32, window=15, seed=0)
ROWS, WHOLE = tnt.TableDataset(make_data(53)), tnt.TableDataset(make_data(48))
CONFIGURATIONS = {
    "include-last, adam, auto": (shuffled(ROWS), "adam", "auto"),
    "include-last, sgd, 1": (shuffled(ROWS), "sgd", 1),
    "skip-last, adam, 3": (shuffled(ROWS, policy="skip-last"), "adam", 3),
    "divisible-only, sgd, 3": (shuffled(WHOLE, policy="divisible-only"), "sgd", 3),
    "pad-last, adam, auto": (shuffled(ROWS, policy="pad-last"), "adam", "auto"),
    "pad-last, sgd, 3": (shuffled(ROWS, policy="pad-last"), "sgd", 3),
    "one by one, filtered": (one_by_one(), "adam", 3),
    "on the device": (shuffled(jax.device_put(ROWS)), "adam", "auto"),
    "one thread": (parallel(1), "adam", "auto"),
    "three threads": (parallel(3), "sgd", 3),
    "two processes": (parallel(2, "process"), "adam", 3),
    "buckets": (tnt.DatasetIterator(buckets_of_epoch), "adam", "auto"),
    "packed rows": (tnt.DatasetIterator(packed_of_epoch), "sgd", 3),
    "packed rows, two threads": (
        tnt.ParallelDatasetIterator(packed_of, 2),
        "adam",
        "auto",
    ),
    "a step": (shuffled(ROWS), "step", "auto"),
    "members": (shuffled(ROWS), "members", "auto"),
}


def network(params, input):
    return jnp.tanh(input @ params["weight"] + params["bias"])


def criterion(output, target):
    return optax.softmax_cross_entropy_with_integer_labels(output, target)


def begin(state):
    none = jnp.zeros((0, 2))
    return reset(state).replace(aux={"noise": 0.0, "none": none, "nested": {}})


def reset(state):
    meters = {"loss": tnt.AverageValueMeter(), "error": tnt.ClassErrorMeter()}
    return state.replace(meters=meters)


def disturb(state):  # compiled; what comes after depends on the key
    # A generator that compiles in no time; that of jax.random takes half of it all.
    words = jax.random.key_data(state.key) * jnp.uint32(1664525) + jnp.uint32(
        1013904223
    )
    noise = (words[0] >> 8) / 2**24
    sample = {**state.sample, "input": state.sample["input"] + 0.1 * noise}
    aux = {**state.aux, "noise": state.aux["noise"] + noise}
    return state.replace(sample=sample, aux=aux, key=jax.random.wrap_key_data(words))


def measure(state):  # compiled
    mask = state.sample.get("mask")
    loss = state.meters["loss"].add(state.loss, mask=mask)
    error = state.meters["error"].add(state.output, state.sample["target"], mask=mask)
    return state.replace(meters={"loss": loss, "error": error})


def slower(state):  # a rate that is carried, and lost if it were not saved
    return state if state.lr is None else state.replace(lr=state.lr * 0.9)


def step(state, sample):  # one of the user's
    def measure(params):
        output = network(params, sample["input"])
        return criterion(output, sample["target"]).mean(), output

    (loss, output), grads = jax.value_and_grad(measure, has_aux=True)(state.params)
    updates, own = ADAM.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    state = tnt.fire(state.replace(loss=loss, output=output), "on_forward_criterion")
    return state.replace(params=params, opt_state=own)


COMPILED = tnt.Hooks(
    on_start=begin,
    on_start_epoch=reset,
    on_sample=disturb,
    on_forward_criterion=measure,
    on_end_epoch=slower,
)


def logged(path: Path, pause: float = 0.0) -> tnt.Hooks:
    """Writes a line of JSON for each event of the host."""

    def write(event: str):
        def hook(state):
            meters = {n: str(m.value()) for n, m in state.meters.items()}
            line = {"event": event, "t": int(state.t), "epoch": int(state.epoch)}
            with path.open("a") as file:
                file.write(json.dumps({**line, **meters}) + "\n")
            time.sleep(pause)
            return state

        return hook

    events = ("on_start", "on_start_epoch", "on_end_epoch", "on_end")
    hooks = tnt.Hooks(**{event: write(event) for event in events})
    return tnt.chain(hooks, tnt.watch(WATCH, write("watch")))


def train(name: str, hooks: tnt.Hooks, **kwargs: Any) -> tnt.State:
    iterator, update, steps = CONFIGURATIONS[name]
    params = {"weight": jnp.full((5, 3), 0.1), "bias": jnp.zeros(3)}
    job = {"network": network, "criterion": criterion, "iterator": iterator}
    job |= {"params": params, "steps_per_call": steps, "key": jax.random.key(7)}
    job |= {"max_epoch": EPOCHS, **kwargs}
    hooks = tnt.chain(COMPILED, hooks)
    if update == "step":
        del job["network"], job["criterion"]
        return tnt.StepEngine(step, hooks).train(opt_state=ADAM.init(params), **job)
    if update == "members":
        job["params"] = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), params)
        return tnt.SGDEngine(hooks).train(lr=np.array([0.1, 0.2]), members=2, **job)
    if update == "sgd":
        return tnt.SGDEngine(hooks).train(lr=0.1, **job)
    return tnt.OptimEngine(hooks).train(optimizer=ADAM, **job)


def leaves(state: tnt.State) -> dict[str, str]:
    """All that is carried, bit for bit."""
    state = state.replace(
        key=jax.random.key_data(state.key), seconds=None, compiled=None
    )
    found = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(p): tnt.utils.md5(np.asarray(x)) for p, x in found}


def main(folder: Path) -> None:
    for name in CONFIGURATIONS:
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        log = place / "log.jsonl"
        save = tnt.hooks.checkpoint(place / "saved", EVERY, keep=2, files=[log])
        hooks = tnt.chain(logged(log, pause=0.01), save)
        state = train(name, hooks, resume=place / "saved")
        (place / "end.json").write_text(json.dumps(leaves(state), indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
