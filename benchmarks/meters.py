"""How fast meters count, beside torchmetrics and scikit-learn.

Run: python benchmarks/meters.py [--repeats 15] [--only confusion]

Each case counts the same arrays in one process, turn by turn: tntjax with its scores on
the device, where a network would have left them, and the peers that are installed with
theirs in tensors and arrays of the same memory. Printed are medians, the least times
(what is left of the time on a busy machine), and the ratio of the faster peer's median
to that of tntjax. The last cases put a meter into a small compiled training
step: what it costs there is the difference to the step without it.

A new case is a function that returns a `Case`, and a line in `CASES`. Ranking meters
keep their scores, so `ranking.py` has cases of its own, which run here too.
"""

import argparse
import dataclasses
import importlib.util
import os
import platform
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from ranking import rank

import tntjax as tnt


@dataclasses.dataclass(frozen=True)
class Case:
    """Contestants `{name: function}`, each of which returns the same numbers.

    `bar` is what the ratio of the fastest peer to tntjax must reach.
    """

    ours: Callable[[], np.ndarray]
    peers: dict[str, Callable[[], np.ndarray]]
    bar: float
    tolerance: float = 1e-5


def counter(meter, *arrays):
    """Adds arrays that are arguments, so that nothing is computed beforehand.

    The empty meter lies on the device too; as no add changes it, none has to reset it.
    """
    add = jax.jit(lambda meter, *arrays: meter.add(*arrays))
    value = jax.jit(lambda meter: meter.value())
    meter, arrays = jax.device_put((meter, arrays))
    return lambda: jax.device_get(value(add(meter, *arrays)))


def torchmetric(make, *arrays):
    """Updates a fresh state, as its meter does."""
    import torch

    metric, tensors = make(), [torch.from_numpy(array) for array in arrays]

    def run():
        metric.reset()
        metric.update(*tensors)
        return metric.compute().numpy()

    return run


def installed(**peers):
    """Those peers whose package is there: `{package: maker}`."""
    return {name: make() for name, make in peers.items() if find(name)}


def find(package):
    return importlib.util.find_spec(package) is not None


def drawn(examples, classes, seed=0):
    generator = np.random.default_rng(seed)
    scores = generator.normal(size=(examples, classes)).astype(np.float32)
    return scores, generator.integers(classes, size=examples)


def top_five_error():
    scores, target = drawn(2048, 1000)
    count = counter(tnt.ClassErrorMeter((5,)), scores, target)

    def torch():
        from torchmetrics.classification import MulticlassAccuracy

        make = lambda: MulticlassAccuracy(1000, top_k=5, average="micro")  # noqa: E731
        accuracy = torchmetric(make, scores, target)
        return lambda: 100 * (1 - accuracy())

    def sklearn():
        from sklearn.metrics import top_k_accuracy_score

        labels = np.arange(1000)
        score = lambda: top_k_accuracy_score(target, scores, k=5, labels=labels)  # noqa: E731
        return lambda: 100 * (1 - score())

    peers = installed(torchmetrics=torch, sklearn=sklearn)
    return Case(lambda: count()[5], peers, bar=5.0, tolerance=1e-4)


def confusion():
    scores, target = drawn(2048, 1000)

    def torch():
        from torchmetrics.classification import MulticlassConfusionMatrix

        return torchmetric(lambda: MulticlassConfusionMatrix(1000), scores, target)

    def sklearn():
        from sklearn.metrics import confusion_matrix

        labels = np.arange(1000)
        return lambda: confusion_matrix(target, scores.argmax(1), labels=labels)

    peers = installed(torchmetrics=torch, sklearn=sklearn)
    return Case(counter(tnt.ConfusionMeter(1000), scores, target), peers, bar=1.0)


CASES = {
    "top-5 error, 2,048 x 1,000": top_five_error,
    "confusion, 2,048 x 1,000": confusion,
}

STEP_METERS = {
    "AverageValueMeter": lambda: tnt.AverageValueMeter(),
    "ClassErrorMeter": lambda: tnt.ClassErrorMeter((1, 5)),
    "ConfusionMeter": lambda: tnt.ConfusionMeter(10),
    "PrecisionMeter": lambda: tnt.PrecisionMeter(None, 10),
    "CalibrationErrorMeter": lambda: tnt.CalibrationErrorMeter(),
    "HistogramMeter": lambda: tnt.HistogramMeter(0.0, 5.0),
    "QuantileMeter": lambda: tnt.QuantileMeter(),
}
"""What is put into the step of a network 784-256-10, batch 128, 32 steps a call."""

OF_THE_LOSS = ("AverageValueMeter", "HistogramMeter", "QuantileMeter")
MOST = 5.0


def timed(functions, repeats):
    """Seconds of each function, turn by turn."""
    times = {name: [] for name in functions}
    for function in functions.values():
        function()  # compiles
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    return times


def compare(name, case, repeats):
    expected = np.asarray(case.ours())
    for peer, function in case.peers.items():
        np.testing.assert_allclose(function(), expected, case.tolerance, err_msg=peer)
    times = timed({"tntjax": case.ours, **case.peers}, repeats)
    print(f"\n{name:34}{'median ms':>12}{'least ms':>12}{'ratio':>8}")
    ours = statistics.median(times["tntjax"])
    for contestant, seconds in times.items():
        median = statistics.median(seconds)
        print(f"  {contestant:32}{shown(seconds)}{median / ours:>8.2f}")
    if not case.peers:
        return print("  no peer is installed")
    best = min(statistics.median(times[peer]) for peer in case.peers) / ours
    print(
        f"  {best:.2f} x the faster peer, at least {case.bar}: {yes(best >= case.bar)}"
    )


def shown(seconds):
    return f"{1e3 * statistics.median(seconds):>12.3f}{1e3 * min(seconds):>12.3f}"


def yes(fulfilled):
    return "yes" if fulfilled else "NO"


def training(make, of_the_loss):
    """32 steps in one compiled call, with a meter or with none."""
    generator = np.random.default_rng(0)
    shapes = {"a": (784, 256), "b": (256, 10)}
    params = {k: 0.05 * generator.normal(size=s) for k, s in shapes.items()}
    params = jax.tree.map(jnp.float32, params)
    images = jnp.asarray(generator.random((32, 128, 784)), jnp.float32)
    labels = jnp.asarray(generator.integers(10, size=(32, 128)), jnp.int32)

    def losses(params, image, label):
        output = jax.nn.softmax(jax.nn.relu(image @ params["a"]) @ params["b"])
        chosen = jnp.take_along_axis(output, label[:, None], 1)[:, 0]
        loss = -jnp.log(chosen + 1e-6)
        return loss.mean(), (output, loss)

    def step(carry, batch):
        params, meter = carry
        grads, (output, loss) = jax.grad(losses, has_aux=True)(params, *batch)
        params = jax.tree.map(lambda p, g: p - 0.01 * g, params, grads)
        if meter is not None:
            meter = meter.add(loss) if of_the_loss else meter.add(output, batch[1])
        return (params, meter), None

    @jax.jit
    def run(params, meter, images, labels):
        return jax.lax.scan(step, (params, meter), (images, labels))[0]

    meter = None if make is None else jax.device_put(make())
    return lambda: jax.block_until_ready(run(params, meter, images, labels))


def in_the_step(repeats):
    functions = {"without": training(None, False)}
    for name, make in STEP_METERS.items():
        functions[name] = training(make, name in OF_THE_LOSS)
    times = timed(functions, repeats)
    heads = f"{'median ms':>12}{'least ms':>12}{'cost %':>8}"
    print(f"\n{'32 steps of a small network':34}{heads}")
    base = times["without"]
    for name, seconds in times.items():
        ratios = [mine / other for mine, other in zip(seconds, base, strict=True)]
        cost = 100 * (statistics.median(ratios) - 1)
        told = "" if name == "without" else f"  less than {MOST}: {yes(cost < MOST)}"
        print(f"  {name:32}{shown(seconds)}{cost:>8.2f}{told}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    options = parser.parse_args()
    device = jax.devices()[0]
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, jax {jax.__version__} {device}"
    )
    for name, make in CASES.items():
        if options.only in name:
            compare(name, make(), options.repeats)
    if options.only in "ranking":
        rank(options.repeats)
    if options.only in "in the step":
        in_the_step(options.repeats)


if __name__ == "__main__":
    main()
