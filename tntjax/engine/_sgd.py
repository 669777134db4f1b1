"""SGDEngine: plain stochastic gradient descent."""

import dataclasses
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._struct import describe
from tntjax._types import Criterion, Network, SampleIterator
from tntjax.engine._hooks import Hooks, check_hashable
from tntjax.engine._loop import run_test, run_training
from tntjax.engine._plan import make_plan
from tntjax.engine._state import State


@dataclasses.dataclass(frozen=True)
class SGDEngine:
    """Trains with `params - lr * grads`, and tests.

    Args:
      hooks: what happens at which event; see `Hooks`, `chain`, `every`, `watch`.

    Example:
      >>> import jax.numpy as jnp
      >>> import tntjax as tnt
      >>> network = lambda params, input: input * params
      >>> criterion = lambda output, target: (output - target) ** 2
      >>> batch = {"input": jnp.ones(4), "target": jnp.full(4, 3.0)}
      >>> state = SGDEngine().train(
      ...     network=network, criterion=criterion, params=jnp.zeros(()), lr=0.25,
      ...     iterator=tnt.DatasetIterator([batch] * 10), max_epoch=1,
      ... )
      >>> round(float(state.params), 2), int(state.t), int(state.samples)
      (3.0, 10, 40)

    Torchnet: `engine/sgdengine.lua`. The parameters are an argument and come back in
    the State. A sample replaced in `on_sample` is the one that is used.
    """

    hooks: Hooks = dataclasses.field(default_factory=Hooks)

    def __post_init__(self) -> None:
        if not isinstance(self.hooks, Hooks):
            raise TypeError(f"SGDEngine needs Hooks, got {describe(self.hooks)}.")

    def train(
        self,
        *,
        network: Network,
        criterion: Criterion,
        iterator: SampleIterator,
        params: Any,
        lr: float | ArrayLike,
        max_epoch: int = 1000,
        key: jax.Array | None = None,
        jit: bool = True,
        steps_per_call: int | Literal["auto"] = "auto",
    ) -> State:
        """Trains for some epochs.

        Args:
          network: `(params, input) -> output`.
          criterion: `(output, target) -> loss`, [] or [B]; of [B] the mean is
            minimised, and with a field `mask` in the sample the mean of those rows.
          iterator: samples with the fields `input` and `target`.
          params: a pytree of float arrays. They are copied and stay valid.
          lr: the learning rate, at least 0; hooks may change `state.lr`.
          max_epoch: how many epochs.
          key: a PRNG key for the hooks, by default `jax.random.key(0)`.
          jit: True to compile; False to run the same step by step in Python.
          steps_per_call: most steps in one compiled call, or `"auto"`.

        Returns:
          The State after `on_end`, its `params` trained.

        Raises:
          TypeError: if an argument or what a hook returns is of the wrong kind.
          ValueError: if `lr`, `max_epoch` or `steps_per_call` is out of range.
        """
        check_functions(network=network, criterion=criterion)
        check_iterator(iterator)
        check_params(params)
        if not float(jnp.asarray(lr)) >= 0:
            raise ValueError(f"lr must be at least 0, got {lr}.")
        if isinstance(max_epoch, bool) or not isinstance(max_epoch, int):
            raise TypeError(f"max_epoch must be an integer, got {describe(max_epoch)}.")
        if max_epoch < 0:
            raise ValueError(f"max_epoch must be at least 0, got {max_epoch}.")
        stops = tuple(scheduled.n for scheduled in self.hooks.scheduled)
        plan = make_plan(steps_per_call, stops)
        state = State(
            params=params,
            lr=jnp.asarray(lr, jnp.float32),
            key=jax.random.key(0) if key is None else key,
            network=network,
            criterion=criterion,
            iterator=iterator,
            max_epoch=max_epoch,
        )
        return run_training(state, self.hooks, sgd_update, plan, jit)

    def test(
        self,
        *,
        network: Network,
        iterator: SampleIterator,
        params: Any,
        criterion: Criterion | None = None,
        key: jax.Array | None = None,
        jit: bool = True,
        steps_per_call: int | Literal["auto"] = "auto",
    ) -> State:
        """Measures a network on all samples once.

        Of the events `on_start`, `on_sample`, `on_forward`, `on_forward_criterion`
        and `on_end` fire; `every` and `watch` count updates, so they do not.

        Args:
          network: `(params, input) -> output`.
          iterator: samples with the field `input`, and `target` with a criterion.
          params: a pytree of arrays.
          criterion: `(output, target) -> loss`, or None.
          key: a PRNG key for the hooks, by default `jax.random.key(0)`.
          jit: True to compile; False to run the same step by step in Python.
          steps_per_call: most batches in one compiled call, or `"auto"`.

        Returns:
          The State after `on_end`, with what the hooks measured. `t` counts batches.

        Raises:
          TypeError: if an argument or what a hook returns is of the wrong kind.
          ValueError: if `steps_per_call` is out of range.
        """
        check_functions(network=network)
        if criterion is not None:
            check_functions(criterion=criterion)
        check_iterator(iterator)
        state = State(
            params=params,
            key=jax.random.key(0) if key is None else key,
            network=network,
            criterion=criterion,
            iterator=iterator,
            training=False,
        )
        return run_test(state, self.hooks, make_plan(steps_per_call, ()), jit)


def sgd_update(state: State) -> State:
    """Takes `lr` times the gradients off the parameters, whose dtypes stay."""
    return state.replace(
        params=jax.tree.map(
            lambda p, g: p - (state.lr * g).astype(p.dtype), state.params, state.grads
        )
    )


def check_functions(**functions: Any) -> None:
    """Raises a TypeError if one of the arguments is not a function."""
    for name, function in functions.items():
        if not callable(function):
            raise TypeError(f"{name} must be a function, got {describe(function)}.")
        check_hashable(name, function)


def check_iterator(iterator: Any) -> None:
    """Raises a TypeError if an engine cannot iterate over it."""
    if not isinstance(iterator, SampleIterator):
        raise TypeError(
            "iterator must have run and chunks, as tnt.DatasetIterator has; got"
            f" {type(iterator).__name__}. Wrap it: tnt.DatasetIterator(dataset)."
        )


def check_params(params: Any) -> None:
    """Raises a TypeError if something in there has no gradient."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if not jnp.issubdtype(jnp.result_type(leaf), jnp.inexact):
            raise TypeError(
                f"params{jax.tree_util.keystr(path)} is {describe(leaf)}, but"
                " parameters must be floating point. Keep integers elsewhere."
            )
