import dataclasses
from typing import Any, overload

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from tntjax._types import Network
from tntjax.network._adapted import Adapted
from tntjax.network._check import check_network
from tntjax.network._stateful import Stateful, forward


@overload
def mixed_precision(network: Adapted, compute: DTypeLike = ...) -> Adapted: ...


@overload
def mixed_precision(
    network: Network | Stateful, compute: DTypeLike = ...
) -> Stateful: ...


def mixed_precision(
    network: Network | Stateful | Adapted, compute: DTypeLike = jnp.bfloat16
) -> Stateful | Adapted:
    """Makes a network compute in another floating-point type.

    Parameters and input are cast to it where they are floating point, and the output
    back to float32. The parameters themselves and the model state keep their types, so
    gradients and updates have theirs. With float16 scale the loss, or small gradients
    vanish; bfloat16 has the range of float32 and needs nothing.

    Args:
      network: `(params, input) -> output`, or a `Stateful`, or an adapted module.
      compute: a floating-point dtype.

    Returns:
      A network that takes the same parameters and model state; of an adapted module
      with these.

    Raises:
      TypeError: if it is no network, or `compute` is not a floating-point dtype.

    Example:
      >>> network = mixed_precision(lambda params, input: params * input)
      >>> output, _ = forward(network, 1 / 3, None, jnp.ones(1), None, True)
      >>> print(output.dtype, float(output[0]))
      float32 0.333984375

    Torchnet: has one type for all, that of the network.
    """
    if isinstance(network, Adapted):
        inner = mixed_precision(network.network, compute)
        return network._replace(network=inner)
    check_network(network)
    try:
        floating = compute is not None and jnp.issubdtype(compute, jnp.floating)
    except TypeError:  # a name that NumPy does not know
        floating = False
    if not floating:
        raise TypeError(
            "compute must be a floating-point dtype, such as jnp.bfloat16, got"
            f" {compute!r}."
        )
    return Stateful(MixedPrecision(network, jnp.dtype(compute)))


@dataclasses.dataclass(frozen=True)
class MixedPrecision:
    """Applies a network in another type; see `Stateful`."""

    network: Network | Stateful
    compute: DTypeLike

    def __call__(
        self, params: Any, model_state: Any, input: Any, *, key: Array, training: bool
    ) -> tuple[Any, Any]:
        params, input = _cast(params, self.compute), _cast(input, self.compute)
        output, after = forward(self.network, params, model_state, input, key, training)
        if jax.tree.structure(after) == jax.tree.structure(model_state):
            after = jax.tree.map(
                lambda new, old: _cast(new, jnp.result_type(old)), after, model_state
            )
        return _cast(output, jnp.float32), after


def _cast(tree: Any, dtype: DTypeLike) -> Any:
    """Casts the floating-point leaves of a tree to another type."""

    def cast(leaf: Any) -> Any:
        floating = jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
        return jnp.asarray(leaf, dtype) if floating else leaf

    return jax.tree.map(cast, tree)
