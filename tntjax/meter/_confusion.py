import dataclasses
import functools
import math
from types import ModuleType
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._array import as_array, host_or_device
from tntjax._struct import describe, flag, static
from tntjax.meter._meter import Meter, in_percent
from tntjax.meter.parts._arguments import check_size
from tntjax.meter.parts._count import Count, tally
from tntjax.meter.parts._inputs import Mask, as_real, as_rows, narrow, refuse_nan
from tntjax.meter.parts._labels import as_classes, as_predicted, best_class
from tntjax.meter.parts._plot import axes_of


class ConfusionMeter(Meter):
    """Counts how often each class was taken for each, exactly: rows are targets.

    Of equal scores the lower class number is predicted. An example without a place in
    the matrix is counted in `left_out` instead: one whose target or prediction isn't a
    class number, whose target isn't one-hot, or with a score that is NaN.

    Args:
      num_classes: how many classes there are, from 1 to 46340.
      normalized: measure shares of each row, fractions from 0 to 1, and not counts.
      counts: [num_classes, num_classes] pairs of uint32.
      n, left_out: [] pairs of uint32, how many examples are in the matrix, or not.

    Raises:
      TypeError, ValueError: if an argument is something else.

    Example:
      >>> meter = ConfusionMeter(2).add([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]], [0, 1, 1])
      >>> meter
      ConfusionMeter(accuracy=66.6667%, left_out=0, n=3)
      >>> jax.device_get(meter).value()
      array([[1, 0],
             [1, 1]])

    Torchnet: `meter/confusionmeter.lua`, labels from 1. There the matrix that was
    given out changed with later adds, a batch of one failed, output was always scores,
    and a wrong label or a row that isn't one-hot was an error. Its text speaks of
    percentages where it gives fractions, as here.
    """

    num_classes: int = static()
    normalized: bool = flag(default=False)
    counts: Any = None
    n: Count = Count()
    left_out: Count = Count()

    def __post_init__(self) -> None:
        size = check_num_classes(self.num_classes, type(self).__name__)
        vars(self).update(num_classes=size)
        if self.counts is None:
            vars(self).update(counts=Count.zeros((size, size)))

    def add(self, output: ArrayLike, target: ArrayLike, *, mask: Mask = None) -> Self:
        """Counts examples of K classes in; see `Meter.add`.

        Args:
          output: [B, K] real scores, higher is better, or [K] for one example. There
            may be more axes of examples than one: [..., K]. Or the predicted class
            numbers, integers [B] or [B, 1], if target has integers of that shape too.
          target: [B] or [B, 1] integers, the class numbers from 0, or [B, K] one-hot,
            where NaN is a ValueError.
            [K] integers beside [K] integers are class numbers of K examples, and not
            one-hot: give a single example the shape [1, K].
          mask: [B] bool; False leaves the example out.
        """
        name = type(self).__name__
        return add_predictions(self, *as_predictions(self, output, target, mask, name))

    def value(self) -> Any:
        """Returns the matrix [num_classes, num_classes].

        Row t and column p have the examples of class t that were predicted to be p.
        Counts are int64 and exact; in compiled code they are int32 and stop at
        2**31 - 1. If `normalized`, float32 shares of the row, 0 without examples.
        """
        return _shares(self.counts) if self.normalized else self.counts.integers()

    def summary(self) -> dict[str, Any]:
        """Returns the accuracy, and how many examples had no place."""
        places, n = np.arange(self.num_classes), int(self.n)  # of the matrix no copy
        right = int(self.counts[places, places].integers().sum())
        accuracy = 100 * right / n if n else math.nan
        return {"accuracy": in_percent(accuracy), "left_out": int(self.left_out)}

    def plot(self, ax: Any = None) -> Any:
        """Draws each row as shares on `ax` or a new figure; returns matplotlib's Axes.

        Raises:
          ImportError: if `ax` is None and matplotlib isn't installed.
        """
        ax, meter = axes_of(ax, type(self).__name__), jax.device_get(self)
        image = ax.imshow(_shares(meter.counts), cmap="Blues", vmin=0, vmax=1)
        ax.figure.colorbar(image, ax=ax, label="share of the target's examples")
        if self.num_classes <= 20:
            for (row, column), cell in np.ndenumerate(meter.value()):
                text = f"{cell:.2f}" if self.normalized else f"{cell:,}"
                ax.text(column, row, text, ha="center", va="center")
        ax.set(xlabel="predicted class", ylabel="target class")
        return ax


def check_num_classes(num_classes: Any, name: str) -> int:
    """Returns how many classes there are, or raises an error that names the meter."""
    size = check_size(num_classes, f"{name} needs num_classes")
    if size**2 >= 2**31:
        raise ValueError(
            f"{name} needs num_classes <= 46340, got {size}: its cells are numbered in"
            " 32 bits. PrecisionMeter(None, num_classes) and RecallMeter take any"
            " number of classes."
        )
    return size


def as_predictions(
    meter: ConfusionMeter, output: Any, target: Any, mask: Any, caller: str
) -> tuple:
    """Returns scores [..., K] or class numbers [...], true class numbers, and the mask.

    The class number of what is not one-hot is -1. Errors name the `caller`.
    """
    name, output, target = f"{caller}.add", as_array(output), as_array(target)
    if numbers := as_predicted(output, target, meter.num_classes):
        return *numbers, as_rows(mask, numbers[1].shape, name)
    one_hot = output.shape == target.shape != (*output.shape[:-1], 1) and output.ndim
    if one_hot:
        output = as_real(output, f"{name} needs real scores", "output ")
        target = as_real(target, f"{name} needs class numbers or one-hot", "target ")
    else:
        output, target = as_classes(output, target, name)
    if output.shape[-1] != meter.num_classes:
        raise ValueError(
            f"{caller}(num_classes={meter.num_classes}) needs a score for each"
            f" class, but output has {output.shape[-1]}: {describe(output)}. Predicted"
            " class numbers, such as (p > 0.5).astype('int32') of a probability, must"
            " be integers [B], as target is."
        )
    mask = as_rows(mask, output.shape[:-1], name)
    if one_hot:
        refuse_nan(target, name, None if mask is None else mask[..., None])
        target = _which(target)
    return narrow(output), target, mask


@jax.jit
def _which(target: jax.Array) -> jax.Array:
    """Finds the place of the only entry above 0, [...] int32; -1 if it is not alone."""
    hot = target > 0
    label = jnp.argmax(hot, -1).astype(jnp.int32)
    return jnp.where(hot.sum(-1, dtype=jnp.int32) == 1, label, -1)


@functools.partial(jax.jit, inline=True)
def add_predictions(
    meter: ConfusionMeter, output: Any, target: Any, mask: Any
) -> ConfusionMeter:
    """Counts what `as_predictions` returned."""
    classes = meter.num_classes
    seen = jnp.broadcast_to(True if mask is None else mask, target.shape)  # [...]
    best = output if output.ndim == target.ndim else best_class(output)  # [...]
    has_place = (target >= 0) & (target < classes) & (best >= 0) & (best < classes)
    counted = seen & has_place
    cell = target * classes + best
    counts = tally(meter.counts, jnp.where(counted, cell, classes * classes), axes=2)
    n = meter.n + counted.sum(dtype=jnp.int32)
    left_out = meter.left_out + (seen & ~has_place).sum(dtype=jnp.int32)
    return dataclasses.replace(meter, counts=counts, n=n, left_out=left_out)


@host_or_device
def _shares(xp: ModuleType, counts: Count) -> Any:
    cells = counts.floats()
    shares = cells / xp.maximum(cells.sum(-1, keepdims=True), np.float32(1e-12))
    return shares.astype(np.float32)
