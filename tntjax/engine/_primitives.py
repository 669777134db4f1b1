"""Searches programs that JAX has traced."""

from collections.abc import Iterable, Iterator
from typing import Any


def has_primitive(jaxpr: Any, name: str) -> bool:
    """True if a primitive of the name is in a jaxpr, or in one inside it."""
    return any(equation.primitive.name == name for equation in _walk(jaxpr))


def has_shape(jaxpr: Any, shape: tuple[int, ...]) -> bool:
    """True if a jaxpr, or one inside it, computes an array of the shape."""
    results = (result for equation in _walk(jaxpr) for result in equation.outvars)
    return any(getattr(result.aval, "shape", None) == shape for result in results)


def _walk(jaxpr: Any) -> Iterator[Any]:
    """Yields the equations of a jaxpr, and of those inside them."""
    for equation in getattr(jaxpr, "jaxpr", jaxpr).eqns:  # of a closed one
        yield equation
        for inner in _inner(equation.params.values()):
            yield from _walk(inner)


def _inner(values: Iterable[Any]) -> Iterator[Any]:
    """Yields the jaxprs among the parameters of an equation."""
    for value in values:
        if isinstance(value, list | tuple):  # the branches of a cond
            yield from _inner(value)
        elif hasattr(value, "eqns") or hasattr(value, "jaxpr"):
            yield value
