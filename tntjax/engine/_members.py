"""Many runs in one program: a State whose carried fields have a leading axis [N]."""

from collections.abc import Callable
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._struct import describe, is_unchanged
from tntjax._types import Meter, Sample
from tntjax.engine._carry import as_plain
from tntjax.engine._state import COUNTERS, HEAVY, HOST_ONLY, LIGHT, State

Step = Callable[[Any, State, Sample], State]

OWN = (*HEAVY, *LIGHT)
"""Fields of which each member has its own."""

APART = ("stop", "done", "members")
"""Fields that say which members go on."""

SHARED = (*COUNTERS, *(name for name in HOST_ONLY if name not in APART))
"""Fields that are the same for all."""

NO_AXIS = """{where} is {value}, but in a run of {members} members what is carried has \
a leading axis of {members}, one entry a member. {advice}"""

DIFFER = """the hook {hook} runs once for each member, and made of state.{field} \
another thing for member {number} than for the first. {advice}"""


def check_axis(where: str, tree: Any, members: int, advice: str) -> None:
    """Raises a ValueError for a leaf that has no entry for each member."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if np.shape(leaf)[:1] != (members,):  # () of a number
            name = where + jax.tree_util.keystr(path)
            words = {"value": describe(leaf), "members": members, "advice": advice}
            raise ValueError(NO_AXIS.format(where=name, **words))


def check_carried_axes(state: State) -> None:
    """Raises a ValueError if a hook has put in something of one member alone."""
    advice = (
        "Make an entry in on_start, which runs once for each member, or with that axis:"
        " jnp.zeros((state.members, ...))."
    )
    for field in OWN:
        check_axis(f"state.{field}", getattr(state, field), state.members or 0, advice)


def check_done(event: str, done: Any, members: int | None) -> None:
    """Raises a TypeError if a hook said in another form which members are done."""
    if done is None:
        return
    if members is None:
        raise TypeError(
            f"{event}: state.done tells which members of a run are done, but this run"
            " has none. To end it set state.stop."
        )
    kind = getattr(done, "dtype", None)
    if np.shape(done) != (members,) or kind != np.bool_:
        raise TypeError(
            f"{event}: state.done must be bool [{members}], True for each member that"
            f" is done, got {describe(done)}."
        )


def step_of_members(make_step: Step) -> Step:
    """Makes of the step of one member that of all, on the same sample.

    A member that is done stays as it is.

    Args:
      make_step: `(program, state, sample) -> state`, of one.

    Returns:
      The same of the State of all.
    """

    def step(program: Any, state: State, sample: Sample) -> State:
        def one(own: dict[str, Any], done: Any) -> dict[str, Any]:
            before = state.replace(**own, members=None, done=None)
            after = make_step(program, before, sample)
            made = {name: getattr(after, name) for name in own}
            # Computed all the same: under vmap there is no branch for one member.
            if done is not None:
                made = choose(done, own, made)  # done: [] of this member
            return {**made, **{name: getattr(after, name) for name in COUNTERS}}

        names = (*OWN, "loss") if state.training else OWN
        own = {name: getattr(state, name) for name in names}  # leaves [N, ...]
        after = jax.vmap(one, axis_size=state.members)(own, state.done)
        # What they count is the same for all.
        return state.replace(**{**after, **{name: after[name][0] for name in COUNTERS}})

    return step


def choose(condition: Any, first: Any, second: Any) -> Any:
    """Chooses all leaves of one tree or of the other, by a condition []."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), first, second)


def pick_members(state: State) -> list[State]:
    """Returns the State of each member, as hooks see it in a run of its own."""
    own = {name: getattr(state, name) for name in (*OWN, "loss")}
    for name in ("lr", "lr_criterion", "meters", "aux", "loss"):
        # [N, ...]; the host cuts small arrays faster
        own[name] = jax.tree.map(_read, own[name])
    done = np.zeros(state.members or 0, bool) if state.done is None else state.done

    def pick(number: int, stops: bool) -> State:
        part = jax.tree.map(lambda leaf: leaf[number], own)  # [N, ...] -> [...]
        return as_plain(state.replace(**part, stop=stops, members=None, done=None))

    return [
        pick(number, stops) for number, stops in enumerate(np.asarray(done).tolist())
    ]


def _read(leaf: Any) -> Any:
    kind = getattr(leaf, "dtype", np.dtype(float))
    return leaf if jnp.issubdtype(kind, jax.dtypes.prng_key) else np.asarray(leaf)


def run_for_each(
    hook: Any, run: Callable[[State], State], state: State, ends: bool
) -> State:
    """Runs a hook once for each member, and puts together what it made.

    A member that it stops is done.

    Args:
      hook: for errors.
      run: runs it.
      state: the State of all.
      ends: True to run it for members that are done, too.

    Returns:
      The State of all after it.

    Raises:
      TypeError: if the hook made things of another form for one member, or changed what
        members share.
    """
    before = pick_members(state)
    after = [
        part if part.stop and not ends else _run_one(run, number, part)
        for number, part in enumerate(before)
    ]

    def fail(field: str, number: int, advice: str) -> NoReturn:
        words = {"field": field, "number": number, "advice": advice}
        raise TypeError(DIFFER.format(hook=describe(hook), **words))

    for field in SHARED:  # one value stands for all, so all must have left the same
        shared = getattr(after[0], field)
        for number, part in enumerate(after):
            if not is_unchanged(shared, getattr(part, field)):
                fail(field, number, "Members share it.")
    fields: dict[str, Any] = {name: getattr(after[0], name) for name in SHARED}
    for field in OWN:
        old = [getattr(part, field) for part in before]
        new = [getattr(part, field) for part in after]
        if all(map(is_unchanged, old, new)):
            continue  # stays on the device as it is
        tree = jax.tree.structure(new[0])
        for number, part in enumerate(new):
            if jax.tree.structure(part) != tree:
                fail(field, number, "Entries must be the same for all.")
        fields[field] = jax.tree.map(_stack, *new)
    # A member that stopped is done; the run goes on until all are.
    stops = np.array([part.stop for part in after])  # [N] bool
    done = stops if stops.any() or state.done is not None else None
    return state.replace(**fields, done=done)


def _run_one(run: Callable[[State], State], number: int, state: State) -> State:
    try:
        return run(state)
    except Exception as error:
        error.add_note(f"This was for member {number}.")
        raise


def _stack(*leaves: Any) -> Any:
    on_device = any(isinstance(leaf, jax.Array) for leaf in leaves)
    return jnp.stack(leaves) if on_device else np.stack(leaves)


def spread(before: State, after: State) -> State:
    """Gives to all members what a hook of the host has put in for one.

    That is a new meter, or whatever has the shape of one member's where there was that
    of all before.
    """
    members, fields = before.members or 0, {}
    for field in OWN:
        old, new = getattr(before, field), getattr(after, field)
        if field == "key" or is_unchanged(old, new):
            continue  # one key for all would have them draw alike
        if isinstance(old, dict) and isinstance(new, dict):
            new = {
                name: _spread(members, old.get(name), value)
                for name, value in new.items()
            }
        else:
            new = _spread(members, old, new)
        fields[field] = new
    return after.replace(**fields)


def keep_done(before: State, after: State) -> State:
    """Leaves members that are done as they were, and stops when all are."""
    if after.done is None or not np.any(after.done):
        return after.replace(done=None)  # as before any stopped
    if before.done is not None and np.any(before.done):
        done, fields = np.asarray(before.done), {}
        for field in OWN:
            old, new = getattr(before, field), getattr(after, field)
            if jax.tree.structure(old) == jax.tree.structure(new):  # else all is new
                fields[field] = jax.tree.map(
                    # `done` [N] chooses entries of [N, ...]
                    lambda a, b: b if a is b else jax.vmap(jnp.where)(done, a, b),
                    old,
                    new,
                )
        after = after.replace(**fields)
    return after.replace(stop=after.stop or bool(np.all(after.done)))


def _spread(members: int, old: Any, new: Any) -> Any:
    if old is None:
        is_new = isinstance(new, Meter)
        return jax.tree.map(lambda x: _repeat(members, x), new) if is_new else new
    if jax.tree.structure(old) != jax.tree.structure(new):
        return new  # `check_carried_axes` tells if it lacks the axis

    def one(before: Any, now: Any) -> Any:  # [N, ...] and [...], or both [N, ...]
        is_one = np.shape(now) == np.shape(before)[1:]
        return _repeat(members, now) if is_one else now

    return jax.tree.map(one, old, new)


def _repeat(members: int, leaf: Any) -> Any:
    xp = jnp if isinstance(leaf, jax.Array) else np
    return xp.repeat(xp.asarray(leaf)[None], members, axis=0)  # [N, ...]


def spread_rate(rate: Any, members: int | None) -> Any:
    """Returns a learning rate for each member, the same if there are none."""
    if rate is None or members is None or np.ndim(rate):  # None if none is needed
        return rate
    return np.full(members, rate)  # [N]
