"""A small GPT that writes like Shakespeare, letter by letter. Try --help.

It reads $TNTJAX_DATA/tinyshakespeare/input.txt, or any text (--text), or else the help
pages that come with Python. With --folder it can be killed and goes on where it was.
As it stands it comes to a validation loss of 1.77 nats a letter on tiny Shakespeare, in
three minutes of CPU time; nanoGPT's page tells 1.88 for this size.
"""

import argparse
import os
import pydoc_data.topics
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tntjax as tnt

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--text", type=Path, help="what to learn from")
parser.add_argument("--folder", type=Path, help="of checkpoints, to go on from")
parser.add_argument("--layers", type=int, default=4)
parser.add_argument("--heads", type=int, default=4)
parser.add_argument("--width", type=int, default=128)
parser.add_argument("--context", type=int, default=64, help="letters that it sees")
parser.add_argument("--batch-size", type=int, default=12)
parser.add_argument("--updates", type=int, default=2000)
parser.add_argument("--epoch", type=int, default=250, help="updates before a test")
parser.add_argument("--lr", type=float, default=3e-3)
parser.add_argument("--dropout", type=float, default=0.0)
parser.add_argument("--letters", type=int, default=300, help="to write in the end")
args = parser.parse_args()
LAYERS, WIDTH, CONTEXT = args.layers, args.width, args.context


def read_text():
    shakespeare = Path(os.environ.get("TNTJAX_DATA", "")) / "tinyshakespeare/input.txt"
    path = args.text or (shakespeare if shakespeare.exists() else None)
    if path is None:
        print("No tinyshakespeare/input.txt in $TNTJAX_DATA: learning Python's help.")
        return "\n".join(pydoc_data.topics.topics.values())
    return path.read_text(encoding="utf-8")


letters, ids = np.unique(list(read_text()), return_inverse=True)
ids = ids.astype(np.min_scalar_type(len(letters)))
cut = len(ids) * 9 // 10
windows = np.lib.stride_tricks.sliding_window_view(ids[:cut], CONTEXT + 1)
places = tnt.TableDataset({"input": windows})  # a view: each letter begins a sample
test_part = tnt.bptt(ids[cut:], 1, CONTEXT)  # [1, T] each


def batches(epoch):  # at random places
    size = args.epoch * args.batch_size
    drawn = tnt.ShuffleDataset(places, seed=epoch, size=size, replacement=True)
    return tnt.BatchDataset(drawn, args.batch_size)


def shift(state):  # compiled: each letter is to tell the next
    if "target" in state.sample:  # a test: one stream, cut into samples
        sample = {name: value[:, 0] for name, value in state.sample.items()}
    else:
        window = state.sample["input"].astype(jnp.int32)
        sample = {"input": window[:, :-1], "target": window[:, 1:]}
    return state.replace(sample=sample)


def make_params(key):
    def draw(name, *shape, scale=0.02):
        own = jax.random.fold_in(key, sum(map(ord, name)))
        return scale * jax.random.normal(own, shape)

    residual = 0.02 / (2 * LAYERS) ** 0.5
    return {
        "letter": draw("letter", len(letters), WIDTH),
        "place": draw("place", CONTEXT, WIDTH),
        "norm": jnp.ones(WIDTH),
        "layers": {  # stacked, as one is compiled for all
            "norm": jnp.ones((LAYERS, 2, WIDTH)),
            "attend": draw("attend", LAYERS, WIDTH, 3 * WIDTH),
            "join": draw("join", LAYERS, WIDTH, WIDTH, scale=residual),
            "widen": draw("widen", LAYERS, WIDTH, 4 * WIDTH),
            "narrow": draw("narrow", LAYERS, 4 * WIDTH, WIDTH, scale=residual),
        },
    }


def normalize(x, scale):
    return jax.nn.standardize(x, epsilon=1e-5) * scale


def drop(key, x, training):
    if not training or not args.dropout:
        return x
    kept = jax.random.bernoulli(key, 1 - args.dropout, x.shape)
    return jnp.where(kept, x / (1 - args.dropout), 0)


def apply(params, model_state, input, *, key, training):  # [B, T] -> [B, T, letters]
    batch, length = input.shape

    def layer(x, part):  # [B, T, width]
        weights, own = part
        keys = jax.random.split(own)
        mixed = normalize(x, weights["norm"][0]) @ weights["attend"]
        heads = mixed.reshape(batch, length, 3, args.heads, WIDTH // args.heads)
        seen = jax.nn.dot_product_attention(
            heads[:, :, 0], heads[:, :, 1], heads[:, :, 2], is_causal=True
        )
        x += drop(keys[0], seen.reshape(x.shape) @ weights["join"], training)
        wide = jax.nn.gelu(normalize(x, weights["norm"][1]) @ weights["widen"])
        return x + drop(keys[1], wide @ weights["narrow"], training), None

    keys = jax.random.split(jax.random.key(0) if key is None else key, LAYERS + 1)
    x = params["letter"][input] + params["place"][:length]
    x = drop(keys[-1], x, training)
    x, _ = jax.lax.scan(layer, x, (params["layers"], keys[:-1]))
    return normalize(x, params["norm"]) @ params["letter"].T, model_state


def criterion(output, target):  # nats a letter, of each row
    return tnt.text.token_losses(output, target).mean(-1)


def write(params, begin, key):  # one letter after the other, [T] -> [letters]
    def add(window, own):
        output, _ = apply(params, (), window[None], key=None, training=False)
        letter = tnt.text.sample(own, output[0, -1], temperature=0.8, top_k=40)
        return jnp.append(window[1:], letter), letter

    return jax.lax.scan(add, begin, jax.random.split(key, args.letters))[1]


def show(state, test):
    loss = test.meters["loss"].value().mean
    print(f"update {int(state.t):5}: validation loss {loss:.4f}", flush=True)


warm_up = min(100, args.updates // 10)
rate = optax.warmup_cosine_decay_schedule(
    0, args.lr, warm_up, args.updates, args.lr / 10
)
decayed = jax.tree_util.tree_map_with_path(
    lambda path, _: "norm" not in jax.tree_util.keystr(path),
    jax.eval_shape(make_params, jax.random.key(0)),
)
optimizer = optax.chain(
    optax.clip_by_global_norm(1.0),
    optax.adamw(rate, b2=0.99, weight_decay=0.1, mask=decayed),
)
tests = tnt.DatasetIterator(tnt.BatchDataset(test_part, 64))
hooks = tnt.chain(
    tnt.Hooks(on_sample=shift),
    tnt.hooks.metering("loss"),
    tnt.hooks.validate(tests, report=show),
    tnt.hooks.progress(),
)
going_on = {}
if args.folder:  # goes on from there if there is something
    hooks = tnt.chain(hooks, tnt.hooks.checkpoint(args.folder, every=100))
    going_on = {"resume": args.folder}
state = tnt.OptimEngine(hooks).train(
    network=tnt.network.Stateful(apply),
    criterion=criterion,
    iterator=tnt.DatasetIterator(batches),
    params=make_params(jax.random.key(1)),
    optimizer=optimizer,
    key=jax.random.key(2),
    max_epoch=-(-args.updates // args.epoch),
    **going_on,
)
begin = jnp.asarray(ids[cut : cut + CONTEXT], jnp.int32)
written = jax.jit(write)(state.params, begin, jax.random.key(3))
print(f"{''.join(letters[np.asarray(begin)])}|{''.join(letters[np.asarray(written)])}")
