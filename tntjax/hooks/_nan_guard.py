"""Stops a run at the first number that is not finite, before it does harm."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._numbers import check_at_least
from tntjax.engine import Hooks, State, chain, every
from tntjax.engine._rows import find_row_mask
from tntjax.hooks._arguments import explain_arguments
from tntjax.hooks._bind import bind, claim, put, skip_if

NAME = "nan_guard"
NOTHING = {"step": np.int32(0), "loss": np.float32(0), "leaf": np.int32(0)}


class NonFiniteError(FloatingPointError):
    """A loss, a gradient or a new parameter was NaN or infinite.

    Args:
      step: which update, from 1 on.
      loss: the mean loss of its batch.
      leaf: what was not finite first: `the loss`, a gradient such as
        `grads['weight']`, or, if all of these were, what the update made of a
        parameter, such as `params['weight']`.
      state: the State when it was noticed, with `params`, `opt_state`, `model_state`
        and `meters` as they were after the last good step. `aux`, `key` and the
        counters went on; `train(..., state=error.state)` goes on behind the bad steps.
    """

    def __init__(self, step: int, loss: float, leaf: str, state: State) -> None:
        super().__init__(step, loss, leaf, state)
        self.step, self.loss, self.leaf, self.state = step, loss, leaf, state

    def __str__(self) -> str:
        return (
            f"in update {self.step} {self.leaf} was not finite; the loss was"
            f" {self.loss:.6g}. error.state has the parameters from before."
        )


@explain_arguments
def nan_guard(n: int = 100) -> Hooks:
    """Raises an error if a loss, a gradient or a new parameter is not finite.

    Parameters that are infinite or NaN at the start, on purpose, may stay so.

    Each step is looked at, compiled. The first bad one and all after it are skipped,
    so parameters and meters stay those of the last good step; what hooks of `on_update`
    that are chained before did in it is undone as well. On the host the error
    is raised after `n` updates, at the end of an epoch and at the end; until then
    `checkpoint` saves nothing, so a run goes on from before the bad step.

    Chained after `loss_scaling` it leaves alone what that skips, but for a loss that
    is not finite, of which no scale is the cause. Rows that a `mask` hides may be
    anything.

    Args:
      n: how many updates apart the host looks. It waits for the device then.

    Returns:
      A Hooks value, to be chained with others.

    Raises:
      NonFiniteError: when it runs, a FloatingPointError that says which step and what.
      TypeError: if `n` is not an integer.
      ValueError: if `n` is below 1, or, when it runs, if there are two.

    Example:
      >>> import tntjax as tnt
      >>> tnt.SGDEngine(tnt.hooks.nan_guard()).explain()
      A compiled call makes up to 25 steps, fewer if their samples exceed 64 MiB.
      on_start               host      nan_guard.start()
      on_backward            compiled  nan_guard.guard()
      on_update              compiled  nan_guard.guard_update()
      on_end_epoch           host      nan_guard.look()
      on_end                 host      nan_guard.look()
      every 100 updates      host      nan_guard.look() (waits, may change)
    """
    n, look = check_at_least("nan_guard: n", n, 1), bind(_look)
    compiled = Hooks(on_backward=bind(_guard), on_update=bind(_guard_update))
    host = Hooks(on_start=bind(_start), on_end_epoch=look, on_end=look)
    return chain(compiled, host, every(n, look))


def _start(state: State) -> State:
    if not state.training:
        return state
    params = state.params, state.criterion_params
    counts = np.asarray(_count_bad(params), np.int32)  # such as a mask of -inf
    return claim(state, "aux", NAME, {**NOTHING, "allowed": counts})


def _guard(state: State) -> State:
    losses = jnp.where(_shown(state), jnp.asarray(state.loss), 0)
    finite = _count_bad((losses, state.grads, state.criterion_grads)) == 0
    handled = jnp.asarray(False if state.skip is None else state.skip)
    bad = ~finite[0] | (~finite.all() & ~handled)
    return _noted(state, bad, state.t + 1, jnp.argmin(finite))


def _guard_update(state: State) -> State:
    """Looks at what the update made of the parameters; of finite gradients, too."""
    bad = _count_bad((state.params, state.criterion_params))
    finite = bad <= state.aux[NAME]["allowed"]
    before = 1 + len(finite)  # the loss, and a gradient for each parameter
    if not len(finite):  # a network without parameters
        return state
    return _noted(state, ~finite.all(), state.t, before + jnp.argmin(finite))


def _count_bad(tree: Any) -> jax.Array:
    bad = [
        jnp.sum(~jnp.isfinite(leaf), dtype=jnp.int32) for leaf in jax.tree.leaves(tree)
    ]
    return jnp.stack(bad) if bad else jnp.zeros(0, jnp.int32)


def _shown(state: State) -> jax.Array:
    """Returns the rows that no mask hides: [B] bool, or [] if the loss is []."""
    mask = find_row_mask(state.sample)
    fits = mask is not None and mask.shape == jnp.shape(state.loss)
    return jnp.asarray(mask if fits else True)


def _noted(state: State, bad: jax.Array, step: jax.Array, leaf: jax.Array) -> State:
    """Takes note of a step if it is the first bad one, and skips it and all after."""
    seen = dict(state.aux[NAME])
    loss = jnp.mean(jnp.asarray(state.loss, jnp.float32), where=_shown(state))
    now = {"step": step, "loss": loss, "leaf": leaf}
    first = bad & (seen["step"] == 0)
    seen |= {
        k: jnp.where(first, v.astype(seen[k].dtype), seen[k]) for k, v in now.items()
    }
    return skip_if(put(state, "aux", NAME, seen), seen["step"] > 0)


def has_bad_step(state: State) -> bool:
    """True if a guard has found a step of which no error was raised yet."""
    return NAME in state.aux and bool(np.any(state.aux[NAME]["step"]))


def _look(state: State) -> State:
    if not state.training or not has_bad_step(state):
        return state
    seen, names = state.aux[NAME], ["the loss"]
    trees = {"grads": state.params, "criterion_grads": state.criterion_params}
    trees |= {"params": state.params, "criterion_params": state.criterion_params}
    for name, tree in trees.items():
        leaves = jax.tree_util.tree_leaves_with_path(tree)
        names += [f"{name}{jax.tree_util.keystr(path)}" for path, _ in leaves]
    # Of many members, [N], the first that has one; error.state is that of all.
    number = int(np.argmax(np.ravel(seen["step"]) > 0))
    step, loss, leaf = (np.ravel(seen[name])[number].item() for name in NOTHING)
    # A run that goes on from there begins with no bad step.
    nothing = {name: np.zeros_like(seen[name]) for name in NOTHING}
    state = put(state, "aux", NAME, {**seen, **nothing})
    error = NonFiniteError(step, loss, names[leaf], state)
    if state.members is not None:
        error.add_note(f"This was for member {number}.")
    raise error
