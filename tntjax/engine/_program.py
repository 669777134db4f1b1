"""One step: Torchnet's phases with a hook after each, pure and traced."""

import dataclasses
import functools
from collections.abc import Callable, Hashable
from typing import Any

import jax
import jax.numpy as jnp

from tntjax._struct import describe
from tntjax._types import Sample
from tntjax.engine._criterion import run_criterion
from tntjax.engine._fire import fire_compiled
from tntjax.engine._gradients import (
    differentiate_batch,
    differentiate_pieces,
    run_network,
    split_key,
)
from tntjax.engine._hooks import HOST_EVENTS, Hooks
from tntjax.engine._match import check_carried
from tntjax.engine._members import choose, step_of_members
from tntjax.engine._own_step import Events, count_any, find_mean_loss, run_own
from tntjax.engine._rows import (
    check_batch,
    check_mask,
    count_examples,
    fill_hidden,
)
from tntjax.engine._snapshot import take_snapshot
from tntjax.engine._state import HEAVY, State, drop_step_fields

KEPT_BY_SKIP = (*HEAVY, "lr", "lr_criterion", "meters")
"""What a skipped step leaves as it was; `aux`, `key` and the counters go on."""


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """The functions of a step; the compiled step is cached on them.

    Two programs are the same if their functions are: the same objects, such as compare
    equal, or, without a hash, of the same content. A program whose functions were
    changed in place is not found any more, as its hash is that of their old content.

    Args:
      network: `(params, input) -> output`, or a `Stateful`.
      criterion: `(output, target) -> loss`, or None in a test without one.
      update: `(State, Objective) -> State`, from `grads` to new `params` and
        `opt_state`; an `OwnStep`, which is a whole step; or None in a test.
      hooks: the hooks of the step's events; those of the host are left out.
      accumulate: in how many pieces the gradients are computed.
      placement: where on a mesh things lie, or None.
      members: how many runs there are in one, or None.
    """

    network: Any
    criterion: Any
    update: Any
    hooks: Hooks
    accumulate: int = 1
    placement: Any = None
    members: int | None = None

    @property
    def training(self) -> bool:
        """True if the steps make updates."""
        return self.update is not None

    @property
    def make_step(self) -> Callable[["Program", State, Sample], State]:
        """Returns the function that makes a step and fires its events."""
        step = train_step if self.training else test_step
        if isinstance(self.update, OwnStep):
            step = own_step
        return step if self.members is None else step_of_members(step)

    def state(self, heavy: dict[str, Any], light: dict[str, Any]) -> State:
        """Returns the State that the hooks of a step see."""
        what = {"network": self.network, "criterion": self.criterion}
        what |= {"training": self.training, "members": self.members}
        return State(**{**heavy, **light, **what})

    @functools.cached_property
    def warned(self) -> set[str]:
        """Texts of warnings that were given while these steps were traced."""
        return set()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Program) and is_same(self._key(), other._key())

    def __hash__(self) -> int:
        return self._hash  # made once: functions may hold large arrays

    @functools.cached_property
    def _hash(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Hashable, ...]:
        return tuple(
            take_snapshot(getattr(self, field.name))
            for field in dataclasses.fields(self)
        )


def is_same(one: Any, other: Any) -> bool:
    """True if both are one object or equal; what cannot be compared is not."""
    try:
        return one is other or bool(one == other)
    except Exception:  # arrays among the fields of a module, say
        return False


def step_hooks(hooks: Hooks) -> Hooks:
    """Returns the compiled part of the hooks, so that the rest compiles nothing."""
    host = dict.fromkeys(HOST_EVENTS)
    around = dict.fromkeys(("scheduled", "sessions", "displays"), ())
    return dataclasses.replace(hooks, **host, **around)


@dataclasses.dataclass(frozen=True)
class OwnStep:
    """The step of a `StepEngine`.

    Args:
      function: `(State, Sample) -> State`.
    """

    function: Callable[[State, Sample], State]


def own_step(program: Program, state: State, sample: Sample) -> State:
    """Makes one step of the user's."""
    hooks, before = program.hooks, state.replace(loss=None)  # not the last one's
    state = fire_compiled(hooks, "on_sample", before.replace(sample=sample))
    given, sample = state.replace(events=Events(hooks)), state.sample  # of this trace
    new = run_own(program.update.function, given)
    state = _undo_skipped(_count(new, count_any(sample)), before)
    after = fire_compiled(hooks, "on_update", state)
    if after is not state:
        after = _undo_skipped(after, before)
    return keep_loss(after, find_mean_loss(state))  # as the step left it


def train_step(program: Program, state: State, sample: Sample) -> State:
    """Makes one update."""
    hooks, before = program.hooks, state.replace(loss=None)  # not the last one's
    state = _start(program, before, sample)
    sample = state.sample  # as on_sample left it; all of the batch
    if program.accumulate == 1:
        state, objective = differentiate_batch(program, state, sample)
    else:
        state, objective = differentiate_pieces(program, state)
    state = fire_compiled(
        hooks, "on_backward", _drop_hidden_batch(state, before, sample)
    )
    updated = program.update(state, objective)
    for field in ("params", "criterion_params", "opt_state"):  # or JAX's loop complains
        updated = check_carried("the optimizer", field, state, updated)
    # Undone already here, as hooks of on_update are to see what stays.
    state = _count_batch(_undo_skipped(updated, before), sample)
    after = fire_compiled(hooks, "on_update", state)
    if after is not state:  # a hook may have changed what was put back, or ask to skip
        after = _undo_skipped(after, before)
    return keep_loss(after, objective.value)


def keep_loss(state: State, loss: Any) -> State:
    """Forgets what exists inside a step only, but for the mean loss, [] float32."""
    dtype = jnp.result_type(float)
    return drop_step_fields(state).replace(loss=jnp.asarray(loss, dtype))


def test_step(program: Program, state: State, sample: Sample) -> State:
    """Measures one batch."""
    hooks = program.hooks
    state = _start(program, state, sample)
    sample = state.sample
    # The key goes on in a test as well, for what a network draws there.
    state, key = split_key(program.network, state)
    run = run_network(program.network, state, key, training=False)
    output, _ = run(state.params)  # the model state stays
    state = _count_batch(state.replace(output=output), sample)
    state = fire_compiled(hooks, "on_forward", state)
    check_mask(sample, state.sample)
    if program.criterion is not None:
        measure, asked = run_criterion(program.criterion, state)
        loss = measure(state.criterion_params, state.output, asked)
        state = fire_compiled(hooks, "on_forward_criterion", state.replace(loss=loss))
    return drop_step_fields(state)


def _start(program: Program, state: State, sample: Sample) -> State:
    """Returns the State with the sample after on_sample, its hidden rows filled."""
    state = fire_compiled(program.hooks, "on_sample", state.replace(sample=sample))
    check_batch(state.sample, program.warned)
    return state.replace(sample=fill_hidden(state.sample))


def _count_batch(state: State, sample: Sample) -> State:
    return _count(state, count_examples(sample))


def _count(state: State, count: Any) -> State:
    # `samples` is [] int32, and stays at the largest.
    before = jnp.minimum(state.samples, jnp.iinfo(jnp.int32).max - count)  # or it wraps
    return state.replace(
        t=state.t + 1, position=state.position + 1, samples=before + count
    )


def _drop_hidden_batch(state: State, before: State, sample: Sample) -> State:
    """Makes the gradients zero and keeps the model state if a mask hides all rows."""
    if "mask" not in sample:
        return state
    # The optimizer runs all the same: its momentum goes on.
    some = jnp.any(sample["mask"])  # [B] -> []
    zero = jnp.zeros_like
    grads, own = state.grads, state.criterion_grads
    return state.replace(
        grads=choose(some, grads, jax.tree.map(zero, grads)),
        criterion_grads=choose(some, own, jax.tree.map(zero, own)),
        model_state=choose(some, state.model_state, before.model_state),
    )


def _undo_skipped(state: State, before: State) -> State:
    """Puts back what was there before the step, where a hook asked to skip it."""
    if state.skip is None:
        return state
    if jnp.shape(state.skip) or jnp.result_type(state.skip) != jnp.bool_:
        raise TypeError(f"state.skip must be a [] bool, got {describe(state.skip)}.")
    # Both are there by then, so there is nothing to save by a branch.
    old, new = ({n: getattr(s, n) for n in KEPT_BY_SKIP} for s in (before, state))
    return state.replace(**choose(state.skip, old, new))
