"""The method `test` of every engine: the forward half of a step, over all samples."""

from typing import Any, Literal, Protocol

import jax
from jax.sharding import Mesh

from tntjax._types import Criterion, Network, SampleIterator
from tntjax.engine._hooks import Hooks
from tntjax.engine._job import test_settings, test_state
from tntjax.engine._loop import run_test
from tntjax.engine._mesh import Shard, make_placement
from tntjax.engine._names import explain_keywords
from tntjax.engine._state import State
from tntjax.network import Stateful


class HasHooks(Protocol):
    """An engine."""

    @property
    def hooks(self) -> Hooks:
        """What happens at which event."""
        ...


@explain_keywords
def test(
    engine: HasHooks,
    *,
    network: Network | Stateful,
    iterator: SampleIterator,
    params: Any,
    criterion: Criterion | None = None,
    model_state: Any = None,
    criterion_params: Any = None,
    key: jax.Array | None = None,
    mesh: Mesh | None = None,
    shard: Shard | None = None,
    data_axis: str = "data",
    jit: bool = True,
    steps_per_call: int | Literal["auto"] = "auto",
) -> State:
    """Measures a network on all samples once.

    Of the events `on_start`, `on_sample`, `on_forward`, `on_forward_criterion`
    and `on_end` fire; `every` and `watch` count updates, so they do not. An error
    carries the State after the last whole call as its attribute `state`.

    Args:
      engine: whose hooks run.
      network: `(params, input) -> output`, or a `tnt.network.Stateful`, which is
        not in training then.
      iterator: samples with the field `input`, and `target` with a criterion.
      params: a pytree of arrays.
      criterion: `(output, target) -> loss`, or None.
      model_state: what a `Stateful` network keeps; it stays as it is.
      criterion_params: parameters of the criterion.
      key: a PRNG key for the hooks and a `Stateful`, by default
        `jax.random.key(0)`.
      mesh: devices to test on together.
      shard: where on the mesh a parameter lies, as in `train`.
      data_axis: the axis of the mesh over which batches are divided.
      jit: True to compile; False to run the same step by step in Python.
      steps_per_call: most batches in one compiled call, or `"auto"`.

    Returns:
      The State after `on_end`, with what the hooks measured. `t` counts batches.

    Raises:
      TypeError: if an argument or what a hook returns is of the wrong kind.
      ValueError: if a number is out of range, or there is no sample.
    """
    state = test_state(
        network=network,
        criterion=criterion,
        iterator=iterator,
        params=params,
        model_state=model_state,
        criterion_params=criterion_params,
        key=key,
    )
    placement = make_placement(mesh, shard, data_axis)
    return run_test(state, engine.hooks, test_settings(placement, jit, steps_per_call))
