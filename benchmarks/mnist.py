"""One epoch of logistic regression on MNIST, by hand, with tntjax, and with peers.

Run: TNTJAX_DATA=folder python benchmarks/mnist.py [--repeats 9]

All run in one process on the same data, turn by turn. Printed are the median time of an
epoch, and the median of the ratios in the same turn, which what else the machine does
disturbs less: to the hand-written scan over chunks, or on an accelerator to that over
the whole epoch, whose data lies there. Peers take part if installed.
"""

import argparse
import importlib.util
import os
import platform
import statistics
import time

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tntjax as tnt

BATCH, LR, CHUNK, TEN = 128, 0.2, 32, 10


def network(params, input):
    return input @ params["weight"] + params["bias"]


def criterion(output, target):
    return optax.softmax_cross_entropy_with_integer_labels(output, target)


def initial():
    return {"weight": jnp.zeros((784, 10)), "bias": jnp.zeros(10)}


# ---- by hand ------------------------------------------------------------------------


def hand_step(carry, batch):
    """What every row below does each step: update, mean loss, count of errors."""
    params, loss_sum, wrong, seen = carry
    image, label = batch

    def objective(params):
        output = network(params, image.reshape(-1, 784) / 255.0)
        return criterion(output, label).mean(), output

    (loss, output), grads = jax.value_and_grad(objective, has_aux=True)(params)
    params = jax.tree.map(lambda p, g: p - LR * g, params, grads)
    size = label.shape[0]
    wrong += (output.argmax(-1) != label).sum(dtype=jnp.int32)
    return (params, loss_sum + loss * size, wrong, seen + size)


def hand_carry():
    return initial(), jnp.float32(0), jnp.int32(0), jnp.int32(0)


def hand_one_step(images, labels):
    step = jax.jit(hand_step, donate_argnums=0)

    def epoch(number):
        order = np.random.default_rng(number).permutation(len(labels))
        carry = hand_carry()
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            carry = step(carry, (images.take(rows, 0), labels.take(rows, 0)))
        return jax.block_until_ready(carry)

    return epoch


def hand_chunked(images, labels):
    @jax.jit
    def scan(carry, chunk):
        return jax.lax.scan(lambda c, x: (hand_step(c, x), None), carry, chunk)[0]

    def epoch(number):
        order = np.random.default_rng(number).permutation(len(labels))
        full = len(order) // BATCH
        windows = order[: full * BATCH].reshape(full, BATCH)
        carry, start = hand_carry(), 0
        while start < full:
            left = full - start
            size = CHUNK if left >= CHUNK else 1 << (left.bit_length() - 1)
            rows = windows[start : start + size]
            carry = scan(carry, (images.take(rows, 0), labels.take(rows, 0)))
            start += size
        rows = order[None, full * BATCH :]
        if rows.size:
            carry = scan(carry, (images.take(rows, 0), labels.take(rows, 0)))
        return jax.block_until_ready(carry)

    return epoch


def hand_whole(images, labels):
    images, labels = jax.device_put((images, labels))
    full = len(labels) // BATCH

    @jax.jit
    def scan(carry, images, labels, order):
        def step(carry, rows):
            return hand_step(carry, (images[rows], labels[rows])), None

        windows = order[: full * BATCH].reshape(full, BATCH)
        carry = jax.lax.scan(step, carry, windows)[0]
        return step(carry, order[full * BATCH :])[0]

    def epoch(number):
        order = np.random.default_rng(number).permutation(len(labels))
        order = order.astype(np.int32)
        return jax.block_until_ready(scan(hand_carry(), images, labels, order))

    return epoch


# ---- tntjax -------------------------------------------------------------------------


def same(state):
    return state


def reset(state):
    meters = {"loss": tnt.AverageValueMeter(), "error": tnt.ClassErrorMeter()}
    return state.replace(meters=meters)


def prepare(state):
    image, label = state.sample["input"], state.sample["target"]
    image = image.reshape(-1, 784) / 255.0
    return state.replace(sample={"input": image, "target": label})


def measure(state):
    loss, error = state.meters["loss"], state.meters["error"]
    error = error.add(state.output, state.sample["target"])
    return state.replace(meters={"loss": loss.add(state.loss), "error": error})


HOOKS = tnt.Hooks(
    on_start=same,
    on_start_epoch=reset,
    on_sample=prepare,
    on_forward=same,
    on_forward_criterion=measure,
    on_backward_criterion=same,
    on_backward=same,
    on_update=same,
    on_end_epoch=same,
    on_end=same,
)


def tntjax_epoch(dataset, hooks=HOOKS, epochs=1):
    def batches(epoch):
        return tnt.BatchDataset(tnt.ShuffleDataset(dataset, seed=epoch), BATCH)

    engine = tnt.SGDEngine(hooks)
    params = initial()

    def epoch(number):
        iterator = tnt.DatasetIterator(lambda epoch: batches(number + epoch))
        state = engine.train(
            network=network,
            criterion=criterion,
            iterator=iterator,
            params=params,
            lr=LR,
            max_epoch=epochs,
        )
        return jax.block_until_ready((state.params, state.meters))

    return epoch


def tntjax_arrays(images, labels):
    return tntjax_epoch(tnt.TableDataset({"input": images, "target": labels}))


def tntjax_device(images, labels, **options):
    table = tnt.TableDataset({"input": images, "target": labels})
    return tntjax_epoch(jax.device_put(table), **options)


def tntjax_ten(images, labels):
    return tntjax_device(images, labels, epochs=TEN)


def tntjax_watched(images, labels):
    hooks = tnt.chain(HOOKS, tnt.watch(10, same))
    return tntjax_device(images, labels, hooks=hooks)


def tntjax_load(images, labels):
    def load(index):
        return {"input": images[index], "target": labels[index]}

    return tntjax_epoch(tnt.ListDataset(range(len(labels)), load))


# ---- peers --------------------------------------------------------------------------


def torch_place():
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def torch_loader(images, labels):
    import torch
    import torchmetrics

    place = torch_place()
    on_card = place.type == "cuda"

    class Digits(torch.utils.data.Dataset):
        def __len__(self):
            return len(labels)

        def __getitem__(self, index):
            pixels = images[index].reshape(-1).copy()
            image = torch.from_numpy(pixels).float() / 255.0
            return image, int(labels[index])

    workers = {"num_workers": 8, "persistent_workers": True, "pin_memory": True}
    loader = torch.utils.data.DataLoader(
        Digits(), BATCH, shuffle=True, **(workers if on_card else {})
    )

    def epoch(number):
        torch.manual_seed(number)
        model = torch.nn.Linear(784, 10).to(place)
        optimizer = torch.optim.SGD(model.parameters(), LR)
        loss_meter = torchmetrics.MeanMetric().to(place)
        accuracy = torchmetrics.classification.MulticlassAccuracy(10, average="micro")
        accuracy = accuracy.to(place)
        for image, label in loader:
            image, label = (x.to(place, non_blocking=True) for x in (image, label))
            output = model(image)
            loss = torch.nn.functional.cross_entropy(output, label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_meter.update(loss.detach())
            accuracy.update(output.detach(), label)
        return float(loss_meter.compute()), float(accuracy.compute())

    return epoch


def torch_by_hand(images, labels):
    """Tensors that lie where the model does, and no loader: torch's own limit."""
    import torch

    place = torch_place()
    pixels = torch.from_numpy(images.reshape(len(images), -1).copy()).to(place)
    targets = torch.from_numpy(labels.astype("int64")).to(place)

    def epoch(number):
        torch.manual_seed(number)
        model = torch.nn.Linear(784, 10).to(place)
        optimizer = torch.optim.SGD(model.parameters(), LR)
        total, wrong = (torch.zeros((), device=place) for _ in range(2))
        for rows in torch.randperm(len(targets), device=place).split(BATCH):
            label = targets[rows]
            output = model(pixels[rows].float() / 255.0)
            loss = torch.nn.functional.cross_entropy(output, label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(label)
            wrong += (output.detach().argmax(-1) != label).sum()
        return float(total), float(wrong)  # which waits for the card

    return epoch


def keras_fit(images, labels):
    import keras

    model = keras.Sequential(
        [keras.layers.Rescaling(1 / 255.0), keras.layers.Dense(10)]
    )
    model.compile(
        optimizer=keras.optimizers.SGD(LR),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    flat = images.reshape(len(images), -1).astype("float32")

    def epoch(number):
        return model.fit(flat, labels, BATCH, epochs=1, verbose=0)

    return epoch


def grain_loader(images, labels):
    import grain

    step = jax.jit(hand_step, donate_argnums=0)

    def epoch(number):
        rows = grain.MapDataset.source(range(len(labels))).shuffle(seed=number)
        dataset = rows.map(lambda i: (images[i], labels[i])).batch(BATCH)
        carry = hand_carry()
        for batch in dataset:
            carry = step(carry, batch)
        return jax.block_until_ready(carry)

    return epoch


def datarax_scan(images, labels):
    """The step by hand in the scan of a pipeline, which has full batches only."""
    from datarax.pipeline import Pipeline
    from datarax.sources import MemorySource, MemorySourceConfig
    from flax import nnx

    config, data = MemorySourceConfig(shuffle=True), {"input": images, "target": labels}
    source = MemorySource(config, data, rngs=nnx.Rngs(0))
    pipeline = Pipeline(
        source=source,
        batch_size=BATCH,
        rngs=nnx.Rngs(0),
        stages=[],
        drop_last=True,
        num_epochs=None,
    )

    def step(carry, batch):
        return hand_step(carry, (batch["input"], batch["target"])), None

    def epoch(number):
        length = len(labels) // BATCH
        carry, _ = pipeline.scan(step, length=length, init_carry=hand_carry())
        return jax.block_until_ready(carry)

    return epoch


CHUNKS, WHOLE = "hand-written, scan over chunks", "hand-written, scan on the device"


def contestants():
    yield "hand-written, one step a call", hand_one_step
    yield CHUNKS, hand_chunked
    yield WHOLE, hand_whole
    yield "tntjax, arrays", tntjax_arrays
    yield "tntjax, on the device", tntjax_device
    yield "tntjax, there, ten epochs a train", tntjax_ten
    yield "tntjax, there, watch(10)", tntjax_watched
    yield "tntjax, Python load a sample", tntjax_load
    if importlib.util.find_spec("torch"):
        yield f"torch, tensors on the {torch_place()}, by hand", torch_by_hand
        if importlib.util.find_spec("torchmetrics"):
            yield "torch DataLoader + torchmetrics", torch_loader
    if importlib.util.find_spec("keras"):
        yield "Keras on JAX, fit", keras_fit
    if importlib.util.find_spec("grain"):
        yield "grain + hand-written step", grain_loader
    if importlib.util.find_spec("datarax"):
        yield "datarax scan + hand-written step", datarax_scan


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    data = tnt.vision.mnist("train").data
    images, labels = data["input"], data["target"]
    rows = [(name, make(images, labels), []) for name, make in contestants()]
    for _, epoch, _ in rows:
        epoch(0)  # compiles
    for repeat in range(repeats):
        for name, epoch, times in rows:
            slow = name.startswith(("torch", "grain", "Keras"))
            if slow and repeat >= max(1, repeats // 3):
                continue
            start = time.perf_counter()
            epoch(repeat)
            spent = time.perf_counter() - start
            times.append(spent / TEN if "ten epochs" in name else spent)
    base = CHUNKS if jax.default_backend() == "cpu" else WHOLE
    base = next(times for name, _, times in rows if name == base)
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, {jax.devices()[0].device_kind}"
    )
    print(f"Python {platform.python_version()}, jax {jax.__version__}")
    print(f"\n{'one epoch of ' + str(len(labels)):34}{'median s':>10}{'ratio':>8}")
    for name, _, times in rows:
        ratios = [time / other for time, other in zip(times, base, strict=False)]
        median, ratio = statistics.median(times), statistics.median(ratios)
        print(f"{name:34}{median:>10.4f}{ratio:>8.2f}")


if __name__ == "__main__":
    main()
