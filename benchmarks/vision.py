"""Transforms of images: compiled, beside Pillow and NumPy, and beside dm-pix.

Run: python benchmarks/vision.py [--batch 128] [--size 256] [--repeats 7] [--only NAME]

Photographs of scikit-learn, cut to a size, as uint8. The host works with a thread for
each core, as Pillow lets other threads run, and puts its results into one batch. dm-pix
is mapped over examples with a key for each. On the device a batch is a call of its own,
or four are the steps of one call, as an engine makes them. Turn by turn in one process,
compiled before; printed are medians of images a second, and of the ratios in the same
turn.

On a CPU half of the time of a call with a large result may be that of its pages of
memory, of which NumPy asks Linux for large ones. The steps of a call share theirs; JAX
gets large ones with `GLIBC_TUNABLES=glibc.malloc.hugetlb=1` in the environment.
"""

import argparse
import functools
import operator
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from sklearn.datasets import load_sample_images

import tntjax as tnt

try:
    import dm_pix as pix
except ImportError:
    pix = None

vision, part = tnt.vision, functools.partial
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BILINEAR = Image.Resampling.BILINEAR
SIZE, STEPS = 224, 4
CONTESTANTS = "device", "in steps", "host", "dm-pix"


def photographs(batch, size):
    rng, images = np.random.default_rng(0), load_sample_images().images
    rows, columns = (rng.integers(0, most - size, batch) for most in (427, 640))
    return np.stack(
        [
            images[i % 2][row : row + size, column : column + size]
            for i, (row, column) in enumerate(zip(rows, columns, strict=True))
        ]
    )


def normalize(image):
    return (np.float32(image) / 255 - np.float32(MEAN)) / np.float32(STD)


def resized_crop(rng, image):
    height, width = image.shape[:2]
    for _ in range(10):
        area = height * width * rng.uniform(0.08, 1)
        ratio = np.exp(rng.uniform(*np.log([3 / 4, 4 / 3])))
        wide, high = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
        if wide <= width and high <= height:
            break
    else:
        wide, high = width, height
    left, top = rng.integers(width - wide + 1), rng.integers(height - high + 1)
    box = left, top, left + wide, top + high
    return Image.fromarray(image).resize((SIZE, SIZE), BILINEAR, box=box)


def prepared(rng, image):
    image = np.asarray(resized_crop(rng, image))
    return normalize(image[:, ::-1] if rng.random() < 0.5 else image)


def cropped(rng, image):
    image = np.pad(image, ((4, 4), (4, 4), (0, 0)))
    top, left = rng.integers(9, size=2)
    return image[top : top - 8 or None, left : left - 8 or None]


def jittered(rng, image):
    image = Image.fromarray(image)
    for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = kind(image).enhance(rng.uniform(0.6, 1.4))
    return image


def erased(rng, image):
    high, wide = (round(side * 0.4) for side in image.shape[:2])
    top, left = (rng.integers(s - n) for s, n in zip(image.shape, (high, wide)))  # noqa: B905
    image = image.copy()
    image[top : top + high, left : left + wide] = 0
    return image


OPERATIONS = (
    lambda x, s: x,
    lambda x, s: x.transform(
        x.size, Image.Transform.AFFINE, (1, s, 0, 0, 1, 0), BILINEAR
    ),
    lambda x, s: x.transform(
        x.size, Image.Transform.AFFINE, (1, 0, 0, s, 1, 0), BILINEAR
    ),
    lambda x, s: x.transform(
        x.size, Image.Transform.AFFINE, (1, 0, 9, 0, 1, 0), BILINEAR
    ),
    lambda x, s: x.transform(
        x.size, Image.Transform.AFFINE, (1, 0, 0, 0, 1, 9), BILINEAR
    ),
    lambda x, s: x.rotate(100 * s, BILINEAR),
    lambda x, s: ImageEnhance.Brightness(x).enhance(1 + s),
    lambda x, s: ImageEnhance.Color(x).enhance(1 + s),
    lambda x, s: ImageEnhance.Contrast(x).enhance(1 + s),
    lambda x, s: ImageEnhance.Sharpness(x).enhance(1 + s),
    lambda x, s: ImageOps.posterize(x, 6),
    lambda x, s: ImageOps.solarize(x, 180),
    lambda x, s: ImageOps.autocontrast(x),
    lambda x, s: ImageOps.equalize(x),
)


def augmented(rng, image):
    image = Image.fromarray(image)
    for place in rng.integers(len(OPERATIONS), size=2):
        image = OPERATIONS[place](image, rng.choice([-0.27, 0.27]))
    return image


PREPARE = vision.compose(
    part(vision.random_resized_crop, size=SIZE),
    vision.random_flip,
    part(vision.normalize, mean=MEAN, std=STD),
)
ROWS = {  # name: (on the device, one image on the host, with dm-pix one image)
    "crop + flip + normalize": (PREPARE, prepared, None),
    "random_resized_crop": (
        part(vision.random_resized_crop, size=SIZE),
        resized_crop,
        None,
    ),
    "resize": (
        lambda key, x: vision.resize(x, SIZE),
        lambda rng, x: Image.fromarray(x).resize((SIZE, SIZE), BILINEAR),
        None,
    ),
    "normalize": (
        lambda key, x: vision.normalize(x, MEAN, STD),
        lambda rng, x: normalize(x),
        None,
    ),
    "random_flip": (
        vision.random_flip,
        lambda rng, x: x[:, ::-1] if rng.random() < 0.5 else x,
        lambda key, x: pix.random_flip_left_right(key, x),
    ),
    "random_crop": (
        lambda key, x: vision.random_crop(key, x, x.shape[1:3], pad=4),
        cropped,
        lambda key, x: pix.random_crop(
            key, jnp.pad(x, ((4, 4), (4, 4), (0, 0))), x.shape
        ),
    ),
    "color_jitter": (
        part(vision.color_jitter, brightness=0.4, contrast=0.4, saturation=0.4),
        jittered,
        lambda key, x: pix.random_saturation(
            key,
            pix.random_contrast(
                key, pix.random_brightness(key, x, 0.4), lower=0.6, upper=1.4
            ),
            lower=0.6,
            upper=1.4,
        ),
    ),
    "gaussian_blur": (
        part(vision.gaussian_blur, sigma=(0.1, 2.0)),
        lambda rng, x: Image.fromarray(x).filter(
            ImageFilter.GaussianBlur(rng.uniform(0.1, 2))
        ),
        lambda key, x: pix.gaussian_blur(x, 1.0, 13),
    ),
    "random_erasing": (part(vision.random_erasing, rate=1.0), erased, None),
    "rand_augment": (vision.rand_augment, augmented, None),
}


def in_steps(transform):
    """Makes several batches in the loop of one compiled call."""

    @jax.jit
    def run(key, batches):  # uint8 [STEPS, B, H, W, C]
        def step(number, made):
            del made  # a loop carries it, so each step makes all of it
            images = jax.lax.dynamic_index_in_dim(batches, number, keepdims=False)
            return transform(jax.random.fold_in(key, number), images)

        first = jax.eval_shape(transform, key, batches[0])
        made = jnp.zeros(first.shape, first.dtype)
        return jax.lax.fori_loop(0, STEPS, step, made)

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for flag, default in (("--batch", 128), ("--size", 256), ("--repeats", 7)):
        parser.add_argument(flag, type=int, default=default)
    parser.add_argument("--only", choices=ROWS, nargs="+", default=list(ROWS))
    args = parser.parse_args()
    images = photographs(args.batch, args.size)
    stored = jax.device_put(images)
    batches = jnp.stack([stored] * STEPS)
    floats = stored.astype(jnp.float32) / 255
    rngs = [np.random.default_rng(i) for i in range(args.batch)]
    cores = len(os.sched_getaffinity(0))
    print(
        f"{jax.devices()[0]}, jax {jax.__version__}, {cores} cores, {args.batch}"
        f" images of {args.size} by {args.size}"
    )
    head = " ".join(f"{contestant:>9}" for contestant in CONTESTANTS)
    print(f"{'images a second':24} {head}  to the host's")
    with ThreadPoolExecutor(cores) as pool:
        for name in args.only:
            ours, theirs, third = ROWS[name]
            compiled, looped = jax.jit(ours), in_steps(ours)
            contestants = {
                "device": lambda key, f=compiled: f(key, stored).block_until_ready(),
                "in steps": lambda key, f=looped: f(key, batches).block_until_ready(),
                "host": lambda key, f=theirs: np.stack(
                    list(pool.map(lambda *a: np.asarray(f(*a)), rngs, images))
                ),
            }
            if pix is not None and third is not None:
                mapped = jax.jit(jax.vmap(third))
                contestants["dm-pix"] = lambda key, f=mapped: f(
                    jax.random.split(key, args.batch), floats
                ).block_until_ready()
            show(name, contestants, args)


def show(name, contestants, args):
    seconds = {contestant: [] for contestant in contestants}
    made = dict.fromkeys(contestants, 1) | {"in steps": STEPS}  # batches
    for turn in range(args.repeats + 1):
        for contestant, run in contestants.items():
            start = time.perf_counter()
            run(jax.random.key(turn))
            spent = time.perf_counter() - start
            seconds[contestant].append(spent / made[contestant])
    seconds = {contestant: times[1:] for contestant, times in seconds.items()}
    rates = {c: args.batch / statistics.median(times) for c, times in seconds.items()}
    columns = [f"{rates[c]:9,.0f}" if c in rates else " " * 9 for c in CONTESTANTS]
    ratios = [
        statistics.median(map(operator.truediv, seconds["host"], seconds[contestant]))
        for contestant in CONTESTANTS[:2]
    ]
    shown = " ".join(f"{ratio:5.2f}" for ratio in ratios)
    print(f"{name:24} {' '.join(columns)}  {shown}", flush=True)


if __name__ == "__main__":
    main()
