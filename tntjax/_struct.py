"""Frozen dataclasses that JAX can see into: `pytree`, and kinds of their fields."""

import dataclasses
import itertools
import operator
import re
import types
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, dataclass_transform

import jax
import numpy as np

Class = TypeVar("Class", bound=type)

LEVELS = 4  # of dicts, lists and tuples in each other that `describe` shows
ENTRIES = 12  # of a dict that it shows

FROZEN = """cannot assign to field {name!r}: a {cls} does not change. Make another \
one: {call}"""


def static(**kwargs: Any) -> Any:
    """Declares a dataclass field that is part of the structure and not a child.

    Its values are compared and hashed when JAX caches a compiled function, so give it
    functions, numbers, strings and tuples of these.
    """
    return dataclasses.field(metadata={"static": True}, **kwargs)


def flag(**kwargs: Any) -> Any:
    """Declares a static field that is True or False; text, say, would be true."""
    return dataclasses.field(metadata={"static": True, "flag": True}, **kwargs)


class Opaque:
    """Stands for a value that JAX shall not look into; it is equal to itself alone."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Opaque) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)

    def __repr__(self) -> str:
        return describe(self.value)


jax.tree_util.register_pytree_node(
    Opaque, lambda opaque: ((), opaque), lambda opaque, _: opaque
)


def _unwrapped(child: Any) -> Any:
    if type(child) is tuple and any(isinstance(part, Opaque) for part in child):
        return tuple(map(_unwrapped, child))
    return child.value if isinstance(child, Opaque) else child


def child(seen_as: Callable[[Any], Any], **kwargs: Any) -> Any:
    """Declares a field of which JAX sees `seen_as(value)`: it, an `Opaque`, or a tuple.

    It is asked for once: when JAX has rebuilt the instance, what it left opaque stays
    so, and what it put in the place of leaves stays open.
    """
    return dataclasses.field(metadata={"seen_as": seen_as}, **kwargs)


@dataclass_transform(
    frozen_default=True, field_specifiers=(dataclasses.field, static, flag, child)
)
def pytree(cls: Class) -> Class:
    """Makes a class with annotated fields a frozen dataclass and a JAX pytree.

    Fields are children, those declared with `static` or `flag` are structure. JAX
    rebuilds an instance with whatever leaves it likes (tracers, shardings, None), so
    rebuilding does not call `__init__`: checks in `__post_init__` see what a user
    passed only. Instances compare by identity: comparing arrays has no single answer.

    Example:
      >>> @pytree
      ... class Point:
      ...     x: float
      ...     unit: str = static(default="m")
      >>> jax.tree.map(lambda leaf: leaf + 1, Point(1.0))
      Point(x=2.0, unit='m')
    """
    _check_flags(cls)
    cls = dataclasses.dataclass(frozen=True, eq=False, repr=False)(cls)
    fields = dataclasses.fields(cls)
    statics = tuple(f.name for f in fields if f.metadata.get("static"))
    children = tuple(f.name for f in fields if f.name not in statics)
    keys = tuple(jax.tree_util.GetAttrKey(name) for name in children)
    seen = {f.name: f.metadata["seen_as"] for f in fields if "seen_as" in f.metadata}

    def flatten(value: Any) -> tuple[tuple, tuple]:
        held = value.__dict__
        parts = held.get("_children")
        if parts is None:
            parts = tuple(seen[n](held[n]) if n in seen else held[n] for n in children)
        return parts, tuple(held[n] for n in statics)

    def flatten_with_keys(value: Any) -> tuple[tuple, tuple]:
        leaves, structure = flatten(value)
        return tuple(zip(keys, leaves, strict=True)), structure

    def unflatten(structure: tuple, leaves: Any) -> Any:
        value = object.__new__(cls)
        if seen:
            value.__dict__["_children"] = leaves = tuple(leaves)
            leaves = map(_unwrapped, leaves)
        value.__dict__.update(zip(children, leaves, strict=True))
        value.__dict__.update(zip(statics, structure, strict=True))
        return value

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    type.__setattr__(cls, "__setattr__", _refuse)
    if cls.__repr__ is object.__repr__:
        type.__setattr__(cls, "__repr__", _repr)
    return cls


def _check_flags(cls: type) -> None:
    """Makes a class refuse flags that are not bools."""
    bases = (getattr(base, "__dataclass_fields__", {}) for base in cls.__mro__[:0:-1])
    known: dict[str, Any] = {}
    for fields in (*bases, vars(cls)):
        known.update(fields)
    flags = [name for name in known if "flag" in getattr(known[name], "metadata", ())]
    finish = getattr(cls, "__post_init__", None)

    def check(self: Any, *args: Any) -> None:
        for name in flags:
            value = getattr(self, name)
            if not isinstance(value, bool | np.bool_):
                raise TypeError(
                    f"{cls.__name__}: {name} must be True or False, got"
                    f" {describe(value)}."
                )
            object.__setattr__(self, name, bool(value))
        if finish is not None:
            finish(self, *args)

    if flags:
        cls.__post_init__ = check


def _refuse(self: Any, name: str, value: Any) -> None:
    del value
    replace = (
        "old.replace(" if hasattr(self, "replace") else "dataclasses.replace(old, "
    )
    words = {"name": name, "cls": type(self).__name__}
    call = f"new = {replace}{name}=...)"
    raise dataclasses.FrozenInstanceError(FROZEN.format(**words, call=call))


def _repr(self: Any) -> str:
    """`Name(field=value)`: arrays as dtype and shape, functions by name."""
    shown = ", ".join(
        f"{f.name}={describe(getattr(self, f.name))}" for f in dataclasses.fields(self)
    )
    return f"{type(self).__name__}({shown})"


def is_unchanged(before: Any, after: Any) -> bool:
    """True if the leaves of two trees are the same objects, at the same places."""
    return consists_of(after, *jax.tree.flatten(before))


def consists_of(tree: Any, leaves: list[Any], structure: Any) -> bool:
    """True if the leaves of a tree are these objects, at these places."""
    found, form = jax.tree.flatten(tree)
    return form == structure and all(map(operator.is_, found, leaves))


def describe(value: Any) -> str:
    """Describes a value in one line of bounded length, without an address.

    Arrays by dtype and shape, functions and classes by name, dicts, lists and tuples by
    their parts, the rest by `repr`. What is long is abbreviated.

    Example:
      >>> import numpy as np
      >>> describe({"input": np.zeros((5, 28)), "load": len})
      "{'input': float64[5,28], 'load': len}"
    """
    return shorten(_describe(value, LEVELS), 600)


def shorten(text: str, most: int) -> str:
    """Puts a text on one line of at most `most` characters, "..." at its end if cut."""
    text = re.sub(r"\s*\n\s*", " ", text)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _describe(value: Any, levels: int) -> str:
    called = isinstance(value, Callable | types.ModuleType)
    if called and not dataclasses.is_dataclass(type(value)):
        return getattr(value, "__qualname__", None) or type(value).__name__
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):  # a table of pandas has no dtype
        kind = getattr(value, "dtype", type(value).__name__)
        return f"{kind}[{','.join(map(str, shape))}]"
    if isinstance(value, dict):
        pairs = ((f"{key!r}: ", part) for key, part in value.items())
        return f"{{{_parts(pairs, len(value), levels)}}}"
    names = getattr(value, "_fields", None)
    if isinstance(value, tuple) and names is not None:
        pairs = zip((f"{name}=" for name in names), value, strict=True)
        return f"{type(value).__name__}({_parts(pairs, len(value), levels)})"
    if isinstance(value, list | tuple):
        if len(value) > 6:
            return f"{type(value).__name__} of {len(value)}"
        inside = _parts((("", part) for part in value), len(value), levels)
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    return re.sub(" at 0x[0-9a-fA-F]+", "", repr(value))


def _parts(pairs: Iterable[tuple[str, Any]], number: int, levels: int) -> str:
    """Describes what is in a container, as far as there is room."""
    if not levels:
        return "..." if number else ""
    shown = itertools.islice(pairs, ENTRIES)
    parts = [f"{name}{_describe(part, levels - 1)}" for name, part in shown]
    return ", ".join(parts + [f"... {number - ENTRIES} more"] * (number > ENTRIES))
