"""From gradients to new parameters: `(State, Objective) -> State`."""

import dataclasses
from typing import Any

import jax
import optax

from tntjax.engine._gradients import Objective
from tntjax.engine._state import State


def sgd_update(state: State, objective: Objective) -> State:
    """Takes `lr` times the gradients off the parameters, whose dtypes stay."""
    del objective

    def moved(params: Any, grads: Any, lr: Any) -> Any:
        return jax.tree.map(lambda p, g: p - (lr * g).astype(p.dtype), params, grads)

    state = state.replace(params=moved(state.params, state.grads, state.lr))
    if state.criterion_params is None:
        return state
    own = moved(state.criterion_params, state.criterion_grads, state.lr_criterion)
    return state.replace(criterion_params=own)


@dataclasses.dataclass(frozen=True)
class OptaxUpdate:
    """Lets optax change the parameters.

    Args:
      optimizer: for `params`; it is given `value`, `grad` and `value_fn`, too.
      criterion_optimizer: for `criterion_params`, if there are any.
    """

    optimizer: optax.GradientTransformation
    criterion_optimizer: optax.GradientTransformation

    def start(self, params: Any, criterion_params: Any) -> Any:
        """Returns the first `opt_state`; with a learnable criterion that is a dict."""
        own = self.optimizer.init(params)
        if criterion_params is None:
            return own
        other = self.criterion_optimizer.init(criterion_params)
        return {"network": own, "criterion": other}

    def __call__(self, state: State, objective: Objective) -> State:
        """Returns the State with new parameters and `opt_state`."""
        learnable = state.criterion_params is not None
        own = state.opt_state["network"] if learnable else state.opt_state
        optimizer = optax.with_extra_args_support(self.optimizer)
        updates, own = optimizer.update(
            state.grads,
            own,
            state.params,
            value=objective.value,
            grad=state.grads,
            value_fn=objective.value_fn,
        )
        params = optax.apply_updates(state.params, updates)
        if not learnable:
            return state.replace(params=params, opt_state=own)
        updates, other = self.criterion_optimizer.update(
            state.criterion_grads, state.opt_state["criterion"], state.criterion_params
        )
        return state.replace(
            params=params,
            opt_state={"network": own, "criterion": other},
            criterion_params=optax.apply_updates(state.criterion_params, updates),
        )
