"""What both engines do with the arguments of `train` and `test`."""

import os
from typing import Any, Literal

import jax
import jax.numpy as jnp

from tntjax._struct import describe
from tntjax._types import SampleIterator
from tntjax.checkpoint._restore import read_from
from tntjax.engine._hooks import Hooks, check_hashable
from tntjax.engine._loop import Load, Settings
from tntjax.engine._mesh import Placement
from tntjax.engine._plan import make_plan
from tntjax.engine._state import State
from tntjax.network import Stateful
from tntjax.network._flags import check_flags

Resume = str | os.PathLike | Load
"""A folder of checkpoints, or a function that reads one."""

NOT_TOLD = """A plain function is not told. Make it a tnt.network.Stateful, which is \
passed `training`, or fix the argument with functools.partial(network, {name}=...)."""


def training_state(
    *, max_epoch: int, key: jax.Array | None, **fields: Any
) -> list[State]:
    """Makes the State that training starts from, after a look at what was given.

    Args:
      max_epoch: how many epochs.
      key: a PRNG key, or None.
      **fields: the rest of the State.

    Returns:
      A list of the State, from which `run_training` takes it: so nobody else holds the
      parameters while the engine works on its copy.
    """
    check_network(fields["network"])
    check_function("criterion", fields["criterion"])
    check_iterator(fields["iterator"])
    check_params("params", fields["params"])
    check_params("criterion_params", fields["criterion_params"])
    check_at_least("max_epoch", max_epoch, 0)
    key = jax.random.key(0) if key is None else key
    return [State(key=key, max_epoch=max_epoch, **fields)]


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
    key = jax.random.key(0) if key is None else key
    return State(key=key, training=False, **fields)


def training_settings(
    hooks: Hooks,
    update: Any,
    *,
    jit: bool,
    steps_per_call: int | Literal["auto"],
    accumulate: int,
    resume: Resume | None,
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
      placement: where on a mesh things lie, or None.

    Returns:
      The settings.
    """
    check_at_least("accumulate", accumulate, 1)
    if resume is not None and not callable(resume):
        resume = read_from(resume, [s.folder for s in hooks.scheduled if s.folder])
    return Settings(
        plan=make_plan(steps_per_call, hooks.scheduled),
        jit=jit,
        update=update,
        accumulate=accumulate,
        placement=placement,
        load=resume,
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


def check_hooks(engine: str, hooks: Any) -> None:
    """Raises a TypeError if an engine was given something else than Hooks."""
    if not isinstance(hooks, Hooks):
        raise TypeError(f"{engine} needs Hooks, got {describe(hooks)}.")


def check_network(network: Any) -> None:
    """Raises a TypeError if an engine cannot call it."""
    if not isinstance(network, Stateful) and not callable(network):
        raise TypeError(
            "network must be a function (params, input) -> output, or a"
            f" tnt.network.Stateful; got {describe(network)}."
        )
    if not isinstance(network, Stateful):
        check_flags("network", network, NOT_TOLD, given=2)
    check_hashable("network", network)


def check_function(name: str, function: Any) -> None:
    """Raises a TypeError if an argument is not a function."""
    if not callable(function):
        raise TypeError(f"{name} must be a function, got {describe(function)}.")
    check_hashable(name, function)


def check_at_least(name: str, number: Any, least: int) -> None:
    """Raises an error if an argument is no integer, or too small."""
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{name} must be an integer, got {describe(number)}.")
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {number}.")


def check_iterator(iterator: Any) -> None:
    """Raises a TypeError if an engine cannot iterate over it."""
    if not isinstance(iterator, SampleIterator):
        raise TypeError(
            "iterator must have run and chunks, as tnt.DatasetIterator has; got"
            f" {type(iterator).__name__}. Wrap it: tnt.DatasetIterator(dataset)."
        )


def check_params(name: str, params: Any) -> None:
    """Raises a TypeError if something in there has no gradient."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if not jnp.issubdtype(jnp.result_type(leaf), jnp.inexact):
            raise TypeError(
                f"{name}{jax.tree_util.keystr(path)} is {describe(leaf)}, but"
                " parameters must be floating point. Keep integers elsewhere."
            )


def check_rate(name: str, rate: Any) -> jax.Array:
    """Returns a learning rate as [] float32, or raises a ValueError below 0."""
    if not float(jnp.asarray(rate)) >= 0:
        raise ValueError(f"{name} must be at least 0, got {rate}.")
    return jnp.asarray(rate, jnp.float32)


def check_optimizer(name: str, optimizer: Any) -> None:
    """Raises a TypeError if optax did not make it."""
    if not callable(getattr(optimizer, "init", None)) or not callable(
        getattr(optimizer, "update", None)
    ):
        raise TypeError(
            f"{name} must be an optimizer of optax, such as optax.adam(1e-3); got"
            f" {describe(optimizer)}."
        )
    check_hashable(name, optimizer)
