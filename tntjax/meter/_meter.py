import abc
import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Self, cast, dataclass_transform

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from tntjax._array import can_be_read, host_or_device
from tntjax._plain import as_plain
from tntjax._struct import describe, pytree, static


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, static))
class Meter(abc.ABC):
    """The base of meters: each is a monoid whose fields add up.

    A subclass is a frozen dataclass and a JAX pytree without a decorator. It declares
    its fields, with defaults on the host that have seen nothing, and defines `add` and
    `value`. Nothing changes in place: `add`, `merge` and `reset` return a new meter, so
    rebind the result.

    * A field is an array or a number, another meter, or a tuple or dict of these.
      `merge` adds them up, and `reset` makes zeros of them: define these two if yours
      do something else.
    * A field of `dataclasses.field(metadata={"static": True})` is an argument: equal in
      meters that are merged.
    * `value` is called with the meter in the memory of the host, where numbers are
      NumPy's, or traced in compiled code. What it returns is converted to Python
      numbers and NumPy arrays. Division by zero is NaN and no warning.
    * `repr` shows `summary()`, and `n` if there is one.

    A class with the same four methods is a meter too, whatever it derives from.

    Example:
      >>> import jax.numpy as jnp
      >>> import tntjax as tnt
      >>> class HitRateMeter(tnt.Meter):
      ...     hits: jax.typing.ArrayLike = np.int32(0)
      ...     n: jax.typing.ArrayLike = np.int32(0)
      ...
      ...     def add(self, output, target, *, mask=None):
      ...         right = jnp.argmax(output, -1) == target
      ...         seen = jnp.ones(right.shape, bool) if mask is None else mask
      ...         hits, n = (part.sum(dtype="int32") for part in (right & seen, seen))
      ...         return HitRateMeter(self.hits + hits, self.n + n)
      ...
      ...     def value(self):
      ...         return self.hits / self.n
      >>> meter = HitRateMeter().add(np.eye(4), np.array([0, 1, 0, 3]))
      >>> meter.merge(meter)
      HitRateMeter(value=0.75, n=8)

    Torchnet: `meter/meter.lua`, whose meters could not be merged.
    """

    _label = "value"  # in `repr`, where the value is one number

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if value := vars(cls).get("value"):
            type.__setattr__(cls, "value", _read_plainly(value))
        pytree(cls)

    @abc.abstractmethod
    def add(self, *args: Any, mask: Any = None) -> Self:
        """Counts a batch in.

        Args:
          *args: what is measured; rows come first.
          mask: bool, one for each row; False leaves the row out, which may be NaN then.

        Returns:
          The new meter, of the same structure, shapes and dtypes, unless it grows for
          want of a `capacity`.

        Raises:
          TypeError: if numbers aren't real, class numbers or counts not integers, or
            `mask` not bool.
          ValueError: if shapes don't fit, or numbers that can be read at once are out
            of range.
        """

    @abc.abstractmethod
    def value(self) -> Any:
        """Returns what was measured: Python numbers and NumPy arrays, unless traced."""

    def merge(self, other: Self) -> Self:
        """Returns one meter for what both have seen.

        Args:
          other: another such meter, made with the same arguments.

        Returns:
          The merged meter; computed on the host if both lie there.

        Raises:
          TypeError: if `other` is of another class.
          ValueError: if it was made with other arguments.
        """
        check_same(self, other)

        def is_part(part: Any) -> bool:
            return part is not self and hasattr(part, "merge")

        return jax.tree.map(_merge_parts, self, other, is_leaf=is_part)

    def reset(self) -> Self:
        """Returns the meter that has seen nothing, on the host, of the same shapes."""
        return jax.tree.map(_zeros_like, self)

    def summary(self) -> dict[str, Any]:
        """Returns what `repr` shows besides `n`: `{name: number or text}`.

        By default these are the entries of `value()`, called on the host.
        """
        value = self.value()
        if hasattr(value, "_asdict"):
            return value._asdict()
        return value if isinstance(value, dict) else {self._label: value}

    def __repr__(self) -> str:
        shown = _read_summary(self)
        if shown is None:
            names = (field.name for field in dataclasses.fields(cast(Any, self)))
            shown = {name: describe(getattr(self, name)) for name in names}
        parts = ", ".join(f"{name}={text}" for name, text in shown.items())
        return f"{type(self).__name__}({parts})"


def check_same(meter: Any, other: Any) -> None:
    """Raises unless a meter's `merge` got one of the same class and static fields."""
    name = type(meter).__name__
    if type(other) is not type(meter):
        raise TypeError(
            f"{name}.merge needs another {name}, got {describe(other)}. To count"
            " something in, use add."
        )
    for field in dataclasses.fields(meter):
        if field.metadata.get("static"):
            mine, others = getattr(meter, field.name), getattr(other, field.name)
            if mine != others:
                raise ValueError(
                    f"{name}.merge needs two meters with the same {field.name}, got"
                    f" {mine!r} and {others!r}."
                )


def is_traced(tree: Any) -> bool:
    """True if a leaf of the tree is a tracer."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree))


class Percent(float):
    """A percentage, shown with its sign, which fractions do not have."""

    def __repr__(self) -> str:
        return f"{float(self):.6g}%"

    __str__ = __repr__


def in_percent(percentage: Any) -> Percent:
    """Returns a number that is shown with its sign."""
    return Percent(percentage)


def _read_plainly(value: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Makes a method compute on the host, after one transfer, unless it is traced.

    There counts have 64 bits. Traced values stay traced, so gradients pass through.
    """

    @functools.wraps(value)
    def read(self: Any) -> Any:
        if is_traced(self):
            return value(self)
        with np.errstate(all="ignore"):  # NaN and infinity are values like others
            return as_plain(value(jax.device_get(self)))

    return read


def _zeros_like(leaf: Any) -> np.ndarray:
    dtype = leaf.dtype if hasattr(leaf, "dtype") else jnp.result_type(leaf)
    return np.zeros(np.shape(leaf), dtype)


def _merge_parts(mine: Any, others: Any) -> Any:
    return mine.merge(others) if hasattr(mine, "merge") else _plus(mine, others)


_plus = host_or_device(lambda xp, mine, others: mine + others)


def _read_summary(meter: Meter) -> dict[str, str] | None:
    """Formats the summary and `n`; None of a meter that is not one on the host.

    It may be traced, donated, abstract, stacked by `vmap`, or hold None, as whatever
    JAX builds from a pytree may.
    """
    leaves = jax.tree.leaves(meter, is_leaf=lambda leaf: leaf is None)
    if not all(map(_is_readable, leaves)):
        return None
    meter = jax.tree.map(np.asarray, meter)
    n = getattr(meter, "n", None)
    if n is not None and np.ndim(jax.tree.leaves(n)[0]):
        return None
    shown = {name: _as_text(part) for name, part in meter.summary().items()}
    return shown if n is None else {**shown, "n": str(int(n))}


def _is_readable(leaf: Any) -> bool:
    if isinstance(leaf, jax.Array):
        return can_be_read(leaf) and not leaf.is_deleted()
    return isinstance(leaf, np.ndarray | np.generic | int | float)


def _as_text(part: Any) -> str:
    part = as_plain(part)
    if isinstance(part, float) and not isinstance(part, Percent):
        return f"{part:.6g}"
    return str(part) if isinstance(part, str | int | float) else describe(part)
