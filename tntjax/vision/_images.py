"""Batches of images and keys: what transforms on a device take and give back."""

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._array import as_array
from tntjax._check import require
from tntjax._key import as_keys
from tntjax._numbers import (
    check_at_least,
    check_axis,
    check_integers,
    check_number,
    find_outside,
)
from tntjax._struct import describe
from tntjax.meter.parts._inputs import narrow

ARRAYS = frozenset(
    "key images targets mask boxes scores labels flipped width windows first"
    " second".split()
)
"""Names of parameters that are arrays; the others are parts of a program."""

RANGES = {"scale": (0, 1), "ratio": (1e-6, math.inf), "sigma": (1e-3, math.inf)}
"""Between which numbers the two of a range of this name lie."""

P = ParamSpec("P")
Result = TypeVar("Result")


def compiled(function: Callable[P, Result]) -> Callable[P, Result]:
    """Compiles a transform as one program, as many small ones wait for Python.

    What is not an array becomes numbers and tuples of Python, by which programs are
    told apart. Images, keys, rates and ranges are checked here, by their names; what
    the function gets as `key` are the keys [B] of the examples.
    """
    name, signature = function.__name__, inspect.signature(function)

    def program(kinds: str, **given: Any) -> Result:
        bound = signature.bind(**given)
        bound.apply_defaults()
        return function(**_read(bound.arguments, name))  # type: ignore[call-arg]  # bound

    program.__name__ = name
    static = ["kinds", *(set(signature.parameters) - ARRAYS)]
    run = jax.jit(program, static_argnames=static, inline=True)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Result:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{name}: {error}.") from None
        fixed, arrays = {}, {}
        for key, value in given.items():
            if key not in ARRAYS:
                fixed[key] = _as_static(value, f"{name}: {key}")
            elif value is not signature.parameters[key].default:  # an optional None
                arrays[key] = as_operand(value, f"{name}: {key}")
        # 1, 1.0 and True are equal, so programs are told apart by the text of them.
        return run(kinds=repr(fixed), **fixed, **arrays)

    return call


def _read(given: dict[str, Any], name: str) -> dict[str, Any]:
    """Checks what transforms have in common, and makes a key for each example."""
    read = dict(given)
    if "images" in read:
        read["images"] = _as_images(read["images"], name)
    if "key" in read:
        count = len(read["images"]) if "images" in read else read["count"]
        count = check_at_least(f"{name}: count", count, 0)
        read["key"] = split_key(read["key"], count, name)
    for part in set(RANGES) & set(read):
        read[part] = _as_range(read[part], f"{name}: {part}", *RANGES[part])
    if "rate" in read:
        check_within(name, "rate", read["rate"])
    return read


def _as_images(images: Any, name: str) -> jax.Array:
    """Checks that images are [B, H, W, C] uint8 or floats; `name` begins an error."""
    if images.ndim != 4:
        raise ValueError(
            f"{name} needs images [B, H, W, C], got {describe(images)}. Give one image"
            " as image[None], and grey ones an axis: images[..., None]."
        )
    require(0 not in images.shape[1:], f"{name} needs images with pixels", images)
    images = jnp.asarray(images)
    if images.dtype != jnp.uint8 and not jnp.issubdtype(images.dtype, jnp.floating):
        raise TypeError(
            f"{name} needs uint8 levels or floats, got {describe(images)}. Convert with"
            " images.astype('uint8'), or divide by the largest level."
        )
    return images


def _as_range(pair: Any, name: str, least: float, most: float) -> tuple[float, float]:
    """Returns the two numbers of a range; raises a ValueError if it is not one."""
    two = isinstance(pair, tuple) and len(pair) == 2
    require(two, f"{name} needs two numbers (low, high)", pair)
    low, high = (check_number(name, number) for number in pair)
    fits = least <= low <= high <= most and high < math.inf
    bound = f" <= {most:g}" * (most < math.inf)
    require(fits, f"{name} needs {least:g} <= low <= high{bound}", pair)
    return low, high


def as_operand(value: Any, subject: str) -> jax.Array | np.ndarray:
    """Makes an array of an argument; raises a TypeError if it holds no numbers."""
    try:
        array = as_array(value)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{subject}: {error}") from error
    if isinstance(array, jax.Array):
        return array
    real = jnp.issubdtype(array.dtype, jnp.number) and array.dtype.kind != "c"
    needs = f"{subject} must be an array of real numbers"
    require(array.dtype == bool or real, needs, value, error=TypeError)
    return narrow(array)


def _as_static(value: Any, subject: str) -> Any:
    if isinstance(value, jax.core.Tracer):
        raise TypeError(
            f"{subject} must be known when the program is compiled, got"
            f" {describe(value)}. Give a number of Python, say with functools.partial."
        )
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple(_as_static(part, subject) for part in value)
    if type(value).__hash__ is None:
        raise TypeError(f"{subject} can't be {describe(value)}.")
    return value


def widen(images: jax.Array) -> jax.Array:
    """Converts to a dtype to compute in: float32, or float64 of float64."""
    return images.astype(jnp.float64 if images.dtype == jnp.float64 else jnp.float32)


def restore(values: jax.Array, images: jax.Array) -> jax.Array:
    """Converts what was computed of images to their dtype; levels are rounded."""
    if images.dtype == jnp.uint8:
        values = jnp.clip(jnp.round(values), 0, 255)
    return values.astype(images.dtype)


def peak_of(images: jax.Array) -> float:
    """Returns the value of white: 255 of uint8, 1 of floats."""
    return 255.0 if images.dtype == jnp.uint8 else 1.0


def check_colors(images: Any, name: str) -> jax.Array:
    """Returns images; raises a ValueError unless they have 1 or 3 channels."""
    if images.shape[-1] not in (1, 3):
        raise ValueError(
            f"{name} needs images of 1 or 3 channels, got {describe(images)}. Transform"
            " images[..., :3], and concatenate what else there is."
        )
    return images


def as_size(size: Any, name: str) -> tuple[int, int]:
    """Returns height and width, given both or one number for both."""
    pair = size if isinstance(size, tuple | list) else (size, size)
    require(len(pair) == 2, f"{name} needs size (height, width)", size)
    height, width = (check_axis(f"{name}: size", part, 1) for part in pair)
    return height, width


def check_within(name: str, what: str, value: Any, most: float = 1.0) -> None:
    """Raises an error unless an argument is a number from 0 to `most`."""
    fits = 0 <= check_number(f"{name}: {what}", value) <= most
    bound = f" <= {most:g}" * (most < math.inf)
    require(fits, f"{name} needs 0 <= {what}{bound}", value)


def as_channels(value: Any, images: Any, name: str, what: str) -> tuple[float, ...]:
    """Returns finite numbers, one for all channels of images or one for each."""
    parts = value if isinstance(value, tuple) else (value,)
    count = images.shape[-1]
    needs = f"{name} needs {what} to be a number, or one for each of {count} channels"
    require(len(parts) in (1, count), needs, value)
    numbers = [check_number(f"{name}: {what}", part) for part in parts]
    require(all(map(math.isfinite, numbers)), f"{name} needs a finite {what}", value)
    return parts


def as_fill(fill: Any, images: jax.Array, name: str) -> jax.Array:
    """Returns a value of pixels, [1] or [C], in the dtype of the images."""
    parts = as_channels(fill, images, name, "fill")
    fits = images.dtype != jnp.uint8 or all(part in range(256) for part in parts)
    needs = f"{name} needs fill from 0 to 255, levels of these uint8 images"
    require(fits, needs, fill)
    return jnp.asarray(parts, images.dtype)


def example_keys(seed: ArrayLike, epoch: ArrayLike, index: ArrayLike) -> jax.Array:
    """Makes the key of each example from the numbers that name it.

    With these in the place of one key, what a random transform draws for an example is
    a function of (seed, epoch, index), however examples are batched.

    Args:
      seed: [] integer.
      epoch: [] integer.
      index: [...] integers, the places of the examples in the dataset.

    Returns:
      [...] keys.

    Raises:
      TypeError: if a number is not an integer.
      ValueError: if `epoch` or `index` is negative or has more than 32 bits.

    Example:
      >>> example_keys(0, 3, [4, 5]).shape
      (2,)
    """
    number = check_integers(seed, "example_keys needs an integer seed")
    require(not number.ndim, "example_keys needs one seed", seed)
    key = jax.random.fold_in(jax.random.key(seed), _as_words(epoch, "epoch"))
    numbers = _as_words(index, "index")
    keys = jax.vmap(lambda number: jax.random.fold_in(key, number))(numbers.reshape(-1))
    return keys.reshape(numbers.shape)


def _as_words(numbers: Any, what: str) -> Any:
    numbers = check_integers(numbers, f"example_keys needs an integer {what}")
    if isinstance(numbers, jax.Array):
        return numbers
    if (wrong := find_outside(numbers, 2**32)) is not None:
        raise ValueError(f"example_keys needs 0 <= {what} < 2**32, got {wrong}.")
    return numbers.astype(np.uint32)


def split_key(key: Any, count: int, name: str) -> jax.Array:
    """Returns a key for each of `count` examples, given these or one to split."""
    keys = as_keys(key, f"{name}: key")
    if not keys.ndim:
        return jax.random.split(keys, count)
    if keys.shape != (count,):
        raise ValueError(
            f"{name} needs one key, or one for each of {count} examples, got keys of"
            f" shape {list(keys.shape)}."
        )
    return keys


def split_each(keys: jax.Array) -> jax.Array:
    """Splits each of [B] keys in two: [2, B]."""
    return jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)


def map_images(function: Callable[..., jax.Array], *arrays: jax.Array) -> jax.Array:
    """Applies a function of an image, and of its numbers, to batches of them.

    A CPU goes image by image, which stays in the cache, and computes one branch of a
    `jax.lax.cond`; an accelerator does all at once.
    """
    if not len(arrays[0]):
        return arrays[0]

    def one_by_one(*arrays: jax.Array) -> jax.Array:
        return jax.lax.map(lambda parts: function(*parts), arrays)

    every = jax.vmap(function)
    return jax.lax.platform_dependent(*arrays, cpu=one_by_one, default=every)


def draw_uniform(keys: jax.Array, shape: tuple[int, ...] = ()) -> jax.Array:
    """Draws numbers from 0 to 1 with each key: [B] keys to [B, *shape] float32."""
    return jax.vmap(lambda key: jax.random.uniform(key, shape, jnp.float32))(keys)


def per_example(values: jax.Array) -> jax.Array:
    """Gives [B] values the axes [B, 1, 1, 1], beside images."""
    return values[:, None, None, None]
