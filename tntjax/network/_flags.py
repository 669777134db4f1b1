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

NAME_IT = """Name it: training={name!r}; or if it says something else: training=()."""


def training_flags(
    who: str,
    function: Callable[..., Any],
    training: str | Sequence[str] | None,
    *,
    given: int,
    optional: bool = False,
) -> tuple[str, ...]:
    """Finds the keywords that tell a function whether it is in training, or raises.

    They come after the `given` arguments. `training` are those that the user named; if
    `optional`, one that is None by default is left alone, as the module has another way
    to know.
    """
    parameters = inspect.signature(function).parameters
    if training is not None:
        named = (training,) if isinstance(training, str) else tuple(training)
        kinds = {parameter.kind for parameter in parameters.values()}
        for name in named:
            if name not in parameters and inspect.Parameter.VAR_KEYWORD not in kinds:
                raise TypeError(
                    f"{who}: {describe(function)} has no argument {name!r}, which"
                    f" training= names; it has {', '.join(parameters)}."
                )
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

    Of its arguments some are `given` first and say something else, and others are
    `passed` by name; the advice has a place for the `name` of what is missed.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # of a function in C there is none
        return
    bound = function.keywords if isinstance(function, functools.partial) else {}
    for name, parameter in list(parameters.items())[given:]:
        if name not in passed and name not in bound and _is_flag(parameter):
            raise TypeError(
                f"{who}: {describe(function)} takes {parameter}, which seems to say"
                f" whether it is in training, but is not passed."
                f" {advice.format(name=name)}"
            )


def _is_flag(parameter: inspect.Parameter) -> bool:
    words = TRAINING_WORDS | OPPOSITE_WORDS
    if isinstance(parameter.default, str):  # mode="train"
        return parameter.default.lower() in words
    empty = inspect.Parameter.empty
    untyped = parameter.default is empty and parameter.annotation is empty
    yes_or_no = isinstance(parameter.default, bool)
    yes_or_no |= "bool" in str(parameter.annotation)
    named = parameter.name in KNOWN or _words(parameter.name) & words
    return bool(named) and (yes_or_no or untyped)


def _words(name: str) -> set[str]:  # `is_train` or `isTrain`
    return {word.lower() for word in re.findall("[A-Z]?[a-z]+", name)}
