"""Transforms of images in a row."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import jax

from tntjax._check import check_functions
from tntjax._struct import describe
from tntjax.vision._images import as_operand, split_key


def compose(*transforms: Callable[..., Any]) -> Callable[[jax.Array, Any], Any]:
    """Chains transforms of images, each random one with keys of its own.

    Args:
      *transforms: functions of images [B, ...], the first is applied first. Those whose
        first parameter is named `key` are given keys [B] and the images. Arguments are
        bound with `functools.partial(random_crop, size=32, pad=4)`.

    Returns:
      A function `(key, images) -> images`, given a key or [B] keys. What it draws for
      an example depends on its key alone. Two of the same functions are equal, so JAX
      compiles what uses them once; make each partial once.

    Raises:
      TypeError: if an argument isn't a function.

    Example:
      >>> import functools, jax.numpy as jnp
      >>> import tntjax as tnt
      >>> augment = tnt.vision.compose(
      ...     functools.partial(tnt.vision.random_crop, size=32, pad=4),
      ...     tnt.vision.random_flip,
      ...     tnt.vision.to_float,
      ... )
      >>> images = jnp.zeros((8, 32, 32, 3), jnp.uint8)
      >>> augment(jax.random.key(0), images).dtype.name
      'float32'

    Torchnet: `tnt.transform.compose` is its own, for what needs no key.
    """
    functions = check_functions(transforms, "compose")
    return _Compose(tuple((function, _takes_key(function)) for function in functions))


@dataclasses.dataclass(frozen=True, repr=False)
class _Compose:
    steps: tuple[tuple[Callable[..., Any], bool], ...]

    def __call__(self, key: jax.Array, images: Any) -> Any:
        images = as_operand(images, "compose: images")
        if not images.ndim:
            raise ValueError(f"compose needs images [B, ...], got {describe(images)}.")
        keys = split_key(key, len(images), "compose")
        for place, (transform, random) in enumerate(self.steps):
            if random:
                own = jax.vmap(jax.random.fold_in, (0, None))(keys, place)
                images = transform(own, images)
            else:
                images = transform(images)
        return images

    def __repr__(self) -> str:
        return f"compose({', '.join(describe(step[0]) for step in self.steps)})"


def _takes_key(function: Callable[..., Any]) -> bool:
    """True if the first parameter of a function is named `key`."""
    return next(iter(inspect.signature(function).parameters), None) == "key"
