"""The arguments of `train` that engines share; `OptimEngine.train` explains them."""

import os
from typing import Any, NotRequired, TypedDict

import jax
from jax.sharding import Mesh

from tntjax._types import Criterion, Network, SampleIterator
from tntjax.engine._mesh import Shard
from tntjax.engine._plan import StepsPerCall
from tntjax.engine._run import Load
from tntjax.engine._state import State
from tntjax.network import Adapted, Stateful

Resume = str | os.PathLike | Load | bool
"""A folder of checkpoints, a function that reads one, or True for the hooks' folder."""


class RunArguments(TypedDict):
    """Those of every engine."""

    iterator: SampleIterator
    params: NotRequired[Any]
    max_epoch: NotRequired[int | None]
    max_steps: NotRequired[int | None]
    model_state: NotRequired[Any]
    key: NotRequired[jax.Array | None]
    members: NotRequired[int | None]
    mesh: NotRequired[Mesh | None]
    shard: NotRequired[Shard | None]
    data_axis: NotRequired[str]
    resume: NotRequired[Resume | None]
    state: NotRequired[State | None]
    jit: NotRequired[bool]
    steps_per_call: NotRequired[StepsPerCall]


class Arguments(RunArguments):
    """Those of engines that minimise a criterion."""

    network: Network | Stateful | Adapted
    criterion: Criterion
    criterion_params: NotRequired[Any]
    accumulate: NotRequired[int]
