"""What both engines do with the arguments of `train` and `test`."""

import os
from typing import Any, Literal

import jax
import jax.numpy as jnp

from tntjax._struct import describe
from tntjax.checkpoint._restore import read_from
from tntjax.engine._check import (
    check_concrete,
    check_function,
    check_iterator,
    check_key,
    check_network,
    check_params,
    check_rate,
)
from tntjax.engine._hooks import Hooks
from tntjax.engine._loop import Load, Settings
from tntjax.engine._mesh import Placement
from tntjax.engine._plan import make_plan
from tntjax.engine._state import CARRIED, State
from tntjax.utils import check_at_least

Resume = str | os.PathLike | Load
"""A folder of checkpoints, or a function that reads one."""

EPOCHS = 1000
"""How many epochs a run has if nothing says when it ends."""

NO_PARAMS = """train needs params=..., a pytree of float arrays (an empty tuple if the \
network has none), or state=... to go on from a State."""

BOTH = """state= goes on with the {fields} of that State: leave out {given}. To \
change one write state=state.replace({field}=...). To start anew from trained \
parameters leave out state= and write params=state.params."""

NOT_A_START = """state= needs a whole State of a training run, such as what train \
returned or an error's attribute `state`; this one has {lacks}. {advice}"""


def training_state(
    previous: State | None,
    start_optimizer: Any = None,
    *,
    network: Any,
    criterion: Any,
    iterator: Any,
    max_epoch: int | None,
    max_steps: int | None,
    **given: Any,
) -> list[State]:
    """Makes the State that training starts from, after a look at what was given.

    Args:
      previous: the State to go on from, or None.
      start_optimizer: `(params, criterion_params) -> opt_state`, None for SGDEngine.
      network: what is trained.
      criterion: what it is trained for.
      iterator: what it is trained on.
      max_epoch: how many epochs, or None.
      max_steps: how many updates, or None.
      **given: fields that `previous` has, too.

    Returns:
      A list of the State, from which `run_training` takes it: so nobody else holds the
      parameters while the engine works on its copy.
    """
    check_network(network)
    check_function("criterion", criterion)
    check_iterator(iterator)
    if max_epoch is not None:
        max_epoch = check_at_least("max_epoch", max_epoch, 0)
    elif max_steps is None:
        max_epoch = EPOCHS
    if max_steps is not None:
        max_steps = check_at_least("max_steps", max_steps, 0)
    if previous is None:
        fields = _from_arguments(start_optimizer, **given)
    else:
        fields = _from_state(previous, start_optimizer, given)
    ends = {"max_epoch": max_epoch, "max_steps": max_steps}
    what = {"network": network, "criterion": criterion, "iterator": iterator}
    return [State(**what, **ends, **fields)]


def _from_arguments(
    start_optimizer: Any, *, params: Any, criterion_params: Any, key: Any, **given: Any
) -> dict[str, Any]:
    check_concrete(params=params, criterion_params=criterion_params, key=key, **given)
    if params is None:
        raise TypeError(NO_PARAMS)
    check_params("params", params)
    check_params("criterion_params", criterion_params)
    fields = {"params": params, "criterion_params": criterion_params, **given}
    if start_optimizer is None:
        fields["lr"] = check_rate("lr", given["lr"])
        own = given["lr_criterion"]
        own = fields["lr"] if own is None else check_rate("lr_criterion", own)
        fields["lr_criterion"] = own
    else:
        fields["opt_state"] = start_optimizer(params, criterion_params)
    return {**fields, "key": check_key(key)}


def _from_state(
    previous: State, start_optimizer: Any, given: dict[str, Any]
) -> dict[str, Any]:
    if not isinstance(previous, State):
        raise TypeError(f"state must be a tnt.State, got {describe(previous)}.")
    came = [name for name, value in given.items() if value is not None]
    if came:
        fields, names = ", ".join(given), " and ".join(f"{name}=" for name in came)
        raise TypeError(BOTH.format(fields=fields, given=names, field=came[0]))
    carried = {name: getattr(previous, name) for name in CARRIED}
    check_concrete(**carried)
    if previous.params is None:
        advice = "What a watch sees lacks the large parts; every(n, hook) sees all."
        raise ValueError(NOT_A_START.format(lacks="no params", advice=advice))
    _check_optimizer_state(previous, start_optimizer)
    return carried


def _check_optimizer_state(previous: State, start_optimizer: Any) -> None:
    """Raises a ValueError if another optimizer has left the State."""
    anew = (
        "Go on with the same engine and optimizer, or start anew: params=state.params."
    )
    if start_optimizer is None:
        if previous.lr is None or previous.opt_state is not None:
            lacks = "an opt_state and no lr, as OptimEngine leaves it"
            raise ValueError(NOT_A_START.format(lacks=lacks, advice=anew))
        return
    wanted = jax.eval_shape(start_optimizer, previous.params, previous.criterion_params)

    def kind(leaf: Any) -> tuple:
        return jnp.shape(leaf), jnp.result_type(leaf)

    same = jax.tree.structure(wanted) == jax.tree.structure(previous.opt_state)
    if not same or any(
        kind(a) != kind(b)
        for a, b in zip(
            *map(jax.tree.leaves, (wanted, previous.opt_state)), strict=True
        )
    ):
        lacks = f"the opt_state of another optimizer: {describe(previous.opt_state)}"
        raise ValueError(NOT_A_START.format(lacks=lacks, advice=anew))


def test_state(*, key: jax.Array | None, **fields: Any) -> State:
    """Makes the State that a test starts from, after a look at what was given.

    Args:
      key: a PRNG key, or None.
      **fields: the rest of the State.

    Returns:
      The State.
    """
    check_network(fields["network"])
    if fields["criterion"] is not None:
        check_function("criterion", fields["criterion"])
    check_iterator(fields["iterator"])
    names = ("params", "model_state", "criterion_params")
    check_concrete(key=key, **{name: fields[name] for name in names})
    return State(key=check_key(key), training=False, **fields)


def training_settings(
    hooks: Hooks,
    update: Any,
    *,
    jit: bool,
    steps_per_call: int | Literal["auto"],
    accumulate: int,
    resume: Resume | None,
    goes_on: bool,
    placement: Placement | None,
) -> Settings:
    """Decides how to train.

    Args:
      hooks: all hooks.
      update: `(State, Objective) -> State`.
      jit: compile, or run step by step.
      steps_per_call: most steps in a compiled call.
      accumulate: in how many pieces the gradients are computed.
      resume: where checkpoints are, or what reads them, or None.
      goes_on: whether the State at the start is one to go on from.
      placement: where on a mesh things lie, or None.

    Returns:
      The settings.
    """
    accumulate = check_at_least("accumulate", accumulate, 1)
    if goes_on and resume is not None:
        raise TypeError(
            "state= goes on from a State in memory, resume= from one on the disk: pass"
            " one of them."
        )
    if resume is not None and not callable(resume):
        resume = read_from(resume, [s.folder for s in hooks.scheduled if s.folder])
    return Settings(
        plan=make_plan(steps_per_call, hooks.scheduled),
        jit=jit,
        update=update,
        accumulate=accumulate,
        placement=placement,
        load=resume,
        goes_on=goes_on,
    )


def test_settings(
    placement: Placement | None, jit: bool, steps_per_call: int | Literal["auto"]
) -> Settings:
    """Decides how to test.

    Args:
      placement: where on a mesh things lie, or None.
      jit: compile, or run step by step.
      steps_per_call: most batches in a compiled call.

    Returns:
      The settings.
    """
    return Settings(make_plan(steps_per_call, ()), jit, placement=placement)
