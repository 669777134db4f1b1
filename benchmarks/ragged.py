"""How much of ragged batches is padding, and how fast a transformer learns from them.

Run: TNTJAX_DATA=folder python benchmarks/ragged.py [--rows 320] [--repeats 5]

The speeches of tiny Shakespeare, cut at 512 letters. First, over all of them: the share
of padding, rows that only fill up included, and how many shapes there are. Then a small
transformer trains on some of them in batches of 8, with the same compiled step for all:
padded to the longest, in buckets, packed by tntjax and packed by grain, turn by turn in
one process, each epoch in an order of its own. Printed are letters a second, reading
included and padding not counted, and the median of the ratios in the same turn.
"""

import argparse
import os
import platform
import statistics
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tntjax as tnt

LONGEST, BATCH, TRAINED = 512, 32, 8
LAYERS, WIDTH, HEADS, LETTERS = 2, 64, 4, 256
BARS = {"8 buckets": 0.14, "packed": 0.02}


def read_speeches():
    folder = Path(os.environ.get("TNTJAX_DATA", "."))
    text = (folder / "tinyshakespeare" / "input.txt").read_bytes()
    parts = [part[:LONGEST] for part in text.split(b"\n\n") if part]
    return [np.frombuffer(part, np.uint8) for part in parts]


def in_buckets(speeches, shapes, batch=BATCH):
    lengths = np.array([len(speech) for speech in speeches])
    return tnt.BucketDataset(speeches, batch, lengths, shapes=shapes, seed=0)


def in_rows(speeches):
    lengths = np.array([len(speech) for speech in speeches])
    return tnt.PackDataset(speeches, LONGEST, 1024, lengths, seed=0)


def powers_of_two(speeches):
    boundaries = tuple(2**n for n in range(2, 10))
    return tnt.BucketDataset(speeches, BATCH, boundaries=boundaries, seed=0)


def show_padding(speeches):
    letters = sum(map(len, speeches))
    print(f"{len(speeches)} speeches, {letters} letters, batches of {BATCH}")
    print(f"{'':24}{'padding':>10}{'shapes':>8}")
    rows = {
        "padded to the longest": in_buckets(speeches, 1),
        "powers of two": powers_of_two(speeches),
        "4 buckets": in_buckets(speeches, 4),
        "8 buckets": in_buckets(speeches, 8),
        "packed": in_rows(speeches),
    }
    for name, dataset in rows.items():
        shapes = [sample["input"].shape for sample in dataset]
        share = 1 - letters / sum(map(np.prod, shapes))
        print(f"{name:24}{share:>10.1%}{len(set(shapes)):>8}")
        if name in BARS:
            bar = BARS[name]
            print(f"  at most {bar:.0%}: {'yes' if share <= bar else 'NO'}")


def batches_of(dataset):
    def batches(epoch):
        for batch in dataset.at_epoch(epoch):
            segment = np.arange(batch["input"].shape[1]) < batch["length"][:, None]
            yield batch["input"], segment.astype(np.int32)

    return batches


def packed(speeches):
    rows = in_rows(speeches)

    def batches(epoch):
        dataset = tnt.BatchDataset(rows.at_epoch(epoch), TRAINED, policy="pad-last")
        for batch in dataset:
            yield batch["input"], batch["segment"] * batch["mask"][:, None]

    return batches


def packed_by_grain(speeches):
    import grain

    def batches(epoch):
        source = grain.MapDataset.source([{"input": s} for s in speeches])
        read = source.shuffle(seed=epoch).to_iter_dataset()
        rows = grain.experimental.FirstFitPackIterDataset(
            read, length_struct={"input": LONGEST}, num_packing_bins=300
        )
        for batch in rows.batch(TRAINED, drop_remainder=False):
            ids, segment = batch["input"], batch["input_segment_ids"]
            spare = ((0, TRAINED - len(ids)), (0, 0))  # the same shape for the last
            yield np.pad(ids, spare), np.pad(segment, spare)

    return batches


def make_params():
    key = jax.random.key(0)
    shapes = {"attend": (WIDTH, 3 * WIDTH), "join": (WIDTH, WIDTH)}
    shapes |= {"widen": (WIDTH, 4 * WIDTH), "narrow": (4 * WIDTH, WIDTH)}
    layers = {n: jax.random.normal(key, (LAYERS, *s)) / 8 for n, s in shapes.items()}
    return {"letter": jax.random.normal(key, (LETTERS, WIDTH)) / 8, "layers": layers}


def compute_loss(params, ids, segment):  # [B, T], [B, T]
    mask = tnt.text.segment_mask(segment) & tnt.text.causal_mask(ids.shape[1])
    before = tnt.text.shift_right(ids.astype(jnp.int32), segment=segment)

    def layer(x, weights):
        mixed = jax.nn.standardize(x) @ weights["attend"]
        q, k, v = mixed.reshape(*ids.shape, 3, HEADS, -1).transpose(2, 0, 1, 3, 4)
        seen = jax.nn.dot_product_attention(q, k, v, mask=mask[:, None])
        x += seen.reshape(x.shape) @ weights["join"]
        wide = jax.nn.gelu(jax.nn.standardize(x) @ weights["widen"])
        return x + wide @ weights["narrow"], None

    x, _ = jax.lax.scan(layer, params["letter"][before], params["layers"])
    return tnt.text.token_loss(x @ params["letter"].T, ids, segment > 0)


OPTIMIZER = optax.adam(1e-3)


@jax.jit
def train_step(params, opt_state, ids, segment):
    grads = jax.grad(compute_loss)(params, ids, segment)
    updates, opt_state = OPTIMIZER.update(grads, opt_state)
    return optax.apply_updates(params, updates), opt_state


def train_epoch(batches, epoch):
    """Returns letters a second."""
    params = make_params()
    opt_state, letters = OPTIMIZER.init(params), 0
    jax.block_until_ready((params, opt_state))
    start = time.perf_counter()
    for ids, segment in batches(epoch):
        params, opt_state = train_step(params, opt_state, ids, segment)
        letters += np.count_nonzero(segment)
    jax.block_until_ready(params)
    return letters / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=320, help="speeches to train on")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    speeches = read_speeches()
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, JAX {jax.__version__}")
    show_padding(speeches)
    some = speeches[: args.rows]
    contestants = {
        "padded to the longest": batches_of(in_buckets(some, 1, TRAINED)),
        "8 buckets": batches_of(in_buckets(some, 8, TRAINED)),
        "packed": packed(some),
    }
    try:
        import grain  # noqa: F401

        contestants["packed by grain"] = packed_by_grain(some)
    except ImportError:
        print("grain is not installed")
    rates = {name: [] for name in contestants}
    for epoch in range(-1, args.repeats):  # the first one compiles
        for name, batches in contestants.items():
            rate = train_epoch(batches, max(epoch, 0))
            if epoch >= 0:
                rates[name].append(rate)
    print(f"{'':24}{'letters/s':>10}{'to padded':>10}{'to grain':>10}")
    for name, found in rates.items():
        ratios = [
            statistics.median(a / b for a, b in zip(found, rates[to], strict=True))
            for to in ("padded to the longest", "packed by grain")
            if to in rates
        ]
        print(
            f"{name:24}{statistics.median(found):>10.0f}"
            + "".join(f"{ratio:>10.2f}" for ratio in ratios)
        )


if __name__ == "__main__":
    main()
