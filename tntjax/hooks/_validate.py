"""A test after each epoch."""

from collections.abc import Callable
from typing import Any

from tntjax._check import check_optional_functions
from tntjax._numbers import check_at_least
from tntjax._struct import describe
from tntjax.engine import Hooks, OptimEngine, SGDEngine, State
from tntjax.engine._check import check_iterator, check_key
from tntjax.engine._engine import check_running
from tntjax.engine._fire import copy_containers
from tntjax.engine._names import check_names
from tntjax.hooks._bind import bind
from tntjax.hooks._score import claim_measured, put_measured

PASSED_ON = ("key", "mesh", "shard", "data_axis", "jit", "steps_per_call")
"""Arguments of `test` that are given where `validate` is made."""


def validate(
    engine: SGDEngine | OptimEngine,
    iterator: Any,
    *,
    score: Callable[[State], Any] | None = None,
    report: Callable[[State, State], None] | None = None,
    params: Callable[[State], Any] | None = None,
    every: int = 1,
    name: str = "validate",
    **arguments: Any,
) -> Hooks:
    """Tests at the end of an epoch, with what is being trained.

    The engine is another one, with hooks of its own: what they measure is theirs, and
    the State of the training run stays as it is, but for the score. That is
    `state.aux[name]`, a [] float32, and `state.aux[name + ".epoch"]` is after which
    epoch it was measured. Before the first test they are the largest float32 and 0.
    `early_stopping` and `plateau`, chained after this, read the score there.

    Args:
      engine: whose `test` is called.
      iterator: samples to test on.
      score: from the State that `test` returns to a number, None to keep none. Lower
        is better for those who read it, unless they are told to `maximize`.
      report: called with the State of the training run and the one `test` returned.
      params: from the State to the parameters to test, by default `state.params`; for
        averaged ones `tnt.hooks.ema_params`.
      every: how many epochs apart.
      name: of the score in `state.aux`.
      **arguments: passed on to `test`: `key`, `mesh`, `shard`, `data_axis`, `jit` and
        `steps_per_call`.

    Returns:
      A Hooks value, to be chained with others.

    Raises:
      TypeError: if an argument is of the wrong kind, or `test` has none of the name.
      ValueError: if a number is out of range, or, when it runs, if the name is taken.

    Example:
      >>> import jax.numpy as jnp
      >>> import tntjax as tnt
      >>> loss = tnt.hooks.metering(loss=(tnt.AverageValueMeter(), lambda s: s.loss))
      >>> batches = tnt.DatasetIterator([{"input": jnp.ones(4), "target": jnp.ones(4)}])
      >>> hooks = tnt.hooks.validate(
      ...     tnt.SGDEngine(loss), batches,
      ...     score=lambda result: result.meters["loss"].value().mean,
      ... )
      >>> state = tnt.SGDEngine(hooks).train(
      ...     network=lambda params, input: params * input, params=jnp.zeros(()),
      ...     criterion=lambda output, target: (output - target) ** 2, lr=0.25,
      ...     iterator=batches, max_epoch=1,
      ... )
      >>> float(state.aux["validate"])
      0.25

    Torchnet: `engine:test` in a hook `onEndEpoch`.
    """
    if not callable(getattr(engine, "test", None)) or isinstance(engine, type):
        raise TypeError(
            "validate needs an engine, such as tnt.SGDEngine(hooks), got"
            f" {describe(engine)}."
        )
    check_optional_functions("validate", score=score, report=report, params=params)
    every = check_at_least("validate: every", every, 1)
    check_iterator(iterator)
    own = ("score", "report", "params", "every", "name")
    check_names("validate", arguments, [*own, *PASSED_ON])
    check_key(arguments.get("key"))
    check_running(**{name: arguments[name] for name in arguments if name != "key"})

    def test(state: State) -> State:
        if int(state.epoch) % every:
            return state
        result = engine.test(
            network=state.network,
            criterion=state.criterion,
            iterator=iterator,
            params=state.params if params is None else params(state),
            model_state=state.model_state,
            criterion_params=state.criterion_params,
            members=state.members,
            **arguments,
        )
        if score is not None:
            state = put_measured(state, name, score(result))
        if report is not None:
            report(copy_containers(state), result)
        return state

    start = None if score is None else bind(claim_measured, name)
    return Hooks(on_start=start, on_end_epoch=test)
