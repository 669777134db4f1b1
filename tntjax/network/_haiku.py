"""Functions that haiku transformed."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax

from tntjax.network._adapted import Adapted, library
from tntjax.network._flags import flag_values, training_flags
from tntjax.network._stateful import Stateful


def haiku(
    transformed: Any,
    params: Any,
    state: Any = None,
    *,
    training: str | Sequence[str] | None = None,
) -> Adapted:
    """Adapts a function that haiku transformed.

    Trained, `state.params` and `state.model_state` are what its `apply` takes.

    Args:
      transformed: what `hk.transform` or `hk.transform_with_state` returned.
      params: what its `init` returned.
      state: what its `init` returned beside them, with `hk.transform_with_state`.
      training: the keyword argument of the function that says whether it is in
        training, by default whichever of `is_training`, `train`, `training`, and their
        opposites `deterministic`, `use_running_average`, `inference` it has. A name
        with a word such as `eval` or `test` is one of their opposites, too; `()` is for
        no such argument.

    Returns:
      The network, parameters and model state for an engine.

    Raises:
      ImportError: if haiku is not installed.
      TypeError: if there is a state without `hk.transform_with_state`, or none with it;
        if the function has an argument that seems to be meant, but is not known.

    Example:
      >>> import haiku as hk
      >>> import jax.numpy as jnp
      >>> linear = hk.transform(lambda input: hk.Linear(2)(input))
      >>> params = linear.init(jax.random.key(0), jnp.ones((1, 3)))
      >>> network, params, model_state = haiku(linear, params)
      >>> params["linear"]["w"].shape
      (3, 2)
    """
    hk = library("haiku", "haiku", "haiku")
    stateful = isinstance(transformed, hk.TransformedWithState)
    if stateful != (state is not None):
        raise TypeError(
            "tnt.network.haiku needs the state that hk.transform_with_state's init"
            " returned, and none with hk.transform: (transformed, *init(key, input))."
        )
    given = 4 if stateful else 3
    flags = training_flags(
        "tnt.network.haiku", transformed.apply, training, given=given
    )
    return Adapted(Stateful(Haiku(transformed.apply, stateful, flags)), params, state)


@dataclasses.dataclass(frozen=True)
class Haiku:
    """Applies a transformed function; see `Stateful`.

    Args:
      function: its `apply`.
      stateful: whether that takes and returns a state.
      flags: which keywords say whether it is in training.
    """

    function: Any
    stateful: bool
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
        flags = flag_values(self.flags, training)
        if self.stateful:
            return self.function(params, model_state, key, input, **flags)
        return self.function(params, key, input, **flags), model_state
