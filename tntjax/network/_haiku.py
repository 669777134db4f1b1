import dataclasses
import inspect
from collections.abc import Sequence
from typing import Any

from jax import Array

from tntjax._optional import import_optional
from tntjax.network._adapted import Adapted
from tntjax.network._check import check_module
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
        training; see `linen`.

    Returns:
      The network, parameters and model state for an engine.

    Raises:
      ImportError: if haiku is not installed.
      TypeError: if neither of these returned it, as `hk.multi_transform` does not;
        if there is a state without `hk.transform_with_state`, or none with it;
        if the function has an argument that seems to be meant, but is not known.

    Example:
      >>> import haiku as hk
      >>> import jax
      >>> import jax.numpy as jnp
      >>> linear = hk.transform(lambda input: hk.Linear(2)(input))
      >>> params = linear.init(jax.random.key(0), jnp.ones((1, 3)))
      >>> network, params, model_state = haiku(linear, params)
      >>> params["linear"]["w"].shape
      (3, 2)
    """
    hk = import_optional("haiku", "tnt.network.haiku", "haiku")
    check_module("haiku", transformed, hk.Transformed, hk.TransformedWithState)
    stateful = isinstance(transformed, hk.TransformedWithState)
    if stateful != (state is not None):
        raise TypeError(
            "tnt.network.haiku needs the state that hk.transform_with_state's init"
            " returned, and none with hk.transform: (transformed, *init(key, input))."
        )
    apply, before = transformed.apply, 2 if stateful else 1
    random = list(inspect.signature(apply).parameters)[before : before + 1] == ["rng"]
    given = before + random + 1
    flags = training_flags("tnt.network.haiku", apply, training, given=given)
    network = Stateful(Haiku(apply, stateful, random, flags))
    return Adapted(network, params, state)


@dataclasses.dataclass(frozen=True)
class Haiku:
    """Applies a transformed function; see `Stateful`."""

    function: Any
    stateful: bool  # it takes and returns a state
    random: bool  # it takes a key, as without `hk.without_apply_rng`
    flags: tuple[str, ...]

    def __call__(
        self, params: Any, model_state: Any, input: Any, *, key: Array, training: bool
    ) -> tuple[Any, Any]:
        flags = flag_values(self.flags, training)
        given = (key, input) if self.random else (input,)
        if self.stateful:
            return self.function(params, model_state, *given, **flags)
        return self.function(params, *given, **flags), model_state
