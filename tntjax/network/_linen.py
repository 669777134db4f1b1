import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
from jax import Array

from tntjax._optional import import_optional
from tntjax._struct import describe
from tntjax.network._adapted import Adapted
from tntjax.network._check import check_module
from tntjax.network._flags import flag_values, training_flags
from tntjax.network._stateful import Stateful

GROWN = """the module changed the structure of its collection {name!r}, as `sow` does \
that adds a value in each call. Leave the collection out, so that nothing is sown: \
tnt.network.linen(module, {{k: v for k, v in variables.items() if k != {name!r}}}); or \
keep the last one: self.sow(..., init_fn=lambda: 0.0, reduce_fn=lambda _, new: new)."""


def linen(
    module: Any,
    variables: Mapping[str, Any],
    *,
    training: str | Sequence[str] | None = None,
    streams: Sequence[str] = ("dropout",),
) -> Adapted:
    """Adapts a module of flax.linen.

    The collection `params` is trained. All others, such as `batch_stats`, are the model
    state, and mutable. Each stream of random numbers comes from the key of the step:
    those of `streams`, and any other that the module asks for.
    Trained, the variables are `{"params": state.params, **state.model_state}`.

    Args:
      module: the module; it is called with a batch.
      variables: what `module.init` returned.
      training: the keyword argument of the module that says whether it is in training,
        by default whichever of `train`, `training`, `is_training`, and their opposites
        `deterministic`, `use_running_average`, `inference` it has. A name with a word
        such as `eval` or `test` is one of their opposites, too; `()` is for no such
        argument.
      streams: names of streams that are there before the module asks: so that
        `has_rng` tells, and `split_rngs` of a transformation splits them.

    Returns:
      The network, parameters and model state for an engine.

    Raises:
      ImportError: if flax is not installed.
      TypeError: if it is no module, or `variables` are not all that `init` returned; if
        the module has an argument that seems to be meant, but is not known.

    Example:
      >>> import flax.linen as nn
      >>> import jax.numpy as jnp
      >>> module = nn.Dense(2)
      >>> variables = module.init(jax.random.key(0), jnp.ones((1, 3)))
      >>> network, params, model_state = linen(module, variables)
      >>> params["kernel"].shape, model_state
      ((3, 2), {})
    """
    who = "tnt.network.linen"
    check_module("linen", module, import_optional("flax.linen", who, "flax").Module)
    _check_variables(variables)
    core = import_optional("flax.core", who, "flax")
    model_state = dict(core.unfreeze(variables))
    params = model_state.pop("params", {})
    call = type(module).__call__
    flags = training_flags(who, call, training, given=2)
    if isinstance(streams, str):
        raise TypeError(f"streams must be a list, such as [{streams!r}].")
    network = Linen(module, flags, tuple(streams))
    return Adapted(Stateful(network), params, model_state)


@dataclasses.dataclass(frozen=True)
class Linen:
    """Applies a module; see `Stateful`."""

    module: Any
    flags: tuple[str, ...]
    streams: tuple[str, ...]

    def __call__(
        self, params: Any, model_state: Any, input: Any, *, key: Array, training: bool
    ) -> tuple[Any, Any]:
        names = list(dict.fromkeys(("params", *self.streams)))
        # Of "params" flax makes any other stream that is asked for.
        rngs = dict(zip(names, jax.random.split(key, len(names)), strict=True))
        output, after = self.module.apply(
            {"params": params, **model_state},
            input,
            **flag_values(self.flags, training),
            rngs=rngs,
            mutable=list(model_state),
        )
        for name, before in model_state.items():
            if jax.tree.structure(after[name]) != jax.tree.structure(before):
                raise TypeError(GROWN.format(name=name))
        return output, after


def _check_variables(variables: Any) -> None:
    """Raises a TypeError if something is not a dict of collections."""
    collections = isinstance(variables, Mapping)
    for name, collection in variables.items() if collections else ():
        collections &= isinstance(name, str) and isinstance(collection, Mapping)
    if collections and "params" in variables:
        return
    # flax gives to a module a name such as Dense_0
    if collections and not any(re.fullmatch(r"[A-Z]\w*_\d+", n) for n in variables):
        return
    raise TypeError(
        "tnt.network.linen needs all that module.init returned, a dict of collections"
        f" such as 'params' and 'batch_stats'; got {describe(variables)}. Of parameters"
        " alone make one: {'params': params}."
    )
