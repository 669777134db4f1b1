"""A policy that balances a pole: its samples are the games it plays. Try --help.

REINFORCE (Williams 1992) on the cart and pole of Barto, Sutton and Anderson (1983). At
the start of each epoch the policy, as it is by then, plays a few games. What it saw in
them is the dataset of that epoch.
"""

import argparse

import jax
import jax.numpy as jnp
import optax

import tntjax as tnt

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--games", type=int, default=64, help="an epoch")
parser.add_argument("--steps", type=int, default=200, help="of a game, at most")
parser.add_argument("--batch-size", type=int, default=1600)
args = parser.parse_args()


def push(world, right):  # [4]: place, speed, angle, its speed -> [4], 0.02 s later
    place, speed, angle, turning = world
    force = jnp.where(right, 10.0, -10.0)
    sine, cosine = jnp.sin(angle), jnp.cos(angle)
    pull = (force + 0.05 * turning**2 * sine) / 1.1
    bend = (9.8 * sine - cosine * pull) / (0.5 * (4 / 3 - 0.1 * cosine**2 / 1.1))
    change = jnp.stack([speed, pull - 0.05 * bend * cosine / 1.1, turning, bend])
    return world + 0.02 * change


def network(params, input):  # [B, 4] -> [B, 2]
    hidden = jnp.tanh(input @ params["first"])
    return hidden @ params["second"]


@jax.jit
def play(params, key):  # -> the dataset of all games, and how long they went
    def step(carry, key):
        world, stands = carry
        action = jax.random.categorical(key, network(params, world[None])[0])
        after = push(world, action)
        stands_after = stands & (abs(after[0]) < 2.4) & (abs(after[2]) < 0.2095)
        return (after, stands_after), (world, action, stands)

    def game(key):
        key, first = jax.random.split(key)
        start = jax.random.uniform(first, (4,), minval=-0.05, maxval=0.05)
        keys = jax.random.split(key, args.steps)
        return jax.lax.scan(step, (start, jnp.bool_(True)), keys)[1]

    worlds, actions, stands = jax.vmap(game)(jax.random.split(key, args.games))
    left = jnp.cumsum(stands[:, ::-1], axis=1)[:, ::-1]  # [G, T], steps it still stood
    count = jnp.maximum(stands.sum(0), 1)
    gain = left - (left * stands).sum(0) / count  # above what is usual by then
    gain = gain / jnp.maximum(jnp.std(gain, where=stands), 1.0)
    flat = jax.tree.map(
        lambda leaf: leaf.reshape(-1, *leaf.shape[2:]),
        {"input": worlds, "target": (actions, gain), "mask": stands},
    )
    return flat, stands.sum(1).mean()


def criterion(output, target):  # [B, 2], ([B], [B]) -> [B]
    action, gain = target
    surprise = optax.softmax_cross_entropy_with_integer_labels(output, action)
    return surprise * gain


def start(state):
    return state.replace(aux={"stood": jnp.zeros(())})


def play_games(state):
    """The iterator of an epoch is a function of the State."""
    key, own = jax.random.split(state.key)
    seen, stood = play(state.params, own)
    games = tnt.ShuffleDataset(tnt.TableDataset(seen), seed=state.epoch)
    batches = tnt.DatasetIterator(tnt.BatchDataset(games, args.batch_size))
    return state.replace(iterator=batches, key=key, aux={"stood": stood})


def show(state):
    if state.epoch % 5 == 0 or state.epoch == 1:
        print(f"epoch {state.epoch:3}: stood {float(state.aux['stood']):5.1f} steps")
    return state


keys = jax.random.split(jax.random.key(0))
hooks = tnt.Hooks(on_start=start, on_start_epoch=play_games, on_end_epoch=show)
state = tnt.OptimEngine(hooks).train(
    network=network,
    criterion=criterion,
    iterator=tnt.DatasetIterator([]),  # until the first games are played
    params={
        "first": jax.random.normal(keys[0], (4, 32)) / 2,
        "second": 0.1 * jax.random.normal(keys[1], (32, 2)),
    },
    optimizer=optax.adam(1e-2),
    max_epoch=args.epochs,
)
stood = float(play(state.params, jax.random.key(1))[1])
print(f"at last:   stood {stood:5.1f} of {args.steps} steps")
