"""The match between what is carried from step to step, before and after a change."""

from typing import Any, NoReturn

import jax
import jax.numpy as jnp

from tntjax._numbers import check_at_least, check_boolean
from tntjax._struct import describe, shorten
from tntjax.engine._carry import drop_weak_type
from tntjax.engine._check import check_values
from tntjax.engine._history import check_rows
from tntjax.engine._state import COUNTERS, State

CHANGED_BY = """{hook} changed {field}, which is carried from step to step and must \
keep its structure, shape and dtype.
  before: {before}
  after:  {after}{difference}
"""

NOT_SAVED = """resume returned {came}. It returns None, to start, or a dict of some of \
the fields to go on with: {fields}."""


def check_carried(what: str, field: str, old: State, new: State) -> State:
    """Checks a carried field that the network or the optimizer computed anew.

    Raises:
      TypeError: if its structure, shapes or dtypes have changed.
    """
    before, after = getattr(old, field), getattr(new, field)
    leaves = match_carried(CHANGED_BY, what, "", field, before, after)
    return new.replace(**{field: leaves})


def check_saved(
    saved: Any, like: dict[str, Any], members: int | None
) -> dict[str, Any]:
    """Checks what `resume` returned.

    Args:
      saved: some fields of a State, or None.
      like: all fields that are saved, as they are at the start.
      members: how many runs there are in one, or None.

    Returns:
      All these fields; what was not returned is as at the start.

    Raises:
      TypeError: if it is not a dict of such fields, or one has another structure, shape
        or dtype.
      ValueError: if a number is out of range.
    """
    came = None if isinstance(saved, dict) else describe(saved)
    if isinstance(saved, dict) and (others := saved.keys() - like.keys()):
        came = f"the field {min(others, key=str)!r}"
    if came is not None:
        raise TypeError(NOT_SAVED.format(came=came, fields=", ".join(like)))
    fields = {**like, **saved}
    for name, value in saved.items():
        if name in COUNTERS:
            check_at_least(f"resume: {name}", value, 0)
        elif name == "stop":
            check_boolean("resume: stop", value)
        elif name == "recorded":
            check_rows("resume: recorded", value)
        else:  # a number of Python's gets the dtype of the start
            matched = match_carried(CHANGED_BY, "resume", "", name, like[name], value)
            fields[name] = matched
    # Checked like what a hook changes; the rows were checked above.
    like = {**like, "recorded": None}
    now = State(**{**fields, "recorded": None}, members=members)
    check_values("resume", State(**like, members=members), now)
    return fields


def match_carried(
    message: str, who: str, event: str, field: str, before: Any, after: Any
) -> Any:
    """Returns `after` with strong leaves, or raises if it is not like `before`."""

    def fail(where: str, a: Any, b: Any) -> NoReturn:
        words = {"hook": who, "event": event, "root": field, "field": where}
        words |= {
            "code": name_in_code(who),
            "before": describe(a),
            "after": describe(b),
        }
        raise TypeError(message.format(**words, difference=difference_of(a, b)))

    before_leaves, before_tree = jax.tree_util.tree_flatten_with_path(before)
    after_leaves, after_tree = jax.tree.flatten(after)
    if before_tree != after_tree:
        fail(field, before, after)
    leaves = []  # each with the dtype that the compiled step has for it
    for (path, a), b in zip(before_leaves, after_leaves, strict=True):
        leaf = _cast_like(a, b)
        if leaf is None:
            fail(field + jax.tree_util.keystr(path), a, b)
        leaves.append(leaf)
    return after_tree.unflatten(leaves)


def difference_of(before: Any, after: Any) -> str:
    """Lines that name what one of two trees lacks, which may be too large to show."""
    one, other = (
        [jax.tree_util.keystr(path) for path, _ in paths]
        for paths in map(jax.tree_util.tree_leaves_with_path, (before, after))
    )
    lines = ""
    for what, paths, there in (("lost", one, set(other)), ("new", other, set(one))):
        if names := [name for name in paths if name not in there]:
            lines += f"\n  {what + ':':7} {shorten(', '.join(names), 200)}"
    return lines


def _cast_like(before: Any, after: Any) -> Any:
    """Returns `after` with the dtype of `before`, or None if it has another kind."""
    if jnp.shape(after) != jnp.shape(before):
        return None
    # A weak type would be another one for jit, and compile the step again.
    if getattr(after, "dtype", None) == before.dtype:
        return drop_weak_type(after)
    if jnp.issubdtype(before.dtype, jax.dtypes.prng_key):  # of another kind, or raw
        return None
    weak = getattr(after, "weak_type", isinstance(after, bool | int | float | complex))
    # `aux + 1` is fine where `aux` is float32, `aux + 1.0` where it is int32 is not.
    if weak and jnp.result_type(before, after) == before.dtype:
        return jnp.asarray(after, before.dtype)
    return None


def name_in_code(name: str) -> str:
    """Returns a name that stands for a hook in an example; a lambda has none."""
    last = name.rpartition(".")[2]
    return last if last.isidentifier() else "hook"
