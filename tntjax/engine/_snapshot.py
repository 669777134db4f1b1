"""Keys by which functions are found again that may have no hash of their own."""

import dataclasses
import hashlib
from collections.abc import Hashable, Iterator, Mapping
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
    it, the key is made of its content now: changed in place it has another.

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
    try:
        hash(value)
    except TypeError:
        pass
    else:  # 1, 1.0 and True are equal, but make other arrays; 0.0 and -0.0 as well
        plain = isinstance(value, bool | int | float | complex)
        return (type(value), repr(value)) if path and plain else value
    if isinstance(value, jax.Array):  # never changes in place, and has no `__dict__`
        return _Itself(value)
    if id(value) in path:
        return len(path) - path.index(id(value))
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        content = hashlib.sha256(value.tobytes()).digest()  # arrays may be large
        return np.ndarray, value.shape, value.dtype, content
    parts = _find_parts(value)
    if parts is None:
        return _Itself(value)
    path = (*path, id(value))
    return type(value), *((name, take_snapshot(part, path)) for name, part in parts)


def _find_parts(value: Any) -> Iterator[tuple[Hashable, Any]] | None:
    """Returns the content of a container or an object by name, if it can be seen."""
    if isinstance(value, Mapping):
        return iter(value.items())
    if isinstance(value, list | tuple):
        return iter(enumerate(value))
    if isinstance(value, set):
        return iter([("items", frozenset(value))])
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return ((name, getattr(value, name, None)) for name in names)
    if hasattr(value, "__dict__"):
        return iter(vars(value).items())
    return None
