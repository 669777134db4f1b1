"""Batches of images and keys: what transforms on a device take and give back."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._numbers import check_at_least, check_number
from tntjax._struct import describe

LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in the grey of a colour: ITU-R BT.601, as in Pillow."""


ARRAYS = frozenset(
    "key images targets mask boxes scores labels flipped windows first second".split()
)
"""Names of parameters that are arrays; the others are parts of a program."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def compiled(
    function: Callable[Parameters, Result],
) -> Callable[Parameters, Result]:
    """Compiles a transform as one program, as many small ones wait for Python.

    Lists among the arguments become tuples, which programs can be told apart by.
    """
    names = list(inspect.signature(function).parameters)
    static = [name for name in names if name not in ARRAYS]
    run = jax.jit(function, static_argnames=static, inline=True)

    @functools.wraps(function)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        given = dict(zip(names, args, strict=False)) | kwargs
        fixed = {name: given[name] for name in static if name in given}
        fixed = {n: tuple(v) if isinstance(v, list) else v for n, v in fixed.items()}
        arrays = {name: given[name] for name in given if name not in fixed}
        return run(**arrays, **fixed)

    return call


def as_images(images: Any, name: str) -> jax.Array:
    """Checks that images are [B, H, W, C] uint8 or floats; `name` begins an error."""
    if jnp.ndim(images) != 4:
        raise ValueError(
            f"{name} needs images [B, H, W, C], got {describe(images)}. Give one image"
            " as image[None], and grey ones an axis: images[..., None]."
        )
    images = jnp.asarray(images)
    if images.dtype != jnp.uint8 and not jnp.issubdtype(images.dtype, jnp.floating):
        raise TypeError(
            f"{name} needs uint8 levels or floats, got {describe(images)}. Convert with"
            " images.astype('uint8'), or divide by the largest level."
        )
    return images


def widen(images: jax.Array) -> jax.Array:
    """Converts to a dtype to compute in: float32, or float64 of float64."""
    return images.astype(jnp.promote_types(images.dtype, jnp.float32))


def restore(values: jax.Array, images: jax.Array) -> jax.Array:
    """Converts what was computed of images to their dtype; levels are rounded."""
    if images.dtype == jnp.uint8:
        values = jnp.clip(jnp.round(values), 0, 255)
    return values.astype(images.dtype)


def peak_of(images: jax.Array) -> float:
    """Returns the value of white: 255 of uint8, 1 of floats."""
    return 255.0 if images.dtype == jnp.uint8 else 1.0


def check_colors(images: jax.Array, name: str) -> None:
    """Raises a ValueError unless images are grey or of red, green and blue."""
    if images.shape[-1] not in (1, 3):
        raise ValueError(
            f"{name} needs images of 1 or 3 channels, got {describe(images)}. Transform"
            " images[..., :3], and concatenate what else there is."
        )


def luma(values: jax.Array) -> jax.Array:
    """Computes the grey of colours, [..., C] to [..., 1]; of one channel, itself."""
    if values.shape[-1] == 1:
        return values
    return sum(share * values[..., c : c + 1] for c, share in enumerate(LUMA))  # type: ignore[return-value]  # sum starts with 0


def as_size(size: Any, name: str) -> tuple[int, int]:
    """Returns height and width, given both or one number for both."""
    pair = size if isinstance(size, tuple | list) else (size, size)
    if len(pair) != 2:
        raise ValueError(f"{name} needs size (height, width), got {describe(size)}.")
    height, width = (check_at_least(f"{name}: size", part, 1) for part in pair)
    return height, width


def as_range(
    pair: Any, name: str, least: float = 0.0, most: float = float("inf")
) -> tuple[float, float]:
    """Returns the two numbers of a range; raises a ValueError if it is not one."""
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ValueError(f"{name} needs two numbers (low, high), got {describe(pair)}.")
    low, high = (check_number(name, number) for number in pair)
    if not least <= low <= high <= most:
        raise ValueError(
            f"{name} needs {least:g} <= low <= high <= {most:g}, got {describe(pair)}."
        )
    return low, high


def as_rate(rate: Any, name: str) -> float:
    """Returns a probability; raises a ValueError if it is not one."""
    return as_range((0, rate), f"{name}: rate", 0.0, 1.0)[1]


def example_keys(seed: ArrayLike, epoch: ArrayLike, index: ArrayLike) -> jax.Array:
    """Makes the key of each example from the numbers that name it.

    Given to a random transform in the place of one key, they make what is drawn for an
    example a function of (seed, epoch, index), however examples are batched.

    Args:
      seed: [] integer.
      epoch: [] integer.
      index: [...] integers, the places of the examples in the dataset.

    Returns:
      [...] keys.

    Example:
      >>> example_keys(0, 3, [4, 5]).shape
      (2,)
    """
    key = jax.random.fold_in(jax.random.key(seed), epoch)
    index = jnp.asarray(index)
    keys = jax.vmap(lambda number: jax.random.fold_in(key, number))(index.reshape(-1))
    return keys.reshape(index.shape)


def split_key(key: Any, count: int, name: str) -> jax.Array:
    """Returns a key for each of `count` examples, given these or one to split."""
    dtype = getattr(key, "dtype", None)
    if dtype == jnp.uint32:
        key = jax.random.wrap_key_data(key)
    elif dtype is None or not jnp.issubdtype(dtype, jax.dtypes.prng_key):
        raise TypeError(
            f"{name} needs a key of JAX, such as jax.random.key(0), got"
            f" {describe(key)}."
        )
    if key.shape == ():
        return jax.random.split(key, count)
    if key.shape != (count,):
        raise ValueError(
            f"{name} needs one key, or one for each of {count} examples, got keys of"
            f" shape {list(key.shape)}."
        )
    return key


def draw_uniform(keys: jax.Array, shape: tuple[int, ...] = ()) -> jax.Array:
    """Draws numbers from 0 to 1 with each key: [B] keys to [B, *shape] float32."""
    return jax.vmap(lambda key: jax.random.uniform(key, shape, jnp.float32))(keys)


def per_example(values: jax.Array) -> jax.Array:
    """Gives [B] values the axes [B, 1, 1, 1], beside images."""
    return values[:, None, None, None]
