"""From gradients to new parameters: `(State, Objective) -> State`."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import jax
import optax

from tntjax._struct import describe
from tntjax.engine._gradients import Objective, conjugate
from tntjax.engine._optimizer import Optimizer, Schedule, keep_rate
from tntjax.engine._state import State

OFFERED = """This happened in the optimizer. It is called with the gradients, its \
state, the parameters and, by name, value, grad and value_fn; if its update names what \
it takes, with what it names of value, grad, value_fn, grad_fn and obj_fn. If it wants \
them by other names, wrap it:

    def update(grads, state, params, *, value_fn):
        return optimizer.update(grads, state, params, obj_fn=value_fn)

    wrapped = optax.GradientTransformationExtraArgs(optimizer.init, update)
"""


def sgd_update(state: State, objective: Objective) -> State:
    """Takes `lr` times the gradients off the parameters, whose dtypes stay."""
    del objective

    def moved(params: Any, grads: Any, lr: Any) -> Any:  # lr: [] float32
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
      optimizer: for `params`.
      criterion_optimizer: for `criterion_params`, if there are any; None for the same.
      schedule: of the rate of those that are functions of one, if there is one.
    """

    optimizer: Optimizer
    criterion_optimizer: Optimizer | None = None
    schedule: Schedule | None = None

    def start(self, params: Any, criterion_params: Any, lr: Any) -> Any:
        """Returns the first `opt_state`; with a learnable criterion that is a dict.

        Args:
          params: of the network.
          criterion_params: of the criterion, or None.
          lr: of optimizers that are functions of it, []; None if there is none, or a
            schedule, or nothing but shapes is asked for.

        Raises:
          TypeError: if `optimizer` cannot start on the criterion's parameters.
        """
        optimizer, criterion_optimizer = self._make(0.0 if lr is None else lr)
        own = optimizer.init(params)
        if criterion_params is None:
            return own
        if self.criterion_optimizer is not None:
            other = criterion_optimizer.init(criterion_params)
            return {"network": own, "criterion": other}
        try:
            return {"network": own, "criterion": optimizer.init(criterion_params)}
        except Exception as error:
            raise TypeError(
                "optimizer does not fit criterion_params"
                f" {describe(criterion_params)}. Give them one of their own:"
                " criterion_optimizer=optax.adam(1e-3)."
            ) from error

    def _make(self, lr: Any = 0.0) -> list[Any]:
        given = self.optimizer, self.criterion_optimizer or self.optimizer
        rate = lr if self.schedule is None else self.schedule
        return [keep_rate(optimizer, rate) for optimizer in given]

    def __call__(self, state: State, objective: Objective) -> State:
        """Returns the State with new parameters and `opt_state`."""
        params, other = state.params, state.criterion_params
        optimizer, criterion_optimizer = self._make()

        def at(params: Any) -> jax.Array:
            return objective.at(params, other)

        def criterion_at(other: Any) -> jax.Array:
            return objective.at(params, other)

        def update(optimizer: Any, own: Any, *what: Any) -> tuple[Any, Any]:
            return _run_optimizer(optimizer, own, objective.value, *what)

        if other is None:
            new, own = update(optimizer, state.opt_state, params, state.grads, at)
            return state.replace(params=new, opt_state=own)
        # The criterion's gradients are those before the network was updated.
        own = dict(state.opt_state)
        new, own["network"] = update(optimizer, own["network"], params, state.grads, at)
        new_other, own["criterion"] = update(
            criterion_optimizer,
            own["criterion"],
            other,
            state.criterion_grads,
            criterion_at,
        )
        return state.replace(params=new, opt_state=own, criterion_params=new_other)


def _run_optimizer(
    optimizer: Any,
    own: Any,
    value: jax.Array,
    params: Any,
    grads: Any,
    value_fn: Callable[[Any], jax.Array],
) -> tuple[Any, Any]:
    """Returns the parameters after an update, and the state of the optimizer."""

    def grad_fn(params: Any, step: Any = None) -> Any:
        del step  # optax.contrib.sam passes the number of its evaluation
        return jax.tree.map(conjugate, jax.grad(value_fn)(params))

    offered = {"value": value, "grad": grads, "value_fn": value_fn}
    # In optax.contrib sam asks for grad_fn, and sophia for obj_fn.
    by_name = {**offered, "grad_fn": grad_fn, "obj_fn": value_fn}
    # A plain optimizer ignores what it is offered.
    update = optax.with_extra_args_support(optimizer).update
    # One that names what it takes would refuse the rest.
    takes = inspect.signature(update).parameters
    if all(takes[name].kind is not inspect.Parameter.VAR_KEYWORD for name in takes):
        offered = {name: by_name[name] for name in takes if name in by_name}
    try:
        updates, own = update(grads, own, params, **offered)
    except Exception as error:
        error.add_note(OFFERED)
        raise
    return optax.apply_updates(params, updates), own  # each in its dtype
