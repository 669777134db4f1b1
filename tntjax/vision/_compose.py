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
      >>> import jax.numpy as jnp
      >>> import tntjax as tnt
      >>> augment = tnt.vision.compose(tnt.vision.random_flip, tnt.vision.to_float)
      >>> augment(jax.random.key(0), jnp.zeros((8, 32, 32, 3), jnp.uint8)).dtype.name
      'float32'

    Torchnet: `tnt.transform.compose` is its own, for what needs no key.
    """
    functions = check_functions(transforms, "compose")
    firsts = (next(iter(inspect.signature(f).parameters), None) for f in functions)
    return _Compose(tuple(zip(functions, (f == "key" for f in firsts), strict=True)))


@dataclasses.dataclass(frozen=True, repr=False)
class _Compose:
    steps: tuple[tuple[Callable[..., Any], bool], ...]  # and if they take a key

    def __call__(self, key: jax.Array, images: Any) -> Any:
        images = as_operand(images, "compose: images")
        if not images.ndim:
            raise ValueError(f"compose needs images [B, ...], got {describe(images)}.")
        keys = split_key(key, len(images), "compose")
        for place, (transform, random) in enumerate(self.steps):
            own = jax.vmap(jax.random.fold_in, (0, None))
            given = (own(keys, place), images) if random else (images,)
            images = transform(*given)
        return images

    def __repr__(self) -> str:
        return f"compose({', '.join(describe(step[0]) for step in self.steps)})"
