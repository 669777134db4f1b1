"""What the engine costs beside a jitted loop by hand, in time and in memory.

Run: python benchmarks/engine.py [--repeats 15] [--skip-memory]

Time: one epoch on arrays as large as Fashion-MNIST, of a small convolutional network
and of logistic regression, loss and errors metered. Both make the same steps in the
same chunks, or without a loop where that is faster (convolutions on a CPU), turn by
turn in one process; printed are the median time and the median of the ratios to the
loop by hand in the same turn. Then what 20 hooks that do nothing add, and a watch every
10 steps.

Memory: parameters of 50 million floats with momentum, by hand and by the engine, each
in a process of its own: what lives on the device in the middle of training, and the
peak of the process. Then the process itself over 50 epochs.
"""

import argparse
import functools
import os
import platform
import statistics
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tntjax as tnt

BATCH, LR, CHUNK = 128, 0.05, 32
FLOATS = 50_000_000


def linear(params, input):  # [B, 28, 28] -> [B, 10]
    return input.reshape(-1, 784) @ params["weight"] + params["bias"]


def linear_params():
    return {"weight": jnp.zeros((784, 10)), "bias": jnp.zeros(10)}


def convolution(input, kernel, stride):
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        input, kernel, (stride, stride), "SAME", dimension_numbers=layout
    )


def small_cnn(params, input):  # [B, 28, 28] -> [B, 10]
    hidden = jax.nn.relu(convolution(input[..., None], params["first"], 2))
    hidden = jax.nn.relu(convolution(hidden, params["second"], 2))
    return hidden.reshape(len(input), -1) @ params["weight"] + params["bias"]


def cnn_params():
    keys = jax.random.split(jax.random.key(0), 3)
    return {
        "first": 0.2 * jax.random.normal(keys[0], (5, 5, 1, 8)),
        "second": 0.1 * jax.random.normal(keys[1], (3, 3, 8, 16)),
        "weight": 0.05 * jax.random.normal(keys[2], (784, 10)),
        "bias": jnp.zeros(10),
    }


def criterion(output, target):
    return optax.softmax_cross_entropy_with_integer_labels(output, target)


# ---- by hand ------------------------------------------------------------------------


def by_hand(network, initial, images, labels, loop):
    """Chunks in one scan, or, where XLA does worse in a loop, a call for each batch."""

    def step(carry, batch):
        params, loss_sum, wrong, seen = carry
        image, label = batch

        def objective(params):
            output = network(params, image / 255.0)
            return criterion(output, label).mean(), output

        (loss, output), grads = jax.value_and_grad(objective, has_aux=True)(params)
        params = jax.tree.map(lambda p, g: p - LR * g, params, grads)
        wrong += (output.argmax(-1) != label).sum(dtype=jnp.int32)
        return (params, loss_sum + loss * len(label), wrong, seen + len(label)), None

    @functools.partial(jax.jit, donate_argnums=0)
    def scan(carry, chunk):
        return jax.lax.scan(step, carry, chunk)[0]

    @functools.partial(jax.jit, donate_argnums=0)
    def one(carry, batch):
        return step(carry, batch)[0]

    def steps(carry, chunk):
        if loop:
            return scan(carry, chunk)
        for batch in zip(*chunk, strict=True):
            carry = one(carry, batch)
        return carry

    def epoch(number):
        order = np.random.default_rng(number).permutation(len(labels))
        windows = order[: len(order) // BATCH * BATCH].reshape(-1, BATCH)
        carry = initial(), jnp.float32(0), jnp.int32(0), jnp.int32(0)
        for start in range(0, len(windows), CHUNK):
            rows = windows[start : start + CHUNK]
            carry = steps(carry, (images.take(rows, 0), labels.take(rows, 0)))
        return jax.block_until_ready(carry)

    return epoch


# ---- tntjax -------------------------------------------------------------------------


def reset(state):
    meters = {"loss": tnt.AverageValueMeter(), "error": tnt.ClassErrorMeter()}
    return state.replace(meters=meters)


def prepare(state):
    sample = state.sample
    return state.replace(sample={**sample, "input": sample["input"] / 255.0})


def measure(state):
    loss, error = state.meters["loss"], state.meters["error"]
    error = error.add(state.output, state.sample["target"])
    return state.replace(meters={"loss": loss.add(state.loss), "error": error})


def nothing(number):
    def hook(state):
        return state

    hook.__qualname__ = f"nothing_{number}"
    return hook


def look(state):
    state.meters["loss"].value()


HOOKS = tnt.Hooks(on_start=reset, on_sample=prepare, on_forward_criterion=measure)
EVENTS = ("on_sample", "on_forward", "on_forward_criterion", "on_backward", "on_update")
IDLE = [tnt.Hooks(**{EVENTS[n % len(EVENTS)]: nothing(n)}) for n in range(20)]
VARIANTS = {
    "tntjax": HOOKS,
    "tntjax, 20 idle hooks": tnt.chain(HOOKS, *IDLE),
    "tntjax, watch(10)": tnt.chain(HOOKS, tnt.watch(10, look)),
}


def by_engine(network, initial, images, labels, hooks):
    table = tnt.TableDataset({"input": images, "target": labels})
    engine = tnt.SGDEngine(hooks)

    def epoch(number):
        shuffled = tnt.ShuffleDataset(table, seed=number)
        batches = tnt.BatchDataset(shuffled, BATCH, policy="skip-last")
        state = engine.train(
            network=network,
            criterion=criterion,
            iterator=tnt.DatasetIterator(batches),
            params=initial(),
            lr=LR,
            max_epoch=1,
        )
        return jax.block_until_ready(state.params)

    return epoch


BARS = {"small CNN": 1.05, "logistic regression": 1.10}


def measure_time(repeats):
    generator = np.random.default_rng(0)
    images = generator.integers(256, size=(60_000, 28, 28), dtype=np.uint8)
    labels = generator.integers(10, size=60_000, dtype=np.int32)
    networks = {
        "logistic regression": (linear, linear_params, repeats),
        "small CNN": (small_cnn, cnn_params, max(3, repeats // 3)),
    }
    for name, (network, initial, turns) in networks.items():
        loop = network is linear or jax.default_backend() != "cpu"
        runs = {"by hand": by_hand(network, initial, images, labels, loop)}
        for variant, hooks in VARIANTS.items():
            runs[variant] = by_engine(network, initial, images, labels, hooks)
        times = {row: [] for row in runs}
        for turn in range(turns + 1):
            # Each turn starts with another row, as what runs first may be at a loss.
            rows = list(runs)
            for row in rows[turn % 4 :] + rows[: turn % 4]:
                start = time.perf_counter()
                runs[row](turn)
                times[row].append(time.perf_counter() - start)
        times = {row: found[1:] for row, found in times.items()}  # the first compiles

        def ratio(row, base, times=times):
            return statistics.median(
                a / b for a, b in zip(times[row], times[base], strict=True)
            )

        print(
            f"\n{name + ', one epoch':34}{'median s':>10}{'to hand':>9}{'to ours':>9}"
        )
        for row, found in times.items():
            ours = f"{ratio(row, 'tntjax'):9.3f}" if row != "by hand" else ""
            median = statistics.median(found)
            print(f"{row:34}{median:>10.4f}{ratio(row, 'by hand'):>9.3f}{ours}")
        verdict("engine", ratio("tntjax", "by hand"), BARS[name])
        verdict("idle hooks", ratio("tntjax, 20 idle hooks", "tntjax"), 1.02)
        verdict("watch", ratio("tntjax, watch(10)", "tntjax"), 1.03)


def verdict(what, ratio, bar):
    print(f"{what}: {ratio:.3f}, at most {bar}: {'yes' if ratio <= bar else 'NO'}")


# ---- memory -------------------------------------------------------------------------


def wide(params, input):
    return input @ params


def squares(output, target):
    return (output**2).mean(1) - target


OPTIMIZER = optax.sgd(1e-3, momentum=0.9)
ROWS = {"input": np.ones((64, 1000), np.float32), "target": np.zeros(64, np.float32)}


def living():
    return sum(array.nbytes for array in jax.live_arrays())


def peak_of_process():
    with open("/proc/self/status") as file:
        lines = dict(line.split(":", 1) for line in file)
    return int(lines["VmHWM"].split()[0]) * 1024


def memory_by_hand():
    def step(carry, batch):
        params, opt_state = carry
        loss = lambda p: squares(wide(p, batch["input"]), batch["target"]).mean()  # noqa: E731
        updates, opt_state = OPTIMIZER.update(jax.grad(loss)(params), opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), None

    @functools.partial(jax.jit, donate_argnums=0)
    def scan(carry, chunk):
        return jax.lax.scan(step, carry, chunk)[0]

    params = jnp.ones((1000, FLOATS // 1000))
    carry = params, OPTIMIZER.init(params)
    del params
    chunk = jax.tree.map(lambda leaf: np.stack([leaf] * 4), ROWS)
    for _ in range(3):
        carry = scan(carry, chunk)
    jax.block_until_ready(carry)
    return living()


def memory_by_engine():
    seen = []
    look = tnt.watch(8, lambda state: seen.append(living()))
    tnt.OptimEngine(look).train(
        network=wide,
        criterion=squares,
        iterator=tnt.DatasetIterator([ROWS] * 12),
        params=jnp.ones((1000, FLOATS // 1000)),
        optimizer=OPTIMIZER,
        max_epoch=1,
        steps_per_call=4,
    )
    return seen[0]


def epochs_of_process():
    """Resident memory after 50 epochs, when all buffers exist, and after 50 more."""
    generator = np.random.default_rng(0)
    images = generator.integers(256, size=(6_000, 28, 28), dtype=np.uint8)
    labels = generator.integers(10, size=6_000, dtype=np.int32)
    table = tnt.TableDataset({"input": images, "target": labels})
    seen = []

    def note(state):
        with open("/proc/self/statm") as file:
            seen.append(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
        return state

    hooks = tnt.chain(HOOKS, tnt.watch(10, look), tnt.Hooks(on_end_epoch=note))
    tnt.SGDEngine(hooks).train(
        network=linear,
        criterion=criterion,
        iterator=tnt.DatasetIterator(
            lambda epoch: tnt.BatchDataset(tnt.ShuffleDataset(table, seed=epoch), BATCH)
        ),
        params=linear_params(),
        lr=LR,
        max_epoch=100,
    )
    return seen[49], seen[99]


def measure_memory():
    print(f"\n{'50 M floats and momentum, MiB':34}{'device':>10}{'peak':>9}")
    found = {}
    for row in ("by_hand", "by_engine"):
        command = [sys.executable, __file__, "--memory-of", row]
        output = subprocess.run(command, check=True, capture_output=True, text=True)
        found[row] = [int(word) for word in output.stdout.split()]
        device, peak = (number >> 20 for number in found[row])
        print(f"{row.replace('_', ' '):34}{device:>10}{peak:>9}")
    verdict("device", found["by_engine"][0] / found["by_hand"][0], 1.1)
    verdict("process", found["by_engine"][1] / found["by_hand"][1], 1.1)
    early, late = epochs_of_process()
    print(f"after 50 epochs {early >> 20} MiB, after 100 {late >> 20} MiB")
    verdict("50 epochs", late / early, 1.02)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--skip-memory", action="store_true")
    parser.add_argument("--skip-time", action="store_true")
    parser.add_argument("--memory-of", choices=["by_hand", "by_engine"])
    args = parser.parse_args()
    if args.memory_of:
        print(globals()[f"memory_{args.memory_of}"](), peak_of_process())
        return
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, jax {jax.__version__}")
    print(f"on {jax.devices()[0]}")
    if not args.skip_time:
        measure_time(args.repeats)
    if not args.skip_memory:
        measure_memory()


if __name__ == "__main__":
    main()
