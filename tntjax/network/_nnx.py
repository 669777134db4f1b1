import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
from jax import Array

from tntjax._optional import import_optional
from tntjax.network._adapted import Adapted
from tntjax.network._check import check_module
from tntjax.network._flags import flag_values, training_flags
from tntjax.network._stateful import Stateful


def nnx(model: Any, *, training: str | Sequence[str] | None = None) -> Adapted:
    """Adapts a module of flax.nnx, which itself does not change.

    Variables of type `nnx.Param` are trained, all others are the model state. The
    parameters are dicts by the names of attributes, with the numbers of layers in a
    list; labels for `optax.partition` are such a dict or the upper part of one. The
    module is in `train()` in training and in `eval()` in a test. Its streams of random
    numbers are seeded from the key of the step, and their own keys stay as they are.
    `nnx.update(model, state.params, state.model_state)` makes it the trained one.

    Args:
      model: the module; it is called with a batch.
      training: the keyword argument of the module that says whether it is in training,
        for one that does not leave that to `train()` and `eval()`; see `linen`.

    Returns:
      The network, parameters and model state for an engine.

    Raises:
      ImportError: if flax is not installed.
      TypeError: if it is no module, or has an argument that seems to be meant, but is
        not known.

    Example:
      >>> from flax.nnx import Linear, Rngs, update
      >>> model = Linear(3, 2, rngs=Rngs(0))
      >>> network, params, model_state = nnx(model)
      >>> params["kernel"].shape
      (3, 2)
      >>> update(model, jax.tree.map(lambda leaf: 0 * leaf, params), model_state)
      >>> float(model.kernel.sum())
      0.0
    """
    flax = import_optional("flax.nnx", "tnt.network.nnx", "flax")
    check_module("nnx", model, flax.Module)
    graph, params, model_state = flax.split(model, flax.Param, ...)
    call = type(model).__call__
    flags = training_flags("tnt.network.nnx", call, training, given=2, optional=True)
    return Adapted(Stateful(Nnx(graph, flags)), flax.to_pure_dict(params), model_state)


@dataclasses.dataclass(frozen=True)
class Nnx:
    """Applies a module; see `Stateful`."""

    graph: Any  # the module without its variables
    flags: tuple[str, ...]

    def __call__(
        self, params: Any, model_state: Any, input: Any, *, key: Array, training: bool
    ) -> tuple[Any, Any]:
        flax = import_optional("flax.nnx", "tnt.network.nnx", "flax")
        # Variables may be changed only where they were made: these are made here.
        own = jax.tree.map(lambda leaf: leaf, (params, model_state))
        model = flax.merge(self.graph, *own)
        if training:
            model.train()
        else:
            model.eval()
        random, structure = jax.tree.flatten(flax.state(model, flax.RngState))
        flax.update(model, _seeded(flax.state(model, flax.RngKey), key))
        output = model(input, **flag_values(self.flags, training))
        flax.update(model, jax.tree.unflatten(structure, random))
        return output, flax.state(model, flax.Not(flax.Param))


def _seeded(keys: Any, key: jax.Array) -> Any:
    """Makes another key for each of these, of the same shape."""
    leaves, structure = jax.tree.flatten(keys)
    own = jax.random.split(key, len(leaves))
    fresh = [jax.random.split(k, old.shape) for k, old in zip(own, leaves, strict=True)]
    return jax.tree.unflatten(structure, fresh)
