"""The carried fields: as a device holds them, and as the host reads them."""

import contextlib
import functools
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._array import as_array
from tntjax._struct import describe
from tntjax._types import Meter
from tntjax.engine._state import CARRIED, COUNTERS, HEAVY, LIGHT, State

RATES = ("lr", "lr_criterion")
NUMBERS = (*RATES, "loss")
"""Floats of the State that hooks of the host see as Python's."""

NOT_CARRIED = """{} is {}, but what is carried from step to step must be numbers or \
arrays. Keep other things in the hook's own closure (a TimeMeter, a Log), or return \
them from a host hook."""

TOO_WIDE = """{} is {}, which has a number beyond the 32 bits that JAX computes with. \
Use smaller numbers, floats, or jax.config.update("jax_enable_x64", True)."""


def as_carry(state: State) -> State:
    """Turns what hooks left in the carried fields into strongly typed arrays.

    Raises:
      TypeError: if something in there is not a number or an array.
    """
    counts = {
        name: _strong(getattr(state, name), jnp.int32, lambda name=name: name)
        for name in COUNTERS
    }
    if state.training and state.loss is None:
        shape = () if state.members is None else (state.members,)
        state = state.replace(loss=np.full(shape, np.nan))  # before any update
    return _strengthen(state.replace(**counts), (*CARRIED, "loss", "done"))


def as_restored(state: State) -> State:
    """Turns what hooks left into what a run would find that goes on from a checkpoint.

    Raises:
      TypeError: if something in there is not a number or an array.
    """
    return as_plain(_strengthen(state, (*HEAVY, *LIGHT)))


def _strengthen(state: State, fields: tuple[str, ...]) -> State:
    carried = {field: getattr(state, field) for field in fields}
    for field in NUMBERS:  # a Python number would be of another dtype than an array
        if carried.get(field) is not None:
            carried[field] = _convert(carried[field], jnp.result_type(float))
    leaves, structure = jax.tree.flatten(carried)
    for n, leaf in enumerate(leaves):
        leaves[n] = _strong(leaf, None, functools.partial(_name_leaf, carried, n))
    _send_together(leaves)
    _commit_together(leaves)
    return state.replace(**structure.unflatten(leaves))


def _strong(leaf: Any, kind: Any, find_name: Callable[[], str]) -> Any:
    """Returns a leaf of a dtype that no operand can change; an error needs its name."""
    if kind is None and isinstance(leaf, jax.Array):
        return drop_weak_type(leaf)
    try:
        leaf = as_array(leaf) if isinstance(leaf, np.ndarray) else leaf  # native bytes
        return _convert(leaf, jnp.result_type(leaf) if kind is None else kind)
    except (TypeError, ValueError, OverflowError) as error:
        where = f"state.{find_name()}"
        if isinstance(error, OverflowError):
            raise OverflowError(TOO_WIDE.format(where, describe(leaf))) from error
        raise TypeError(NOT_CARRIED.format(where, describe(leaf))) from error


def _name_leaf(carried: dict[str, Any], number: int) -> str:
    (field, *path), _ = jax.tree_util.tree_flatten_with_path(carried)[0][number]
    return field.key + jax.tree_util.keystr(tuple(path))


def as_plain(state: State) -> State:
    """Turns counters, learning rates and the loss into Python numbers, to be read.

    `as_carry` makes the same arrays of them again.
    """
    plain: dict[str, Any] = {}
    for name in COUNTERS:
        if type(count := getattr(state, name)) is not int:  # reading it waits
            plain[name] = int(count)
    for name in NUMBERS:
        number = getattr(state, name)
        read = read_shortest(number)
        if isinstance(read, jax.Array):  # of many members
            read = np.asarray(read)
        if read is not number:
            plain[name] = read
    return state.replace(**plain) if plain else state


def read_on_host(tree: Any, place: tuple = ()) -> Any:
    """Turns device arrays into what a `watch` sees: Python numbers and NumPy arrays.

    Inside a meter even a single number stays an array, as its methods expect one.

    Args:
      tree: a pytree of JAX arrays; PRNG keys stay as they are.
      place: which entry of each leaf to read, `()` for all of it.

    Returns:
      The tree on the host.
    """

    def array(leaf: Any) -> Any:
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return leaf[(*place, ...)]
        # Not device_get, which takes ten times as long for small arrays.
        return np.asarray(leaf)[(*place, ...)]  # by `...` [] stays an array

    def node(value: Any) -> Any:
        if isinstance(value, Meter):
            return jax.tree.map(array, value)
        value = array(value)
        number = isinstance(value, np.ndarray) and not value.ndim
        return read_number(value) if number else value

    return jax.tree.map(node, tree, is_leaf=lambda value: isinstance(value, Meter))


def read_number(array: np.ndarray) -> Any:
    """Returns a Python number; a float32 with its shortest decimals, such as 0.1."""
    return float(str(array)) if array.dtype == np.float32 else array.item()


def read_shortest(value: Any) -> Any:
    """Reads one number as `watch` does, 0.1 and not 0.10000000149; else as it is."""
    is_one = getattr(value, "ndim", None) == 0
    return read_number(np.asarray(value)) if is_one else value


def is_on_host(tree: Any) -> bool:
    """True if all leaves are NumPy's."""
    return all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(tree))


def claim_buffers(leaves: list[jax.Array]) -> list[jax.Array]:
    """Copies those arrays that somebody else holds, so that all can be donated.

    An array is held if there are more references to it than from this list, or if
    another array shares its memory, as `jax.device_put` may make one. Views of NumPy
    are no concern: they refer to the array, and XLA does not write beneath them.

    Args:
      leaves: arrays; nothing but the list refers to them, unless they are held.

    Returns:
      Arrays of the same values, each the only one in its memory.
    """
    # The list itself and the call are references too: a lone object tells how many.
    (lone,), places = _count_references([object()]), Counter(map(id, leaves))
    counts = zip(leaves, _count_references(leaves), strict=True)
    held = [n >= lone + places[id(leaf)] for leaf, n in counts]
    own, others = set(map(id, leaves)), {}  # others: {pointer: arrays there}
    for array in jax.live_arrays():
        if id(array) not in own and not array.is_deleted():
            # A run in another thread may give it to a call of its own meanwhile.
            with contextlib.suppress(RuntimeError):
                for pointer in _pointers(array):
                    others.setdefault(pointer, []).append(array)
    claimed: list[jax.Array] = []
    given: set[int] = set()
    for leaf, is_held in zip(leaves, held, strict=True):
        # A key wraps an array of numbers, which live_arrays lists as another one.
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        copies = is_held or is_key or id(leaf) in given  # once more, as an average is
        given.add(id(leaf))
        if not copies:
            pointers = _pointers(leaf)
            copies = _is_shared(leaf, [a for p in pointers for a in others.get(p, [])])
            for pointer in [] if copies else pointers:  # none may be donated twice
                others.setdefault(pointer, []).append(leaf)
        claimed.append(jnp.array(leaf, copy=True) if copies else leaf)
    return claimed


def _is_shared(leaf: jax.Array, sharing: list[jax.Array]) -> bool:
    """True if an array in the memory of a leaf is another one, and no shard of it."""
    if not sharing:
        return False
    shards = {id(shard.data) for shard in leaf.addressable_shards}  # JAX keeps them
    return any(id(array) not in shards for array in sharing)


def _count_references(objects: list[Any]) -> list[int]:
    return [sys.getrefcount(one) for one in objects]


def _pointers(array: jax.Array) -> list[int]:
    """Returns where the memory of an array is, on each device of this process."""
    if 0 in array.shape:  # nothing to overwrite
        return []
    if len(array.sharding.device_set) == 1:  # whose shard JAX would keep, as an alias
        return [array.unsafe_buffer_pointer()]
    return [shard.data.unsafe_buffer_pointer() for shard in array.addressable_shards]


def read_saved(state: State) -> dict[str, Any]:
    """Returns what a run needs to go on from here: what is carried, and who stops."""
    state = as_carry(state)
    saved = {name: getattr(state, name) for name in (*CARRIED, "loss")}
    if state.members is not None:  # [N], of one form as long as a run goes
        saved["done"] = state.done
        if state.done is None:
            saved["done"] = np.zeros(state.members, bool)
    return {**saved, "stop": np.asarray(state.stop)}  # [] bool


def drop_weak_type(leaf: Any) -> Any:
    """Returns a leaf whose dtype no other operand can change."""
    return jnp.asarray(leaf, leaf.dtype) if getattr(leaf, "weak_type", False) else leaf


def _convert(leaf: Any, kind: Any) -> Any:
    """Makes an array of a dtype: NumPy's of what lies on the host, else JAX's."""
    if not isinstance(leaf, bool | int | float | complex | np.generic | np.ndarray):
        return jnp.asarray(leaf, kind)
    array = np.asarray(leaf, kind)  # refuses a Python int that is too large
    narrower = getattr(leaf, "itemsize", 0) > array.itemsize
    if narrower and array.dtype.kind in "iu" and not np.array_equal(array, leaf):
        raise OverflowError  # NumPy's numbers would wrap around
    return array


def _send_together(leaves: list[Any]) -> None:
    """Puts NumPy's leaves on the device, all in one transfer."""
    places = [n for n, leaf in enumerate(leaves) if isinstance(leaf, np.ndarray)]
    _put(leaves, places)


def _commit_together(leaves: list[Any]) -> None:
    """Puts leaves where one of them was put on purpose.

    Were some committed to a device and others not, then all would be after the first
    compiled call, and the second would compile anew.
    """
    devices = next((leaf.devices() for leaf in leaves if leaf.committed), ())
    if len(devices) == 1:
        # Those that are there stay as they are: on a mesh of one device, say.
        loose = [n for n, leaf in enumerate(leaves) if not leaf.committed]
        _put(leaves, loose, *devices)


def _put(leaves: list[Any], places: list[int], *device: Any) -> None:
    sent = jax.device_put([leaves[n] for n in places], *device)
    for n, leaf in zip(places, sent, strict=True):
        leaves[n] = leaf
