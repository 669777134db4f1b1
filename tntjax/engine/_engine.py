"""The common part of engines: arguments of `train`, method `test`, explanations."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, Protocol, get_args

import jax
from jax.sharding import Mesh

from tntjax._check import check_function
from tntjax._numbers import check_at_least, check_boolean
from tntjax._types import Criterion, Network, SampleIterator
from tntjax.checkpoint._restore import read_from
from tntjax.engine._arguments import Resume
from tntjax.engine._check import (
    check_concrete,
    check_iterator,
    check_key,
    refuse_state,
)
from tntjax.engine._history import History, rows_until
from tntjax.engine._hooks import Hooks
from tntjax.engine._loop import Testing, Training
from tntjax.engine._mesh import Placement, Shard, make_placement
from tntjax.engine._names import ELSEWHERE, IN_A_STEP, IN_A_TEST, check_names
from tntjax.engine._plan import StepsPerCall, check_steps_per_call, make_plan
from tntjax.engine._program import OwnStep
from tntjax.engine._rescue import explain_jax
from tntjax.engine._run import Load, Run
from tntjax.engine._start import (
    Start,
    fields_of_arguments,
    fields_of_state,
    start_members,
)
from tntjax.engine._state import State
from tntjax.network import Adapted, Stateful
from tntjax.network._adapted import take_apart
from tntjax.network._check import check_network

Given = ParamSpec("Given")

LONE_RATE = """lr_criterion is the rate of criterion_params: pass these as well, or \
leave it out."""

NO_FOLDER = """resume=True goes on from the folder in which a hook saves, but they \
save {where}. Chain one tnt.hooks.checkpoint(folder), or write resume=folder."""

EPOCHS = 1000
"""How many epochs a run has if nothing says when it ends."""


def make_training(
    engine: "HasHooks",
    update: Any,
    start: Start,
    own: dict[str, Any],
    *,
    network: Network | Stateful | Adapted | None,
    criterion: Criterion | None,
    iterator: SampleIterator,
    params: Any = None,
    max_epoch: int | None = None,
    max_steps: int | None = None,
    model_state: Any = None,
    criterion_params: Any = None,
    key: jax.Array | None = None,
    accumulate: int = 1,
    members: int | None = None,
    mesh: Mesh | None = None,
    shard: Shard | None = None,
    data_axis: str = "data",
    resume: Resume | None = None,
    state: State | None = None,
    jit: bool = True,
    steps_per_call: StepsPerCall = "auto",
) -> Training:
    """Checks what `train` was given, and makes the training of it.

    `update` is what the engine does with gradients, `start` makes the fields of a State
    that are its own, and `own` are the arguments for these.
    """
    hooks = engine.hooks
    # A step of the user's may do without network and criterion.
    minimises = not isinstance(update, OwnStep)
    if minimises or network is not None:
        check_network(network)
    if minimises or criterion is not None:
        check_function(criterion, "criterion must be a function, but it")
    check_iterator(iterator)
    resume = None if resume is False else resume  # what the flag of a program gives
    if state is not None and resume is not None:
        raise TypeError(
            "state= goes on from a State in memory, resume= from one on the disk: pass"
            " one of them."
        )
    folders = _find_folders(hooks)
    ends = _check_ends(max_epoch, max_steps)
    lone = criterion_params is None and own.get("lr_criterion") is not None
    if lone and state is None:  # a State may bring criterion_params of its own
        raise TypeError(LONE_RATE)
    given = {"params": params, **own, "model_state": model_state}  # None with state=
    given |= {"criterion_params": criterion_params, "key": key}
    if state is None:
        fields = fields_of_arguments(start, given, mesh is not None, members)
    else:
        fields = fields_of_state(state, start, given, members)
    what = {"network": network, "criterion": criterion, "iterator": iterator}
    rows = [] if state is None else rows_until(state)  # of what it goes on from
    what |= {"engine": engine, "recorded": History(rows)}
    run = Run(
        hooks=hooks,
        plan=make_plan(steps_per_call, hooks.schedule),
        jit=check_boolean("jit", jit),
        placement=make_placement(mesh, shard, data_axis),
        update=update,
        accumulate=check_at_least("accumulate", accumulate, 1),
        load=_find_load(resume, folders),
        goes_on=state is not None,
    )
    return Training(State(**what, **ends, **fields), run)


def _check_ends(max_epoch: int | None, max_steps: int | None) -> dict[str, int | None]:
    if max_epoch is None and max_steps is None:
        max_epoch = EPOCHS
    ends = {"max_epoch": max_epoch, "max_steps": max_steps}
    return {
        name: None if end is None else check_at_least(name, end, 0)
        for name, end in ends.items()
    }


def _find_load(resume: Resume | None, folders: list[Path]) -> Load | None:
    if resume is None or callable(resume):  # a function of the user's
        return resume
    if resume is True:
        if len(folders) != 1:
            where = " and ".join(map(str, folders)) or "nowhere"
            raise ValueError(NO_FOLDER.format(where=where))
        resume = folders[0]
    return read_from(resume, folders)


def _find_folders(hooks: Hooks) -> list[Path]:
    """Returns where hooks save, or raises a ValueError if two save into one folder."""
    folders = [session.folder for session in hooks.sessions if session.folder]
    for folder in folders:
        if folders.count(folder) > 1:
            raise ValueError(
                f"two hooks save checkpoints into {folder}. Chain one"
                " tnt.hooks.checkpoint, or give each a folder of its own."
            )
    return folders


class HasHooks(Protocol):
    """An engine."""

    @property
    def hooks(self) -> Hooks:
        """Returns what happens at which event."""
        ...


def run_method(describe: Callable[Given, Training | Testing]) -> Callable[Given, State]:
    """Makes a method of an engine, which runs what a function describes.

    It explains an argument that it does not take, and holds none while it runs, so that
    the parameters at the start are let go.

    Args:
      describe: takes keywords; `**arguments` stands for those of a TypedDict.

    Returns:
      The method.
    """
    signature = inspect.signature(describe)
    own = [p for p in signature.parameters.values() if p.name != "arguments"]
    # Spelled out, so that help() and an editor list what `**arguments` stands for.
    if len(own) < len(signature.parameters):
        (kind,) = get_args(signature.parameters["arguments"].annotation)
        shared = inspect.signature(make_training).parameters.values()
        own[1:1] = [p for p in shared if p.name in kind.__annotations__]  # after self
        signature = signature.replace(parameters=own)
    names = list(signature.parameters)[1:]  # without self
    # Whose method is it? A test has no end, and a StepEngine is given the opt_state.
    elsewhere = ELSEWHERE if "max_epoch" in names else IN_A_TEST
    elsewhere = IN_A_STEP if "opt_state" in names else elsewhere

    @functools.wraps(describe)
    def method(self: Any, *args: Any, **kwargs: Any) -> State:
        if args:
            raise TypeError(
                f"{describe.__name__} takes its arguments by name, such as"
                f" {describe.__name__}({names[0]}=..., {names[1]}=...)."
            )
        kwargs = take_apart(kwargs)  # an adapted module brings params and model_state
        what = f"{type(self).__name__}.{describe.__name__}"
        check_names(what, kwargs, names, elsewhere)  # says more than bind below
        try:
            signature.bind(self, **kwargs)  # fails where one is missing
        except TypeError as error:
            raise TypeError(f"{what}: {error}") from None
        with explain_jax():
            described = describe(self, **kwargs)  # pyright: ignore
            kwargs.clear()  # the frame of this function lives as long as the run
            return described.finish()

    method.__signature__ = signature  # pyright: ignore[reportAttributeAccessIssue]
    return method


@run_method
def test(
    engine: HasHooks,
    *,
    network: Network | Stateful | Adapted,
    iterator: SampleIterator,
    params: Any,
    criterion: Criterion | None = None,
    model_state: Any = None,
    criterion_params: Any = None,
    key: jax.Array | None = None,
    members: int | None = None,
    mesh: Mesh | None = None,
    shard: Shard | None = None,
    data_axis: str = "data",
    jit: bool = True,
    steps_per_call: StepsPerCall = "auto",
) -> Testing:
    """Measures a network on all samples once.

    Of the events `on_start`, `on_sample`, `on_forward`, `on_forward_criterion`
    and `on_end` fire; `every` and `watch` count updates, so they do not. An error
    carries the State after the last whole call as its attribute `state`.

    Args:
      engine: whose hooks run.
      network: `(params, input) -> output`, or a `tnt.network.Stateful`, which is
        not in training then; or what adapted a module, with its parameters.
      iterator: samples with the field `input`, and `target` with a criterion.
      params: a pytree of arrays.
      criterion: `(output, target) -> loss`, or None.
      model_state: what a `Stateful` network keeps; it stays as it is.
      criterion_params: parameters of the criterion.
      key: a PRNG key for the hooks and a `Stateful`, by default
        `jax.random.key(0)`.
      members: how many networks to test at once, of which `params`, `model_state` and
        `criterion_params` have a leading axis; then so have what hooks measure.
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
    check_network(network)
    if criterion is not None:
        check_function(criterion, "criterion must be a function, but it")
    check_iterator(iterator)
    refuse_state(params)
    fields = {"params": params, "model_state": model_state, "key": key}
    fields["criterion_params"] = criterion_params
    check_concrete(**fields)
    what: dict[str, Any] = {"network": network, "criterion": criterion}
    what |= {"engine": engine, **fields, "iterator": iterator, "training": False}
    own = {"key": check_key(key)}  # [] of one network; else [N], made below
    if members is not None:
        own = start_members(fields, members)  # a key for each, [N]
    state = State(**{**what, **own})
    jit, placement = check_running(mesh, shard, data_axis, jit, steps_per_call)
    plan = make_plan(steps_per_call, ())  # nothing is scheduled: it has no updates
    return Testing(state, Run(engine.hooks, plan, jit, placement))


def check_running(
    mesh: Mesh | None = None,
    shard: Shard | None = None,
    data_axis: str = "data",
    jit: bool = True,
    steps_per_call: StepsPerCall = "auto",
) -> tuple[bool, Placement | None]:
    """Checks how a test is to run, without asking JAX for its devices.

    Returns:
      Whether to compile, and where things lie.
    """
    check_steps_per_call(steps_per_call)
    return check_boolean("jit", jit), make_placement(mesh, shard, data_axis)
