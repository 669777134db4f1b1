"""Meters in the step, reset where they should be."""

import inspect
import operator
import warnings
from collections.abc import Callable, Mapping
from typing import Any, cast

import jax.numpy as jnp

from tntjax._struct import Opaque, describe
from tntjax._types import Meter
from tntjax.engine import Hooks, State
from tntjax.engine._names import find_close
from tntjax.hooks._bind import Bound, bind, claim
from tntjax.hooks._mean_loss import MEAN_LOSS
from tntjax.meter import AverageValueMeter, ClassErrorMeter

UNMASKED = """the meter {name!r} takes no mask, so it counts rows that only fill up a \
batch as well. Give its method add a keyword, mask=None: a bool [B], False for these."""

Metered = tuple[Meter, Callable[[State], Any]]


def metering(*meters: str | Mapping[str, Metered] | None, **named: Metered) -> Hooks:
    """Measures in each step, in training and in a test.

    Each meter is `state.meters[name]`, and is reset at the start and before each
    epoch. It adds what its function reads in `on_forward_criterion`, or in
    `on_forward` of a test without criterion. There a function that reads
    `state.loss` gets None, and a meter that is given None adds nothing. If the sample
    has a `mask` and the meter takes one, it is passed on, but for single numbers; of
    one that takes none a warning tells. Other meters in the State are left alone, so
    several of these can be chained.

    Args:
      *meters: names of what is measured often: `"loss"`, `"error"` and `"accuracy"`,
        of class scores [B, K] and class numbers [B], in percent; or a dict
        `{name: (meter, function)}`, for other names that aren't identifiers. The
        function is `State -> arguments of add`, a tuple or the only one. Make it once:
        what is compiled is cached on it.
      **named: pairs of a meter and a function by keyword.

    Returns:
      A Hooks value, to be chained with others.

    Raises:
      TypeError: if an entry is not a pair of a meter and a function.
      ValueError: if a name is not one of those; when it runs, if another plugin has a
        meter of the name.

    Example:
      >>> import tntjax as tnt
      >>> hooks = tnt.hooks.metering(
      ...     "error", largest=(tnt.AverageValueMeter(), lambda s: s.loss.max())
      ... )
      >>> sorted(hooks.on_start(tnt.State()).meters)
      ['error', 'largest']

    Torchnet: the hooks that each example of Torchnet has anew.
    """
    entries: dict[str, Metered] = {}
    for some in meters:
        entries |= _read(some)
    entries |= named
    for name, entry in entries.items():
        _check(name, entry)
    # A meter may hold arrays, so hooks compare it by identity; steps do not see it.
    fresh = tuple((name, Opaque(meter)) for name, (meter, _) in entries.items())
    reads = tuple((name, read) for name, (_, read) in entries.items())
    return Hooks(
        on_start=bind(_start, fresh),
        on_start_epoch=bind(_reset, fresh),
        on_forward=Bound(_measure_without_criterion, (reads,), only_in_tests=True),
        on_forward_criterion=bind(_measure, reads),
    )


def find_names(hooks: Hooks) -> list[str] | None:
    """Returns by which names a test shows what hooks measure; None if others may add.

    A meter that shows several things has `name.part` for each.
    """
    names: list[str] = []
    # In a step no meter is made, as what is carried keeps its structure.
    for hook in (*hooks.functions("on_start"), *hooks.functions("on_end")):
        function = getattr(hook, "function", hook)
        if not str(getattr(function, "__module__", "")).startswith("tntjax.hooks."):
            return None
        if function is _start:
            names += [name for name, _ in cast(Bound, hook).arguments[0]]
        elif hook == MEAN_LOSS.on_start:
            names.append("loss")
    return names


def _read(some: Any) -> Mapping[str, Metered]:
    """Returns the entries of a dict, or the one of a name."""
    if isinstance(some, str):
        if some in USUAL:
            return {some: USUAL[some]}
        close = find_close(some.lower(), USUAL)
        raise ValueError(
            f"metering knows the names {', '.join(map(repr, USUAL))}, got {some!r}"
            f"{f'; did you mean {close!r}?' if close else '.'}"
            f" Others say what to read: metering({{{some!r}: (meter, function)}})."
        )
    if isinstance(some, Mapping | None):
        return some or {}
    raise TypeError(
        'metering needs names, such as "error", a dict {name: (meter, function)}, or'
        f" names as keywords; got {describe(some)}."
    )


def _read_scores(state: State) -> Any:
    output, sample = state.output, state.sample
    target = sample.get("target") if isinstance(sample, dict) else None
    if not (hasattr(output, "shape") and hasattr(target, "shape")):
        raise TypeError(
            'metering: "error" and "accuracy" read class scores [B, K] from'
            " state.output and class numbers from state.sample['target'], got"
            f" {describe(output)} and {describe(target)}. Say what to read:"
            " metering(error=(tnt.ClassErrorMeter(), lambda state: (scores, classes)))."
        )
    return output, target


USUAL: dict[str, Metered] = {
    "loss": (AverageValueMeter(), operator.attrgetter("loss")),
    "error": (ClassErrorMeter(), _read_scores),
    "accuracy": (ClassErrorMeter(accuracy=True), _read_scores),
}


def _check(name: str, entry: Any) -> None:
    meter, read = entry if isinstance(entry, tuple) and len(entry) == 2 else (None, 0)
    is_meter = isinstance(meter, Meter) and not isinstance(meter, type)
    if not (is_meter and callable(read)):
        raise TypeError(
            f"metering({name}=...) needs (meter, function), such as"
            " (tnt.AverageValueMeter(), lambda state: state.loss); got"
            f" {describe(entry)}."
        )


def _start(state: State, fresh: tuple) -> State:
    for name, meter in fresh:
        state = claim(state, "meters", name, meter.value.reset())
    return state


def _reset(state: State, fresh: tuple) -> State:
    reset = {name: meter.value.reset() for name, meter in fresh}
    return state.replace(meters={**state.meters, **reset})


def _measure_without_criterion(state: State, reads: tuple) -> State:
    measures = state.criterion is None and not state.training
    return _measure(state, reads) if measures else state


def _measure(state: State, reads: tuple) -> State:
    meters = dict(state.meters)
    for name, read in reads:
        try:
            meters[name] = _added(name, meters[name], read(state), state.sample)
        except Exception as error:
            error.add_note(f"This happened in metering, for the meter {name!r}.")
            raise
    return state.replace(meters=meters)


def _added(name: str, meter: Any, read: Any, sample: Any) -> Any:
    arguments = read if isinstance(read, tuple) else (read,)
    if any(argument is None for argument in arguments):
        return meter
    mask = sample.get("mask") if isinstance(sample, dict) else None
    if mask is not None and jnp.ndim(arguments[0]):
        parameters = inspect.signature(meter.add).parameters.values()
        if any(p.name == "mask" or p.kind is p.VAR_KEYWORD for p in parameters):
            return meter.add(*arguments, mask=mask)
        if jnp.shape(arguments[0])[0] == len(mask):
            warnings.warn(f"tntjax: {UNMASKED.format(name=name)}", stacklevel=2)
    return meter.add(*arguments)
