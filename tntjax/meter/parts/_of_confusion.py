import dataclasses
from typing import Any, Self

from jax.typing import ArrayLike

from tntjax._array import as_array, as_mask, namespace
from tntjax._struct import describe, static
from tntjax.meter._confusion import (
    ConfusionMeter,
    add_predictions,
    as_predictions,
    check_num_classes,
)
from tntjax.meter._meter import Meter
from tntjax.meter.parts._count import count_of
from tntjax.meter.parts._inputs import Mask, is_integer


class MeterOfConfusion(Meter):
    """The base of meters that read a number off a confusion matrix."""

    num_classes: int = static()
    confusion: Any = None

    def __post_init__(self) -> None:
        if self.confusion is None:
            size = check_num_classes(self.num_classes, type(self).__name__)
            vars(self).update(confusion=ConfusionMeter(size), num_classes=size)

    n = count_of("confusion")

    def add(self, output: ArrayLike, target: ArrayLike, *, mask: Mask = None) -> Self:
        """Counts examples, or pixels, in; see `Meter.add`.

        Args:
          output: [..., K] real scores, or integers [...] of the shape of the target,
            the predicted classes.
          target: [...] integers; what is not a class, such as 255 or -1, is left out.
          mask: bool, the leading axes of the target; False leaves out.
        """
        predicted, known, kept = as_array(output), as_array(target), mask
        shape, name = known.shape, f"{type(self).__name__}.add"
        if predicted.shape == shape and _is_mask(predicted, known):
            raise TypeError(
                f"{name} needs class numbers that are integers, got output"
                f" {describe(predicted)} and target {describe(known)}. Pass masks as"
                " mask.astype('int32')."
            )
        if len(shape) > 1 and predicted.shape == shape and is_integer(predicted):
            if mask is not None:
                kept = as_mask(mask, shape, f"{name}: mask")
                kept = namespace(kept).broadcast_to(kept, shape).reshape(-1)
            predicted, known = predicted.reshape(-1), known.reshape(-1)
        inner, caller = self.confusion, type(self).__name__
        counted = as_predictions(inner, predicted, known, kept, caller)
        return dataclasses.replace(self, confusion=add_predictions(inner, *counted))

    def cells(self) -> tuple[Any, Any, Any]:
        """Returns the diagonal, the targets and the predictions of each class, [K].

        Float64 on the host, so that products of counts don't overflow.
        """
        cells = self.confusion.counts.floats()  # [..., K targets, K predictions]
        diagonal = namespace(cells).diagonal(cells, 0, -2, -1)
        return diagonal, cells.sum(-1), cells.sum(-2)


def _is_mask(predicted: Any, known: Any) -> bool:
    """True if there is a bool where no scores [..., K] are beside one-hot targets."""
    return predicted.dtype == bool or (known.dtype == bool and is_integer(predicted))


def divide(part: Any, whole: Any) -> Any:
    """Divides; NaN of nothing."""
    xp = namespace(part, whole)
    return xp.where(whole > 0, part / xp.where(whole > 0, whole, 1), xp.nan)


def mean_of_known(values: Any) -> Any:
    """Returns the mean over the last axis of what is not NaN; NaN of nothing."""
    xp = namespace(values)
    known = ~xp.isnan(values)
    return divide(xp.where(known, values, 0).sum(-1), known.sum(-1))
