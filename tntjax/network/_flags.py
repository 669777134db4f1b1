"""The arguments that tell a function whether it is in training."""

import functools
import inspect
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

from tntjax._struct import describe

OPPOSITE = ("deterministic", "inference", "use_running_average")
KNOWN = ("is_training", "train", "training", *OPPOSITE)

TRAINING_WORDS = {"train", "training", "learn", "learning", "dropout", "stochastic"}
OPPOSITE_WORDS = {"deterministic", "inference", "infer", "predict", "prediction"}
OPPOSITE_WORDS |= {"test", "testing", "eval", "evaluate", "evaluation"}

UNKNOWN = """{who}: {function} takes {name}, which seems to say whether it is in \
training, but is not passed. {advice}"""

NAME_IT = """Name it: training={name!r}; or if it says something else: training=()."""


def training_flags(
    who: str,
    function: Callable[..., Any],
    training: str | Sequence[str] | None,
    *,
    given: int,
    optional: bool = False,
) -> tuple[str, ...]:
    """Finds the keywords that tell a function whether it is in training.

    Args:
      who: the adapter, for errors.
      function: the function.
      training: the keyword, or some, that the user named; None to find them.
      given: how many arguments come before these.
      optional: whether one that is None by default is left alone, as the module has
        another way to know.

    Returns:
      The keywords.

    Raises:
      TypeError: if the function has no argument that was named, or has one that seems
        to be meant and is not known.
    """
    parameters = inspect.signature(function).parameters
    if training is not None:
        named = (training,) if isinstance(training, str) else tuple(training)
        _check_named(who, function, named, parameters)
        return named
    found = tuple(
        name
        for name, parameter in parameters.items()
        if name in KNOWN and not (optional and parameter.default is None)
    )
    if not found:
        check_flags(who, function, NAME_IT, given=given, passed=KNOWN)
    return found


def flag_values(flags: tuple[str, ...], training: bool) -> dict[str, bool]:
    """Returns the values of these keywords; some are True where others are False."""
    return {
        name: training != (name in OPPOSITE or bool(_words(name) & OPPOSITE_WORDS))
        for name in flags
    }


def check_flags(
    who: str,
    function: Callable[..., Any],
    advice: str,
    *,
    given: int,
    passed: Collection[str] = (),
) -> None:
    """Raises a TypeError if nobody tells a function whether it is in training.

    Args:
      who: has the function, for the error.
      function: the function.
      advice: what to do, with a place for the `name` of the argument.
      given: how many of its arguments come first, which say something else.
      passed: names of arguments that are passed.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # of a function in C there is none
        return
    bound = function.keywords if isinstance(function, functools.partial) else {}
    for name, parameter in list(parameters.items())[given:]:
        if name not in passed and name not in bound and _is_flag(parameter):
            raise TypeError(
                UNKNOWN.format(
                    who=who,
                    function=describe(function),
                    name=str(parameter),
                    advice=advice.format(name=name),
                )
            )


def _check_named(
    who: str, function: Any, named: tuple[str, ...], parameters: Any
) -> None:
    kinds = {parameter.kind for parameter in parameters.values()}
    for name in named:
        if name not in parameters and inspect.Parameter.VAR_KEYWORD not in kinds:
            raise TypeError(
                f"{who}: {describe(function)} has no argument {name!r}, which training="
                f" names; it has {', '.join(parameters)}."
            )


def _is_flag(parameter: inspect.Parameter) -> bool:
    words = TRAINING_WORDS | OPPOSITE_WORDS
    if isinstance(parameter.default, str):  # mode="train"
        return parameter.default.lower() in words
    empty = inspect.Parameter.empty
    untyped = parameter.default is empty and parameter.annotation is empty
    yes_or_no = isinstance(parameter.default, bool) or "bool" in str(
        parameter.annotation
    )
    named = parameter.name in KNOWN or _words(parameter.name) & words
    return bool(named) and (yes_or_no or untyped)


def _words(name: str) -> set[str]:
    """Splits `is_train` or `isTrain` into its words."""
    return {word.lower() for word in re.findall("[A-Z]?[a-z]+", name)}
