"""An iterator's source: a dataset, or a function that makes one for an epoch."""

import functools
import inspect
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from tntjax._struct import describe
from tntjax._types import Dataset, is_dataset

_BY_PLACE = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)
# `*args` and `**kwargs`
_MAY_BE_EMPTY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def check_source(source: Any, name: str) -> None:
    """Raises a TypeError unless a source is a dataset or a function that makes one."""
    if is_dataset(source):
        return
    if not callable(source):
        raise TypeError(
            f"{name} needs a dataset (anything with len and [index]) or a function"
            f" epoch -> dataset, got {type(source).__name__}."
        )
    _takes_epoch(source)


def open_source(source: Any, worker: int) -> Any:
    """Calls a function that does not ask for the epoch, which is done once a worker."""
    if is_dataset(source) or _takes_epoch(source):
        return source
    made = _call(source, 0, worker)  # the 0 goes nowhere: it takes no epoch
    if not is_dataset(made) and not callable(made):
        raise _not_a_dataset(source, made, "a dataset or a function epoch -> dataset")
    return made


def make_dataset(source: Any, epoch: int, worker: int) -> Dataset:
    """Returns the dataset of an epoch."""
    if is_dataset(source):
        return source
    made = _call(source, epoch, worker)
    if not is_dataset(made):
        raise _not_a_dataset(source, made, "a dataset")
    return made


def _call(function: Callable[..., Any], epoch: int, worker: int) -> Any:
    signature = _read_signature(function)
    if signature is None:
        return function(epoch)
    given = _bind_arguments(function, signature, epoch, worker)
    # So that what is positional only is passed by place, and all else by name.
    bound = inspect.BoundArguments(signature, OrderedDict(given))
    return function(*bound.args, **bound.kwargs)


def _takes_epoch(function: Callable[..., Any]) -> bool:
    signature = _read_signature(function)
    if signature is None:
        return True
    return bool(_bind_arguments(function, signature, 0, 0).keys() - {"worker"})


def _read_signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):  # compiled, and tells nothing of its parameters
        return None


def _bind_arguments(
    function: Callable[..., Any], signature: inspect.Signature, epoch: int, worker: int
) -> dict[str, Any]:
    """Finds the arguments: `worker` by its name only, the epoch by place too."""
    is_partial = isinstance(function, functools.partial)
    # Bound by name a parameter is still in the signature, with what it is bound to.
    fixed = function.keywords if is_partial else {}
    free = {n: p for n, p in signature.parameters.items() if n not in fixed}
    # By its name only, or `lambda n: ...` could be asking for either number.
    given: dict[str, Any] = {"worker": worker} if "worker" in free else {}
    starred = [n for n, p in free.items() if p.kind in _MAY_BE_EMPTY]
    required = [n for n, p in free.items() if p.default is p.empty and n not in starred]
    by_place = [n for n, p in free.items() if p.kind in _BY_PLACE and n not in given]
    if "epoch" in free:
        given["epoch"] = epoch
    # With a default it may be a setting of the user's, so no epoch is put there.
    elif by_place and by_place[0] in required + starred:
        given[by_place[0]] = (epoch,) if by_place[0] in starred else epoch
    elif by_place and not given:
        raise TypeError(
            f"An iterator cannot tell whether {by_place[0]} is the epoch in"
            f" {describe(function)}{signature}. Write lambda epoch: ... for a dataset"
            " of each epoch, or lambda: ... for one that stays."
        )
    missing = [name for name in required if name not in given]
    if missing:
        raise TypeError(
            "An iterator calls a function with the epoch, and with the number of the"
            f" worker if a parameter is named `worker`, but {describe(function)}"
            f"{signature} also needs {', '.join(missing)}. Bind the rest:"
            f" functools.partial(function, {missing[0]}=...)."
        )
    return given


def _not_a_dataset(function: Any, made: Any, expected: str) -> TypeError:
    hint = " The parameter of a function is the epoch; name it `worker` if it is the"
    hint += " number of the worker."
    return TypeError(
        f"An iterator's function must return {expected} (anything with len and"
        f" [index]), got {type(made).__name__} of {describe(function)}."
        f"{hint if callable(made) else ''}"
    )
