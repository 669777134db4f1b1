"""Keys by which functions are found again that may have no hash of their own."""

import dataclasses
import hashlib
from collections.abc import Hashable, Iterator
from typing import Any

import jax
import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class _Itself:
    """An object that is equal to nothing else, and is kept, so that its id is its own.

    Args:
      value: the object.
    """

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def take_snapshot(value: Any, path: tuple[int, ...] = ()) -> Hashable:
    """Returns a key that equals another while both values are of the same content.

    What has a hash is its own key. Of anything else, such as a module with a list in
    it, the key is made of its content now: changed in place it has another. What cannot
    be looked into, and JAX arrays, which never change, are equal to themselves alone.

    Args:
      value: a function, a module, settings: anything.
      path: the ids of what holds the value, as modules may refer to their parents.

    Returns:
      The key.

    Example:
      >>> settings = {"scale": [1.0]}
      >>> before = take_snapshot(settings)
      >>> settings["scale"][0] = 2.0
      >>> before == take_snapshot(settings), before == take_snapshot({"scale": [1.0]})
      (False, True)
    """
    if isinstance(value, jax.Array):
        return _Itself(value)
    if path and isinstance(value, bool | int | float | complex | np.generic):
        return type(value), repr(value)  # 1, 1.0 and True are equal; 0.0 and -0.0, too
    if not (path and type(value) is tuple):  # of numbers, perhaps
        try:
            hash(value)
        except Exception:  # TypeError, as a rule
            pass
        else:
            return value
    if id(value) in path:
        return len(path) - path.index(id(value))  # how far up, in equal modules equal
    if (parts := _find_parts(value)) is None:
        return _Itself(value)
    path = (*path, id(value))
    return type(value), *(take_snapshot(part, path) for part in parts)


def _find_parts(value: Any) -> tuple | None:
    """Returns the content of an object, None if it cannot be seen."""
    if type(value) is tuple:
        return value
    if isinstance(value, set):
        return (frozenset(value),)
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        content = hashlib.sha256(value.tobytes()).digest()  # arrays may be large
        return value.shape, value.dtype, content
    try:
        # What a copy is made of: items, attributes and slots, of classes of any kind.
        parts = value.__reduce_ex__(4)
    except Exception:  # of a generator, say
        return None
    return tuple(tuple(part) if isinstance(part, Iterator) else part for part in parts)
