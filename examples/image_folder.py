"""A small network on folders of images, one a class: `pip install "tntjax[vision]"`."""

import argparse
import functools
import pathlib
import tempfile

import jax
import jax.numpy as jnp
import optax
from PIL import Image

import tntjax as tnt

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--root", help="such as photos/ with photos/cat/1.jpg, or a tar")
parser.add_argument("--size", type=int, default=32, help="of the images in a batch")
parser.add_argument("--epochs", type=int, default=4)
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--lr", type=float, default=1e-2)
parser.add_argument("--workers", type=int, default=2)


def write_digits(root):  # the digits inside as PNGs: root/7/00042.png
    for number, sample in enumerate(tnt.vision.mnist_sample("train")):
        path = pathlib.Path(root, str(sample["target"]), f"{number:05}.png")
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(sample["input"]).save(path)


def init(key, classes):  # three convolutions, each halves the image
    keys = jax.random.split(key, 4)
    sizes = [(3, 3, 3, 16), (3, 3, 16, 32), (3, 3, 32, 64)]
    kernels = [
        jax.random.normal(key, shape) * (2 / (9 * shape[2])) ** 0.5
        for key, shape in zip(keys, sizes, strict=False)
    ]
    return {"kernels": kernels, "head": 0.1 * jax.random.normal(keys[3], (64, classes))}


def network(params, x):  # [B, H, W, 3] -> [B, classes]
    for kernel in params["kernels"]:
        layout = ("NHWC", "HWIO", "NHWC")
        x = jax.lax.conv_general_dilated(
            x, kernel, (2, 2), "SAME", dimension_numbers=layout
        )
        x = jax.nn.relu(x)
        x = x / jnp.sqrt(jnp.mean(x**2, -1, keepdims=True) + 1e-6)  # as RMSNorm
    return x.mean((1, 2)) @ params["head"]


def prepare(state):  # compiled: uint8 travels, each epoch sees other crops
    images = state.sample["input"]
    if state.training:
        images = tnt.vision.random_crop(state.key, images, args.size, args.size // 8)
    input = tnt.vision.normalize(images, mean=(0.45,) * 3, std=(0.25,) * 3)
    return state.replace(sample={**state.sample, "input": input})


def show(state):
    loss, error = state.meters["loss"].value(), state.meters["error"].value()
    when = f"epoch {state.epoch}:" if state.training else "test:"
    print(f"{when:10} loss {loss.mean:.4f}  accuracy {100 - error[1]:5.2f} %")
    return state


def main(root):
    images = tnt.vision.ImageFolder(root)
    print(f"{len(images)} images of {len(images.classes)} classes")
    fit = functools.partial(tnt.vision.fit_image, size=args.size)
    mixed = tnt.ShuffleDataset(tnt.TransformDataset(images, fit, key="input"), seed=0)
    parts = tnt.SplitDataset(mixed, {"train": 0.9, "test": 0.1})

    train = parts.select("train")
    batches = tnt.shuffle_and_batch(train, args.batch_size, policy="skip-last")
    tests = tnt.BatchDataset(parts.select("test"), args.batch_size)
    metering = tnt.hooks.metering("loss", "error")
    hooks = tnt.Hooks(on_sample=prepare, on_end_epoch=show)
    engine = tnt.OptimEngine(tnt.chain(hooks, metering))
    criterion = optax.softmax_cross_entropy_with_integer_labels
    job = {"network": network, "criterion": criterion}
    with tnt.ParallelDatasetIterator(batches, args.workers) as iterator:
        state = engine.train(
            **job,
            iterator=iterator,
            params=init(jax.random.key(0), len(images.classes)),
            optimizer=optax.adam(args.lr),
            max_epoch=args.epochs,
        )
    show(engine.test(**job, iterator=tnt.DatasetIterator(tests), params=state.params))


args = parser.parse_args()
if args.root:
    main(args.root)
else:
    print("No folder given: writing the 6,000 digits inside into folders.")
    with tempfile.TemporaryDirectory() as folder:
        write_digits(folder)
        main(folder)
