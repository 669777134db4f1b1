"""Optimizers of optax: their check, and those whose state has their learning rate."""

import inspect
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optax

from tntjax._struct import describe
from tntjax.engine._check import check_rate

Optimizer = optax.GradientTransformation | Callable[..., optax.GradientTransformation]
"""One of optax, or a function of a learning rate that makes one, as `optax.adam` is."""

Schedule = Callable[[Any], Any]
"""A schedule of optax: the number of updates done, [] int32, to a learning rate, []."""

LACKS_RATE = """{name}={optimizer} is a function of a learning rate. Pass lr=1e-3 or a \
schedule of optax as well, or call it: {name}={optimizer}(1e-3)."""

HAS_RATE = """lr is for a function of it, as in optimizer=optax.adam, lr=1e-3, but \
this optimizer was made with its rate, as optax.adam(1e-3) is. Leave out lr."""

GOES_ON = """state= goes on with the learning rate of that State: leave out lr, unless \
it is a schedule. To set another chain tnt.hooks.learning_rate({0: 0.1}), say."""


def check_optimizer(name: str, optimizer: Any) -> None:
    """Raises a TypeError if optax did not make it."""
    if not _is_made(optimizer):
        raise TypeError(
            f"{name} must be an optimizer of optax, such as optax.adam(1e-3); got"
            f" {describe(optimizer)}."
        )


def check_lr(
    optimizers: dict[str, Any], lr: Any, members: int | None, goes_on: bool
) -> tuple[Any, Schedule | None]:
    """Checks optimizers and the learning rate of those that are functions of it.

    Args:
      optimizers: by the names of the arguments.
      lr: what was given.
      members: how many there are, of which each may have its own, [N].
      goes_on: True if a State brings the rate, unless a schedule sets it.

    Returns:
      The rate, [] or [N], and the schedule, one of them None.

    Raises:
      TypeError: if something is of the wrong kind, is missing or has no effect.
      ValueError: if the rate is negative or not finite.
    """
    functions = {n: make for n, make in optimizers.items() if not _is_made(make)}
    for name, make in functions.items():
        if not callable(make) or _find_parameter(make) is None:
            check_optimizer(name, make)
        elif lr is None and not goes_on:
            raise TypeError(LACKS_RATE.format(name=name, optimizer=describe(make)))
    if lr is None:
        return None, None
    if not functions:
        raise TypeError(HAS_RATE)
    if callable(lr):
        check_rate("lr: what the schedule returned", lr(jnp.zeros((), jnp.int32)))
        return None, lr
    if goes_on:
        raise TypeError(GOES_ON)
    return check_rate("lr", lr, members), None


def keep_rate(optimizer: Optimizer, lr: Any) -> optax.GradientTransformation:
    """Makes of a function of a learning rate an optimizer whose state has it.

    Args:
      optimizer: the function; one that is made already stays as it is.
      lr: a rate, [], or a schedule. A rate counts where the optimizer starts; in an
        update it is what the state has.

    Returns:
      An optimizer of optax. The rate is float32 whatever the parameters are.
    """
    function: Any = optimizer
    if _is_made(function):
        return function

    def make(learning_rate: Any) -> optax.GradientTransformation:
        name = _find_parameter(function)
        made = function(**{name: learning_rate}) if name else function(learning_rate)
        check_optimizer(f"what {describe(function)} makes of lr", made)
        return made

    # Only the rate is kept, not what else is a number.
    keep = optax.inject_hyperparams(make, hyperparam_dtype=jnp.float32)
    return keep(learning_rate=lr)


def _is_made(optimizer: Any) -> bool:
    return callable(getattr(optimizer, "init", None)) and callable(
        getattr(optimizer, "update", None)
    )


def _find_parameter(make: Callable[..., Any]) -> str | None:
    """Finds by what name a function takes a rate, "" by its place, None if not."""
    try:
        parameters = inspect.signature(make).parameters
    except (TypeError, ValueError):  # of a built-in, say
        return None
    for name in ("learning_rate", "lr"):
        if name in parameters:
            return name
    first = next(iter(parameters.values()), None)
    # With a default it is something else, as the b1 of partial(optax.adam, 1e-3).
    by_place = (
        first and first.default is first.empty and first.kind < first.KEYWORD_ONLY
    )
    return "" if by_place else None
