"""The base of meters that compare images, each with its original."""

import abc
import dataclasses
import math
from typing import Any, Self

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._array import as_array
from tntjax._check import require
from tntjax._numbers import check_number
from tntjax._struct import static
from tntjax.meter import Meter
from tntjax.meter.parts._count import count_of
from tntjax.meter.parts._inputs import as_pair, as_rows, is_integer
from tntjax.meter.parts._sums import Mean


class MeterOfImages(Meter):
    """The base of meters of a number for each image, of which they give the mean."""

    peak: float = static(default=1.0)
    mean: Mean = Mean()

    def __post_init__(self) -> None:
        name = type(self).__name__
        peak = check_number(f"{name}: peak", self.peak)
        require(0 < peak < math.inf, f"{name} needs 0 < peak < infinity", peak)
        vars(self).update(peak=peak)

    n = count_of("mean")

    @abc.abstractmethod
    def _measure(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Returns [B] float32 of images [B, H, W, C] float32."""

    def add(
        self, output: ArrayLike, target: ArrayLike, *, mask: ArrayLike | None = None
    ) -> Self:
        """Counts images in; see `Meter.add`.

        Args:
          output: [B, H, W, C] real, from 0 to `peak`, or one image [H, W, C] of up to
            four channels. Integers are levels: `peak` is not 1 then.
          target: the originals, of the same shape.
          mask: [B] bool; False leaves an image out.
        """
        name = f"{type(self).__name__}.add"
        if self.peak == 1 and any(is_integer(as_array(x)) for x in (output, target)):
            raise ValueError(
                f"{name} needs floats from 0 to 1, as peak is 1, got integers. For"
                f" levels from 0 to 255: {type(self).__name__}(255)."
            )
        pair = as_pair(output, target, name)
        shape = pair[0].shape
        # [B, H, W] of grey images would pass for one image of W channels
        if len(shape) not in (3, 4) or shape[-1] > 4 > len(shape) or 0 in shape[-3:]:
            raise ValueError(
                f"{name} needs images [B, H, W, C], got {list(shape)}. Give grey images"
                " an axis: images[..., None]."
            )
        shape = (1, *shape)[-4:]
        x, y = (jnp.asarray(side, jnp.float32).reshape(shape) for side in pair)
        mask = as_rows(mask, shape[:1], name)
        mean = self.mean.add(self._measure(x, y), jnp.ones((), jnp.int32), mask)
        return dataclasses.replace(self, mean=mean)

    def value(self) -> Any:
        """Returns the mean over images, a float; NaN of none."""
        return self.mean.value()
