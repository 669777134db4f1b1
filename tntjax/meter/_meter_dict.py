import inspect
from collections.abc import Mapping
from typing import Any, Self

import jax

from tntjax import _types
from tntjax._struct import describe
from tntjax.meter._meter import Meter, check_same
from tntjax.meter.parts._inputs import Mask


class MeterDict(Meter):
    """A group of meters, each under a name, that is a meter itself.

    `add`, `merge`, `value` and `reset` go to all of them. `group["name"]` is the meter
    of that name.

    Args:
      meters: `{name: meter}`, pytrees of arrays, groups included; so no `TimeMeter`.
        Names are identifiers, as they are arguments of `add`, and not `mask`. They
        are kept in alphabetical order, as JAX keeps them.

    Raises:
      TypeError, ValueError: if an argument is something else.

    Example:
      >>> from tntjax.meter import AverageValueMeter, ClassErrorMeter
      >>> group = MeterDict({"error": ClassErrorMeter(), "loss": AverageValueMeter()})
      >>> group = group.add([[0.5, 0.5], [0.2, 0.8]], [1, 1], loss=([0, 1], [3, 1]))
      >>> group
      MeterDict(
        error=ClassErrorMeter(top1=50%, n=2),
        loss=AverageValueMeter(mean=0.25, std=0.5, n=4),
      )
      >>> group.value()["loss"].mean
      0.25

    Torchnet: not there; hooks named each meter.
    """

    meters: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not isinstance(self.meters, Mapping):
            raise TypeError(
                f"MeterDict needs a dict of meters, got {describe(self.meters)}."
            )
        for name, meter in self.meters.items():
            if not isinstance(name, str) or not name.isidentifier() or name == "mask":
                raise ValueError(
                    "MeterDict needs names that can be arguments of add, and not"
                    f" 'mask', got {name!r}."
                )
            if not isinstance(meter, _types.Meter) or jax.tree_util.all_leaves([meter]):
                raise TypeError(
                    f"MeterDict needs meters that are pytrees, but {name!r} is"
                    f" {describe(meter)}."
                )
        vars(self).update(meters=dict(sorted(self.meters.items())))

    def __getitem__(self, name: str) -> Any:
        return self.meters[name]

    def add(self, *args: Any, mask: Mask = None, **named: Any) -> Self:
        """Counts a batch in; see `Meter.add`.

        Args:
          *args: what each meter gets that isn't named; without any, those stay as
            they are. Of two or more, `(output, target)`, meters of values get nothing
            if others take targets: name them, as in `loss=loss`.
          mask: [B] bool, for all meters that get something.
          **named: `name=argument` or `name=(argument, ...)` for that meter alone.

        Raises:
          KeyError: if there is no meter of that name.
        """
        if unknown := sorted(named.keys() - self.meters.keys()):
            raise KeyError(
                f"MeterDict.add got {', '.join(unknown)}, but its meters are"
                f" {', '.join(self.meters)}."
            )
        given = {
            name: arguments if isinstance(arguments, tuple) else (arguments,)
            for name, arguments in named.items()
        }
        unnamed = [name for name in self.meters if name not in given]
        takers = [name for name in unnamed if _takes_targets(self.meters[name])]
        takers = takers if len(args) > 1 and takers else unnamed
        given |= dict.fromkeys(takers, args)
        added = {
            name: self.meters[name].add(*arguments, mask=mask)
            for name, arguments in given.items()
            if arguments
        }
        return type(self)({**self.meters, **added})

    def merge(self, other: Self) -> Self:
        """Returns one group for what both have seen, of the same names."""
        check_same(self, other)
        if self.meters.keys() != other.meters.keys():
            raise ValueError(
                "MeterDict.merge needs two groups with the same names, got"
                f" {', '.join(self.meters)} and {', '.join(other.meters)}."
            )
        both = {name: m.merge(other.meters[name]) for name, m in self.meters.items()}
        return type(self)(both)

    def reset(self) -> Self:
        """Returns the group of the meters that have seen nothing."""
        meters = {name: meter.reset() for name, meter in self.meters.items()}
        return type(self)(meters)

    def value(self) -> dict[str, Any]:
        """Returns what each has measured, `{name: value}`."""
        return {name: meter.value() for name, meter in self.meters.items()}

    def __repr__(self) -> str:
        lines = "".join(f"\n  {name}={m}," for name, m in self.meters.items())
        return f"MeterDict({lines}\n)"


def _takes_targets(meter: Any) -> bool:
    """True if `add` needs a second argument: labels, of which no `n` is to be made."""
    if isinstance(meter, MeterDict):
        return any(map(_takes_targets, meter.meters.values()))
    parameters = inspect.signature(meter.add).parameters.values()
    if any(p.kind == p.VAR_POSITIONAL for p in parameters):
        return True
    positional = (p for p in parameters if p.kind <= p.POSITIONAL_OR_KEYWORD)
    return sum(p.default is p.empty for p in positional) > 1
