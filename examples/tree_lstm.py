"""A TreeLSTM that computes: the shape of its network is that of each expression.

Expressions such as `max(3, min(7, 2) + 9)`, modulo 10, are trees, each of another form.
`level_order` makes arrays of a whole batch of them, so that one program is compiled for
all: what TensorFlow Fold was made for. Try --help.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tntjax as tnt

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--batches", type=int, default=200, help="in an epoch")
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--leaves", type=int, default=6, help="of an expression, at most")
parser.add_argument("--width", type=int, default=64)
args = parser.parse_args()
WIDTH = args.width
OPERATIONS = (max, min, lambda one, other: (one + other) % 10)  # values 10, 11, 12
SIZES = {"levels": args.leaves, "width": args.batch_size * args.leaves, "arity": 2}


def draw(random, leaves):  # a tree, and what it comes to
    if leaves == 1:
        digit = int(random.integers(10))
        return digit, digit
    left = int(random.integers(1, leaves))
    (one, first), (other, second) = draw(random, left), draw(random, leaves - left)
    operation = int(random.integers(3))
    return (10 + operation, one, other), OPERATIONS[operation](first, second)


def draw_batch(seed):
    random = np.random.default_rng(seed)
    leaves = random.integers(1, args.leaves + 1, args.batch_size)
    trees, results = zip(*(draw(random, int(n)) for n in leaves), strict=True)
    order = tnt.transform.level_order(list(trees), **SIZES)
    return {"input": order, "target": np.array(results, np.int32)}


def batches(epoch):  # ones that were never seen
    seeds = [(epoch, number) for number in range(args.batches)]
    return tnt.ListDataset(seeds, draw_batch)


def network(params, order):  # Levels -> [N, 10]
    levels, width, _ = order.children.shape

    def compute(states, level):  # all nodes of a level, from those of levels before
        number, value, children, mask = level
        hidden, cell = (state[children] for state in states)  # [W, 2, width]
        given = params["value"][value] + hidden.reshape(width, -1) @ params["hidden"]
        gate, output, new, *keep = jnp.split(given + params["bias"], 5, axis=-1)
        kept = jax.nn.sigmoid(jnp.stack(keep, 1)) * cell  # one gate for each child
        own = jax.nn.sigmoid(gate) * jnp.tanh(new) + kept.sum(1)
        pair = jax.nn.sigmoid(output) * jnp.tanh(own), own
        pair = jax.tree.map(lambda leaf: jnp.where(mask[:, None], leaf, 0), pair)
        place = (number * width, 0)
        put = jax.lax.dynamic_update_slice
        return tuple(put(s, p, place) for s, p in zip(states, pair, strict=True)), None

    none = jnp.zeros((levels * width + 1, WIDTH))  # the last row stands for no child
    numbers = jnp.arange(levels)
    steps = (numbers, order.value, order.children, order.mask)
    (hidden, _), _ = jax.lax.scan(compute, (none, none), steps)
    return hidden[order.root] @ params["digit"]


def criterion(output, target):
    return optax.softmax_cross_entropy_with_integer_labels(output, target)


def show(state, test):
    loss, right = (test.meters[n].value() for n in ("loss", "accuracy"))
    print(f"epoch {int(state.epoch):2}: loss {loss.mean:.3f}  right {right[1]:5.2f} %")


tests = tnt.DatasetIterator(
    tnt.ListDataset([(-1 % 2**32, n) for n in range(10)], draw_batch)
)
hooks = tnt.chain(
    tnt.hooks.metering("loss", "accuracy"), tnt.hooks.validate(tests, report=show)
)
keys = jax.random.split(jax.random.key(0), 3)
params = {
    "value": jax.random.normal(keys[0], (13, 5 * WIDTH)) * 0.5,
    "hidden": jax.random.normal(keys[1], (2 * WIDTH, 5 * WIDTH)) / WIDTH**0.5,
    "bias": jnp.zeros(5 * WIDTH),
    "digit": jax.random.normal(keys[2], (WIDTH, 10)) / WIDTH**0.5,
}
state = tnt.OptimEngine(hooks).train(
    network=network,
    criterion=criterion,
    iterator=tnt.DatasetIterator(batches),
    params=params,
    optimizer=optax.adam(3e-3),
    max_epoch=args.epochs,
)
print(
    f"{args.epochs * args.batches * args.batch_size} trees, {state.compiled} compiled"
)
