"""Primitives of JAX in what was traced."""

from collections.abc import Iterable, Iterator
from typing import Any


def has_primitive(jaxpr: Any, name: str) -> bool:
    """True if a primitive of the name is in a jaxpr, or in one inside it."""
    jaxpr = getattr(jaxpr, "jaxpr", jaxpr)  # of a closed one
    return any(
        equation.primitive.name == name
        or any(has_primitive(inner, name) for inner in _inner(equation.params.values()))
        for equation in jaxpr.eqns
    )


def _inner(values: Iterable[Any]) -> Iterator[Any]:
    """Yields the jaxprs among the parameters of an equation."""
    for value in values:
        if isinstance(value, list | tuple):  # the branches of a cond
            yield from _inner(value)
        elif hasattr(value, "eqns") or hasattr(value, "jaxpr"):
            yield value
