"""Checks of what an engine is given, with errors that say what to write."""

import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from tntjax import _key
from tntjax._numbers import check_at_least, check_boolean, is_number
from tntjax._struct import describe, is_unchanged
from tntjax._types import SampleIterator
from tntjax.engine._carry import RATES
from tntjax.engine._state import State
from tntjax.network._check import explain_adapting, find_adapter

WIDE = {"int64": np.int32, "uint64": np.uint32}
"""Integers of 64 bits, and what JAX makes of them unless it is told not to."""

PROBE = np.zeros((), np.int32)
"""Becomes a tracer in a function that JAX traces."""

IN_A_TRANSFORMATION = (
    "train and test cannot run inside jax.jit, jax.vmap or jax.grad ({what} is a"
    " tracer): they loop on the host and compile their steps themselves. Call them"
    " outside."
)


OPTIMIZER_RATE = """the optimizer has the learning rate. Change it by a plugin, \
tnt.hooks.learning_rate(schedule), and train(optimizer=optax.sgd, lr=0.1)."""

CHECKED = ("params", "criterion_params", "lr", "lr_criterion", "key")
CHECKED += ("max_epoch", "max_steps", "stop")
"""Fields of a State that a user may set, and that have to be of some kind."""


def check_iterator(iterator: Any) -> None:
    """Raises a TypeError if an engine cannot iterate over it."""
    # A class has the methods too, so that it passes for an instance.
    if isinstance(iterator, SampleIterator) and not isinstance(iterator, type):
        return
    advice = "Wrap it: tnt.DatasetIterator(dataset)."
    if isinstance(iterator, Iterator):
        advice = (
            "A generator can be read once and not from the middle. Put its samples into"
            " a list, tnt.DatasetIterator(list(generator)), or write a class with"
            " __len__ and __getitem__ that makes sample number `index`."
        )
    if hasattr(iterator, "dataset") and not hasattr(iterator, "__getitem__"):
        advice = (  # a DataLoader of torch, say
            "Of a loader take the dataset:"
            " tnt.DatasetIterator(tnt.BatchDataset(loader.dataset, 64))."
        )
    if isinstance(iterator, type):
        advice = "Pass an instance of the class."
    raise TypeError(
        "iterator must have run and chunks, as tnt.DatasetIterator has; got"
        f" {describe(iterator)}. {advice}"
    )


def refuse_state(params: Any) -> None:
    """Raises a TypeError for a whole State in the place of parameters."""
    if isinstance(params, State):
        raise TypeError(
            "params must be a pytree of arrays, got a State. Write params=state.params,"
            " and model_state=state.model_state if there is one; to go on training as"
            " if it had not ended pass state=state instead."
        )


def check_params(name: str, params: Any) -> None:
    """Raises a TypeError if something in there has no gradient."""
    if params is None:  # of a criterion that has none
        return
    refuse_state(params)
    adapter = find_adapter(params)
    # A module of equinox is a tree: its adapter and users pass one of arrays alone.
    whole = adapter == "equinox" and all(map(_is_array, jax.tree.leaves(params)))
    if adapter is not None and not whole:
        raise TypeError(
            f"{name} is a module, {describe(params)}, but must be a pytree of float"
            f" arrays. {explain_adapting(adapter)}"
        )
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        where = f"{name}{jax.tree_util.keystr(path)}"
        if not isinstance(leaf, float | int | complex) and not _is_array(leaf):
            raise TypeError(
                f"{where} is {describe(leaf)}, but parameters must be floating point"
                " arrays of JAX or NumPy. Keep functions and settings in the network."
            )
        # JAX refuses objects, and numbers whose bytes are not in the machine's order.
        on_host = isinstance(leaf, np.ndarray)
        dtype = leaf.dtype if on_host else jnp.result_type(leaf)
        if not jnp.issubdtype(dtype, jnp.inexact):
            raise TypeError(
                f"{where} is {describe(leaf)}, but"
                " parameters must be floating point. Keep integers elsewhere."
            )


def _is_array(leaf: Any) -> bool:
    """True if a leaf is an array of NumPy or JAX, or stands for one."""
    known = isinstance(leaf, jax.Array | np.ndarray | np.generic)
    return known or hasattr(leaf, "__jax_array__")  # as variables of nnx


def check_rate(name: str, rate: Any, members: int | None = None) -> Any:
    """Returns a learning rate as a number, or raises an error if it is not one.

    For many members it may be [N], which is returned as NumPy's.
    """
    if members is not None and getattr(rate, "shape", ()) == (members,):
        rates = [check_rate(name, one, members) for one in np.asarray(rate)]
        return np.array(rates)  # [N]
    if callable(rate):
        raise TypeError(
            f"{name} must be a number, got the function {describe(rate)}. For a"
            f" schedule chain tnt.hooks.learning_rate(schedule) to the hooks, and pass"
            f" {name}=0.1, say, which it replaces."
        )
    if not is_number(rate):
        advice = (
            "For one rate a group of parameters use OptimEngine and optax.partition."
        )
        # Of several that fit the last one is given.
        if isinstance(rate, str):
            advice = "Make a number of the text: float(text)."
        if members is not None:
            advice = f"For one rate a member pass an array of floats [{members}]."
        if rate is None:
            advice = (
                f"Write {name}=0.1, say; an optimizer of optax goes to OptimEngine."
            )
        raise TypeError(f"{name} must be a number, got {describe(rate)}. {advice}")
    if not float(rate) >= 0:  # NaN, too
        raise ValueError(f"{name} must be at least 0, got {rate}.")
    if float(rate) == math.inf:
        raise ValueError(f"{name} must be finite, got {rate}.")
    return float(rate)


def check_key(key: Any, name: str = "key") -> jax.Array:
    """Returns a PRNG key, by default one of 0, or raises a TypeError."""
    return jax.random.key(0) if key is None else _key.check_key(key, name)


def check_values(where: str, old: Any, new: Any) -> None:
    """Checks as an argument of `train` what is in a State and not in another.

    Args:
      where: it was put there, for errors.
      old: the State before.
      new: the State whose fields are checked, if they are not those of `old`.

    Raises:
      TypeError: if a field is of a wrong kind.
      ValueError: if a number is out of range.
    """
    for field in CHECKED:
        value, name = getattr(new, field), f"{where}: state.{field}"
        before = getattr(old, field)
        if is_unchanged(before, value):
            continue
        if field in RATES:
            # With optax there is no rate in the State, and one put there is not read.
            if before is None and old.opt_state is not None:
                raise TypeError(f"{name} has no effect: {OPTIMIZER_RATE}")
            check_rate(name, value, new.members)
        elif field in ("params", "criterion_params"):
            if value is None:
                raise TypeError(f"{name} must be a pytree of float arrays, got None.")
            check_params(name, value)
        elif field == "key":
            # Of [N] the first; a single one is told of with all that lacks the axis.
            several = new.members is not None and getattr(value, "ndim", 0)
            _key.check_key(value[0] if several else value, name)
        elif field == "stop":
            check_boolean(name, value)
        elif value is not None:  # max_epoch, max_steps
            check_at_least(name, value, 0)


def check_concrete(**arguments: Any) -> None:
    """Raises a TypeError inside a transformation of JAX."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(arguments):
        if isinstance(leaf, Tracer):
            what = path[0].key + jax.tree_util.keystr(path[1:])
            raise TypeError(IN_A_TRANSFORMATION.format(what=what))
    # Inside jit even constants become tracers, so no argument need be one.
    if isinstance(jnp.asarray(PROBE), Tracer):
        raise TypeError(IN_A_TRANSFORMATION.format(what="each array made there"))


def check_width(tree: Any, name: str = "sample") -> None:
    """Raises an OverflowError for integers that JAX would wrap around in silence.

    Args:
      tree: what is sent to the device; arrays of NumPy are looked at.
      name: what it is, for errors.
    """
    if jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
        return
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        is_wide = isinstance(leaf, np.ndarray) and leaf.dtype.name in WIDE
        if not is_wide or not leaf.size:  # which has no max
            continue
        limits = np.iinfo(WIDE[leaf.dtype.name])  # of what JAX makes of it
        ends = int(leaf.max()), int(leaf.min())  # most int64 are small numbers
        if ends[0] > limits.max or ends[1] < limits.min:
            where = f"{name}{jax.tree_util.keystr(path)}"
            raise OverflowError(
                f"{where} has the number {max(ends, key=abs)}, but JAX computes with"
                f" {limits.dtype}. Use smaller numbers, leave the field out, or"
                ' jax.config.update("jax_enable_x64", True).'
            )
