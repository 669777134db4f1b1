import abc
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax.meter._meter import Meter
from tntjax.meter.parts._inputs import Mask, as_floats, as_pair, as_weighted


class MeterOfValues(Meter):
    """The base of meters of values: each element of what is added is one."""

    @abc.abstractmethod
    def _count(self, values: Any, weight: Any, mask: Any) -> Self:
        """Counts in values [...]; weight and mask broadcast to them."""

    def _dtype(self) -> Any:
        """Returns the dtype that values of the host are converted to."""
        return np.float32

    def add(self, value: ArrayLike, n: ArrayLike = 1, *, mask: Mask = None) -> Self:
        """Counts values in; see `Meter.add`.

        Args:
          value: [] or any shape, real; each element is one value. Whatever its dtype,
            it is computed in that of the meter.
          n: how often each value counts, an integer >= 0: [], or the leading axes of
            `value`. `add(batch_mean, n=batch_size)` weighs a batch by its size. A
            ValueError if it sums to 2**31 or more.
          mask: bool, the leading axes of `value`; False leaves the values out.
        """
        name = f"{type(self).__name__}.add"
        values = as_floats(value, self._dtype(), name)
        return self._count(values, *as_weighted(n, mask, values.shape, name))


class MeterOfPairs(Meter):
    """The base of meters of predictions and true values, element by element."""

    @abc.abstractmethod
    def _count(self, outputs: Any, targets: Any, weight: Any, mask: Any) -> Self:
        """Counts in pairs [...] and [...]; weight and mask broadcast to them."""

    def add(
        self,
        output: ArrayLike,
        target: ArrayLike,
        n: ArrayLike = 1,
        *,
        mask: Mask = None,
    ) -> Self:
        """Counts pairs in; see `Meter.add`.

        Args:
          output: [B, ...] real, or [] for one number.
          target: real, of the same shape.
          n: how often each pair counts, an integer >= 0: [], or the leading axes. A
            ValueError if it sums to 2**31 or more.
          mask: bool, the leading axes of `output`; False leaves its pairs out.
        """
        name = f"{type(self).__name__}.add"
        pair = as_pair(output, target, name)
        return self._count(*pair, *as_weighted(n, mask, pair[0].shape, name))


@jax.jit
def squared_errors(output: Any, target: Any) -> jax.Array:
    """Returns the squared error of each element, float32."""
    return (output.astype(jnp.float32) - target.astype(jnp.float32)) ** 2
