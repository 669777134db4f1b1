import dataclasses
import functools
from typing import Any, Self

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._struct import flag
from tntjax.meter._meter import Meter
from tntjax.meter.parts._count import count_of
from tntjax.meter.parts._cross_entropy import cross_entropy
from tntjax.meter.parts._inputs import Mask, as_weighted
from tntjax.meter.parts._labels import as_probabilities, check_probabilities
from tntjax.meter.parts._sums import Mean


class LogLossMeter(Meter):
    """Measures the mean of -log of the probability of what happened.

    Probabilities are held between 1.2e-7 and 1 less that, so that a certain mistake
    costs 16 and not infinity. A target that is not a class number has a loss of NaN:
    leave it out with `mask=target >= 0`.

    Args:
      logits: what is added are logits, as criteria take them, and not probabilities.

    Example:
      >>> LogLossMeter().add([[0.5, 0.5], [0.25, 0.75]], [0, 1])
      LogLossMeter(loss=0.490415, n=2)
    """

    logits: bool = flag(default=False)
    losses: Mean = Mean()

    n = count_of("losses")
    _label = "loss"

    def add(
        self,
        output: ArrayLike,
        target: ArrayLike,
        n: ArrayLike = 1,
        *,
        mask: Mask = None,
    ) -> Self:
        """Counts examples of K classes in; see `Meter.add`.

        Args:
          output: [B, K] real, a probability or logit for each class; or [B] or [B, 1],
            that of class 1 of two. It may be [K] or [] for one example.
          target: [B] or [B, 1] integers, the class numbers from 0. Of one-hot rows pass
            target.argmax(-1).
          n: how often each example counts, an integer >= 0: [] or [B].
          mask: [B] bool; False leaves the example out.

        Raises:
          ValueError: if a probability in the memory of the host is not from 0 to 1:
            those are logits.
        """
        name = "LogLossMeter.add"
        scores, labels = as_probabilities(output, target, name)
        weight, mask = as_weighted(n, mask, labels.shape, name)
        if not self.logits:
            counted = weight > 0 if mask is None else mask & (weight > 0)
            check_probabilities(scores, labels, counted, "LogLossMeter")
        losses = _losses(scores, labels, logits=self.logits)
        return dataclasses.replace(self, losses=self.losses.add(losses, weight, mask))

    def value(self) -> Any:
        """Returns the mean loss in nats, a float, NaN if nothing was counted."""
        return self.losses.value()


@functools.partial(jax.jit, static_argnames="logits")
def _losses(output: Any, target: Any, *, logits: bool) -> jax.Array:
    """Returns the loss of each example, NaN if the target is not a class number."""
    output = output.astype(jnp.float32)  # [..., K], or [...] of class 1
    binary = output.shape == target.shape
    known = (target >= 0) & (target < (2 if binary else output.shape[-1]))
    target = jnp.where(known, target, 0)
    if logits and binary:
        loss = jax.nn.softplus(jnp.where(target > 0, -output, output))
    elif logits:
        loss = cross_entropy(output, target)
    else:
        if binary:
            happened = jnp.where(target > 0, output, 1 - output)
        else:
            happened = jnp.take_along_axis(output, target[..., None], -1)[..., 0]
        least = jnp.finfo(jnp.float32).eps
        loss = -jnp.log(jnp.clip(happened, least, 1 - least))
    return jnp.where(known, loss, jnp.nan)
