import dataclasses
import functools
import math
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._array import as_array, namespace
from tntjax._struct import describe, flag, static
from tntjax.meter._meter import Meter, in_percent
from tntjax.meter.parts._arguments import check_size
from tntjax.meter.parts._count import Count, check_single
from tntjax.meter.parts._inputs import Mask, as_real, as_rows, narrow, refuse_nan
from tntjax.meter.parts._labels import same_rank
from tntjax.meter.parts._mesh import gather
from tntjax.meter.parts._sums import Total


class MultiLabelConfusionMeter(Meter):
    """Counts how often each label was taken for each: rows are targets.

    Of an example with p labels the p best scores are the predictions. A label that is
    among them counts 1 on the diagonal. The labels that are left and the predictions
    that are left, m of each, count 1/m for every pair of them. So each label adds 1 to
    its row and each prediction 1 to its column. An example without labels adds nothing.

    The parts are summed to twice the digits of float32. Of equal scores the lower label
    is predicted, one that is NaN last.

    Args:
      num_classes: how many labels there are, at least 1.
      normalized: measure shares of each row, fractions from 0 to 1, and not sums.
      cells: [num_classes, num_classes] pairs of float32.

    Raises:
      TypeError, ValueError: if an argument is something else.

    Example:
      >>> meter = MultiLabelConfusionMeter(3).add([0.9, 0.8, 0.1], [1, 0, 1])
      >>> meter.value().tolist()
      [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]

    Torchnet: `meter/multilabelconfusionmeter.lua`, whose text and code disagreed on
    the default of `normalized`; here it is the text's, False. A row's sum had about
    1e-8 for each label added before its shares were taken, and equal scores came in no
    certain order.
    """

    num_classes: int = static()
    normalized: bool = flag(default=False)
    cells: Any = None
    n: Count = Count()

    def __post_init__(self) -> None:
        size = check_size(self.num_classes, f"{type(self).__name__} needs num_classes")
        vars(self).update(num_classes=size)
        if self.cells is None:
            vars(self).update(cells=Total.zeros((size, size)))

    def add(self, output: ArrayLike, target: ArrayLike, *, mask: Mask = None) -> Self:
        """Counts examples of K labels in; see `Meter.add`.

        Args:
          output: [B, K] real scores, higher is better, or [K] for one example.
          target: [B, K] real, above 0 where it has the label; NaN is a ValueError.
          mask: [B] bool; False leaves the example out.
        """
        name = "MultiLabelConfusionMeter.add"
        check_single(self.n, 0)
        output, target = same_rank(as_array(output), as_array(target))
        scores = as_real(output, f"{name} needs real scores", "output ")
        labels = as_real(target, f"{name} needs labels that are 0 or 1", "target ")
        if scores.shape != labels.shape or scores.shape[-1:] != (self.num_classes,):
            raise ValueError(
                f"MultiLabelConfusionMeter(num_classes={self.num_classes}).add needs"
                f" output and target [B, {self.num_classes}], got output"
                f" {describe(scores)} and target {describe(labels)}. For examples"
                " of one class each use ConfusionMeter."
            )
        rows = scores.shape[:-1]
        seen = as_rows(True if mask is None else mask, rows, name)
        refuse_nan(labels, name, seen[..., None])
        return _add(self, narrow(scores), narrow(labels), seen)

    def value(self) -> Any:
        """Returns [num_classes, num_classes] float32, where rows are targets.

        If `normalized`, shares of the row; a row without labels is 0.
        """
        shown = self.cells.floats()
        if not self.normalized:
            return shown
        return shown / namespace(shown).maximum(
            shown.sum(-1, keepdims=True), np.float32(1e-12)
        )

    def summary(self) -> dict[str, Any]:
        """Returns the percentage of labels that are among the predictions."""
        cells = self.cells.floats().astype(np.float64)
        found = 100 * np.trace(cells) / cells.sum() if cells.any() else math.nan
        return {"found": in_percent(found)}


@functools.partial(jax.jit, inline=True)
def _add(meter: Any, output: Any, target: Any, seen: Any) -> Any:
    meter, output, target, seen = gather((meter, output, target, seen))
    classes = output.shape[-1]
    seen = jnp.broadcast_to(seen, output.shape[:-1]).reshape(-1)
    scores = output.reshape(-1, classes).astype(jnp.float32)  # [B, K]
    labels = (target.reshape(-1, classes) > 0) & seen[:, None]  # [B, K]
    worst_last = jnp.argsort(jnp.where(jnp.isnan(scores), jnp.inf, -scores), -1)
    ranks = jnp.argsort(worst_last, -1)  # [B, K], stable: of equals the lower label
    predicted = ranks < labels.sum(-1, keepdims=True, dtype=jnp.int32)  # [B, K]
    found = (labels & predicted).sum(0, dtype=jnp.int32).astype(jnp.float32)
    missed = (labels & ~predicted).astype(jnp.float32)
    mistaken = (predicted & ~labels).astype(jnp.float32)
    share = missed / jnp.maximum(missed.sum(-1, keepdims=True), 1)  # [B, K]
    pairs = jnp.matmul(share.T, mistaken, precision=jax.lax.Precision.HIGHEST)
    cells = meter.cells + (pairs + jnp.diag(found))
    n = meter.n + seen.sum(dtype="int32")
    return dataclasses.replace(meter, cells=cells, n=n)
