import dataclasses
import inspect
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from tntjax._optional import import_optional
from tntjax.network._adapted import Adapted
from tntjax.network._check import check_module
from tntjax.network._flags import flag_values, training_flags
from tntjax.network._stateful import Stateful

NO_STATE = """tnt.network.equinox: {model} is called with a state, so pass both parts \
of eqx.nn.make_with_state({model})(...): tnt.network.equinox(model, state)."""


def equinox(
    model: Any, state: Any = None, *, training: str | Sequence[str] | None = None
) -> Adapted:
    """Adapts a module of equinox, which is written for one example.

    It is mapped over the batch, whose axis is called `"batch"` as `BatchNorm` expects,
    with a key for each example if it takes a `key`. Floating-point arrays are trained;
    the model state is `(other arrays, state)`. In a test it is in inference mode.
    Trained, it is `eqx.combine(state.params, model)` with `state.model_state[1]`.

    Args:
      model: called as `model(x)`, or as `model(x, state)` if there is a state, which
        it then returns beside its output.
      state: what `eqx.nn.make_with_state` returned beside the model, if anything.
      training: the keyword argument of the module that says whether it is in training,
        for one that does not leave that to the inference mode; see `linen`.

    Returns:
      The network, parameters and model state for an engine.

    Raises:
      ImportError: if equinox is not installed.
      TypeError: if it is no module, or has an argument that seems to be meant, but is
        not known.

    Example:
      >>> import equinox as eqx
      >>> model = eqx.nn.Linear(3, 2, key=jax.random.key(0))
      >>> network, params, model_state = equinox(model)
      >>> params.weight.shape
      (2, 3)
      >>> trained = jax.tree.map(lambda leaf: 0 * leaf, params)
      >>> float(eqx.combine(trained, model).weight.sum())
      0.0
    """
    eqx = import_optional("equinox", "tnt.network.equinox", "equinox")
    check_module("equinox", model, eqx.Module)
    own = inspect.signature(type(model).__call__).parameters.get("state")
    if state is None and own is not None and own.default is own.empty:
        raise TypeError(NO_STATE.format(model=type(model).__name__))

    def is_array(leaf: Any) -> bool:
        # The shapes are of a module that `eqx.filter_eval_shape` made.
        return eqx.is_array(leaf) or isinstance(leaf, jax.ShapeDtypeStruct)

    def is_trained(leaf: Any) -> bool:
        return is_array(leaf) and jnp.issubdtype(leaf.dtype, jnp.inexact)

    params, rest = eqx.partition(model, is_trained)
    arrays, static = eqx.partition(rest, is_array)
    options: Any = {"given": 2 if state is None else 3, "optional": True}
    call = type(model).__call__
    flags = training_flags("tnt.network.equinox", call, training, **options)
    return Adapted(Stateful(Equinox(static, flags)), params, (arrays, state))


@dataclasses.dataclass(frozen=True)
class Equinox:
    """Applies a module; see `Stateful`."""

    static: Any  # the module without its arrays
    flags: tuple[str, ...]

    def __call__(
        self, params: Any, model_state: Any, input: Any, *, key: Array, training: bool
    ) -> tuple[Any, Any]:
        eqx = import_optional("equinox", "tnt.network.equinox", "equinox")
        arrays, state = model_state
        model = eqx.combine(params, arrays, self.static)
        model = eqx.nn.inference_mode(model, value=not training)
        flags = flag_values(self.flags, training)
        takes_key = "key" in inspect.signature(type(model).__call__).parameters

        def one(x: Any, state: Any, key: jax.Array) -> tuple[Any, Any]:
            named = {**flags, "key": key} if takes_key else flags
            if state is None:
                return model(x, **named), None
            return model(x, state, **named)

        keys = jax.random.split(key, len(jax.tree.leaves(input)[0]))
        many = jax.vmap(one, (0, None, 0), (0, None), axis_name="batch")
        output, state = many(input, state, keys)
        return output, (arrays, state)
