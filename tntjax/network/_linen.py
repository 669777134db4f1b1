"""Modules of flax.linen."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from tntjax.network._adapted import Adapted, library
from tntjax.network._flags import flag_values, training_flags
from tntjax.network._stateful import Stateful


def linen(
    module: Any,
    variables: Mapping[str, Any],
    *,
    training: str | Sequence[str] | None = None,
) -> Adapted:
    """Adapts a module of flax.linen.

    The collection `params` is trained. All others, such as `batch_stats`, are the model
    state, and mutable. Each stream of random numbers comes from the key of the step.
    Trained, the variables are `{"params": state.params, **state.model_state}`.

    Args:
      module: the module; it is called with a batch.
      variables: what `module.init` returned.
      training: the keyword argument of the module that says whether it is in training,
        by default whichever of `train`, `training`, `is_training`, and their opposites
        `deterministic`, `use_running_average`, `inference` it has. A name with a word
        such as `eval` or `test` is one of their opposites, too; `()` is for no such
        argument.

    Returns:
      The network, parameters and model state for an engine.

    Raises:
      ImportError: if flax is not installed.
      TypeError: if the module has an argument that seems to be meant, but is not known.

    Example:
      >>> import flax.linen as nn
      >>> import jax.numpy as jnp
      >>> module = nn.Dense(2)
      >>> variables = module.init(jax.random.key(0), jnp.ones((1, 3)))
      >>> network, params, model_state = linen(module, variables)
      >>> params["kernel"].shape, model_state
      ((3, 2), {})
    """
    library("flax.linen", "linen", "flax")
    frozen = library("flax.core", "linen", "flax")
    model_state = dict(frozen.unfreeze(variables))
    params = model_state.pop("params", {})
    call = type(module).__call__
    flags = training_flags("tnt.network.linen", call, training, given=2)
    return Adapted(Stateful(Linen(module, flags)), params, model_state)


@dataclasses.dataclass(frozen=True)
class Linen:
    """Applies a module; see `Stateful`.

    Args:
      module: the module.
      flags: which keywords say whether it is in training.
    """

    module: Any
    flags: tuple[str, ...]

    def __call__(
        self,
        params: Any,
        model_state: Any,
        input: Any,
        *,
        key: jax.Array,
        training: bool,
    ) -> tuple[Any, Any]:
        """Returns the output and the new model state."""
        return self.module.apply(
            {"params": params, **model_state},
            input,
            **flag_values(self.flags, training),
            rngs={"params": key},  # from which flax makes all streams
            mutable=list(model_state),
        )
