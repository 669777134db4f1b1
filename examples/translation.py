"""A small transformer that translates, in batches of few shapes. Try --help.

It learns from two files whose lines are translations (--input, --target), or from the
Bible in English and Spanish: `apt install sword-text-kjv sword-text-sparv`. It needs
`pip install "tntjax[text]"`.
"""

import argparse
import re
import struct
import tempfile
import zlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tntjax as tnt
from tntjax import text

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--input", type=Path, help="lines to translate")
parser.add_argument("--target", type=Path, help="their translations")
parser.add_argument("--pairs", type=int, default=31_000, help="how many to take")
parser.add_argument("--test", type=int, default=200, help="how many of them to test on")
parser.add_argument("--pieces", type=int, default=4000)
parser.add_argument("--layers", type=int, default=2)
parser.add_argument("--width", type=int, default=128)
parser.add_argument("--tokens", type=int, default=4096, help="of a batch, at most")
parser.add_argument("--longest", type=int, default=64, help="pieces of a sentence")
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--lr", type=float, default=2e-3)
args = parser.parse_args()
SWORD = Path("/usr/share/sword/modules/texts/ztext")
HEADS, BEGIN, END = 4, 2, 3


def read_sword(module):  # a verse for each verse of the Bible, some of them empty
    verses = []
    for part in ("ot", "nt"):
        names = (SWORD / module / f"{part}.{kind}" for kind in ("bzs", "bzv", "bzz"))
        blocks, places, packed = (name.read_bytes() for name in names)
        plain = [
            zlib.decompress(packed[start : start + size])
            for start, size, _ in struct.iter_unpack("<III", blocks)
        ]
        for block, start, size in struct.iter_unpack("<IIH", places):
            verse = plain[block][start : start + size].decode() if size else ""
            verse = re.sub(r"<(note|title)\b.*?</\1>", "", verse, flags=re.DOTALL)
            verses.append(" ".join(re.sub(r"<[^>]*>", "", verse).split()))
    return verses


def read_pairs():
    if args.input and args.target:
        return text.ParallelText(args.input, args.target, empty="drop")
    if not SWORD.is_dir():
        print("No sword-text-kjv and sword-text-sparv here: pass --input and --target.")
        raise SystemExit
    sides = (read_sword(module) for module in ("engKJV2006eb", "spaRV1909eb"))
    both = (pair for pair in zip(*sides, strict=True) if all(pair))
    return [{"input": input, "target": target} for input, target in both]


pairs = read_pairs()
drawn = tnt.ShuffleDataset(pairs, seed=0, size=min(args.pairs, len(pairs)))
chosen = [drawn[index] for index in range(len(drawn))]
test, train = chosen[: args.test], chosen[args.test :]
sentences = [pair[side] for pair in train for side in ("input", "target")]
with tempfile.TemporaryDirectory() as folder:
    model = f"{folder}/both.model"
    pieces = text.train_sentence_piece(
        sentences, model, args.pieces, hard_vocab_limit=False
    )
size = len(pieces)


def encode(pair):  # the target with its begin and end
    input = pieces.encode(pair["input"])[: args.longest]
    target = pieces.encode(pair["target"])[: args.longest - 2]
    return {"input": input, "target": np.int32([BEGIN, *target, END])}


encoded = [encode(pair) for pair in train]
lengths = np.array([max(map(len, pair.values())) for pair in encoded])
buckets = tnt.BucketDataset(
    encoded, None, lengths, tokens=args.tokens, shapes=4, seed=0
)


def shift(state):  # compiled: the pieces before, and the one to tell
    input, target = state.sample["input"], state.sample["target"]
    given = {"source": input, "before": target[:, :-1]}
    return state.replace(sample={"input": given, "target": target[:, 1:]})


def make_params(key):
    def draw(name, *shape):
        own = jax.random.fold_in(key, sum(map(ord, name)))
        return jax.random.normal(own, shape) / shape[-2] ** 0.5

    width = args.width
    layers = {}
    for name, blocks in (("encoder", ("self",)), ("decoder", ("self", "cross"))):
        layers[name] = {
            f"{part} {block}": draw(f"{name} {part} {block}", args.layers, width, width)
            for block in blocks
            for part in ("query", "key", "value", "join")
        }
        layers[name]["widen"] = draw(f"{name} widen", args.layers, width, 4 * width)
        layers[name]["narrow"] = draw(f"{name} narrow", args.layers, 4 * width, width)
    piece = 0.02 * draw("piece", size, width) * size**0.5
    place = 0.02 * draw("place", args.longest, width) * args.longest**0.5
    return {"piece": piece, "place": place, **layers}


def normalize(x):
    return jax.nn.standardize(x, epsilon=1e-5)


def attend(weights, block, x, seen, mask, causal=False):
    def heads(part, of):
        return (of @ weights[f"{part} {block}"]).reshape(*of.shape[:2], HEADS, -1)

    query = heads("query", normalize(x))
    keys, values = heads("key", seen), heads("value", seen)
    mask = jnp.broadcast_to(mask[:, None, None], (len(x), 1, x.shape[1], mask.shape[1]))
    found = jax.nn.dot_product_attention(
        query, keys, values, mask=mask, is_causal=causal
    )
    return x + found.reshape(x.shape) @ weights[f"join {block}"]


def think(weights, x):
    return x + jax.nn.gelu(normalize(x) @ weights["widen"]) @ weights["narrow"]


def embed(params, ids):  # [B, T] -> [B, T, width]
    return params["piece"][ids] + params["place"][: ids.shape[1]]


def read(params, source):  # [B, S] -> [B, S, width]
    there = (source > 0).at[:, 0].set(True)  # a row of padding sees its first piece

    def layer(x, weights):
        x = attend(weights, "self", x, normalize(x), there)
        return think(weights, x), None

    x, _ = jax.lax.scan(layer, embed(params, source), params["encoder"])
    return normalize(x), there


def tell(params, memory, there, before):  # -> logits [B, T, pieces]
    known = (before > 0).at[:, 0].set(True)

    def layer(x, weights):
        x = attend(weights, "self", x, normalize(x), known, causal=True)
        x = attend(weights, "cross", x, memory, there)
        return think(weights, x), None

    x, _ = jax.lax.scan(layer, embed(params, before), params["decoder"])
    return normalize(x) @ params["piece"].T


def network(params, input):
    return tell(params, *read(params, input["source"]), input["before"])


def criterion(output, target):  # of each row, so that their mean is that of tokens
    there = target > 0
    losses = text.token_losses(output, target, there, smoothing=0.1)
    return losses.sum(-1) / jnp.maximum(there.mean(0).sum(), 1e-6)


@jax.jit
def translate(params, source):  # the best piece each time, [B, S] -> [B, longest]
    memory, there = read(params, source)

    def add(ids, place):
        logits = tell(params, memory, there, ids)[:, place - 1]
        return ids.at[:, place].set(jnp.argmax(logits, -1).astype(ids.dtype)), None

    ids = jnp.zeros((len(source), args.longest), jnp.int32).at[:, 0].set(BEGIN)
    return jax.lax.scan(add, ids, jnp.arange(1, args.longest))[0]


sources = np.zeros((len(test), args.longest), np.int32)
for row, pair in enumerate(test):
    ids = encode(pair)["input"]
    sources[row, : len(ids)] = ids


def write(params, rows):
    written = []
    for ids in np.asarray(translate(params, rows)).tolist():
        written.append(pieces.decode(ids[: ids.index(END)] if END in ids else ids))
    return written


def show(state):
    references = [pair["target"] for pair in test]
    bleu = text.BLEUMeter(test="verses").add(write(state.params, sources), references)
    perplexity = state.meters["perplexity"].value()
    print(
        f"epoch {state.epoch:2}: perplexity {perplexity:7.2f}  BLEU {bleu.value():5.2f}"
    )
    return state


def measure(state):  # compiled
    target = state.sample["target"]
    losses = text.token_losses(state.output, target, target > 0)
    meter = state.meters["perplexity"].add(losses, mask=target > 0)
    return state.replace(meters={"perplexity": meter})


def reset(state):
    return state.replace(meters={"perplexity": text.PerplexityMeter()})


hooks = tnt.Hooks(
    on_start=reset,
    on_start_epoch=reset,
    on_sample=shift,
    on_forward_criterion=measure,
    on_end_epoch=show,
)
shapes = ", ".join(f"{rows} x {length}" for rows, length in buckets.shapes)
print(f"{len(train)} pairs, {size} pieces, {len(buckets)} batches of {shapes}")
steps = args.epochs * len(buckets)
rate = optax.warmup_cosine_decay_schedule(0, args.lr, steps // 10, steps)
state = tnt.OptimEngine(hooks).train(
    network=network,
    criterion=criterion,
    iterator=tnt.DatasetIterator(buckets.at_epoch),
    params=make_params(jax.random.key(0)),
    optimizer=optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate)),
    max_epoch=args.epochs,
)
for pair, written in zip(test[:3], write(state.params, sources[:3]), strict=True):
    print(f"\n{pair['input']}\n{pair['target']}\n{written}")
print("\n" + text.BLEUMeter(test="verses").signature)
