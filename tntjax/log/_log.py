"""A record of named values that closures watch."""

import dataclasses
import difflib
import time as clock
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tntjax._check import check_function, check_functions
from tntjax._plain import PLAIN, as_plain
from tntjax._struct import describe

STATUS = "__status__"  # the key that every log has, for messages to a person

EVENTS = ("on_set", "on_get", "on_flush", "on_close")


def check_names(keys: Any, name: str) -> tuple[str, ...]:
    """Returns keys as a tuple, each once, or raises a TypeError if one is no string."""
    if isinstance(keys, str) or not isinstance(keys, Iterable):
        came = describe(keys)
        raise TypeError(f"{name} needs a list of keys, got {came}: write [{came}].")
    keys = tuple(dict.fromkeys(keys))
    for key in keys:
        if not isinstance(key, str):
            raise TypeError(f"{name} needs keys that are strings, got {describe(key)}.")
    return keys


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Log:
    """One row of named values, of a fixed set of names, with closures that watch it.

    A log is a value: `set`, `flush`, `attach` and the others return a new one, so
    rebind the result. Only closures have effects. Without `on_set` closures a value
    that is still on a device is set without waiting for it. What `get` returns, and a
    closure is given, is plain: numbers are Python's and arrays NumPy's.

    Args:
      keys: the allowed names; `__status__` is allowed beside them.
      on_set: closures `(log, key, value)`, called before the value is in the log, so
        that `log.get(key)` still gives the one before.
      on_get: closures `(log, key)`.
      on_flush: closures `(log)`, called while the row is whole.
      on_close: closures `(log)`.
      values: what is set already, read-only, as it was given.

    Raises:
      TypeError: if `keys` aren't strings or closures aren't functions.
      KeyError: if `values` has a name that isn't allowed.

    Example:
      >>> from tntjax.log import text
      >>> log = Log(["epoch", "loss"], on_flush=[text(["epoch", "loss"])])
      >>> log = log.set(epoch=1, loss=0.25).flush()
      epoch 1 | loss 0.25
      >>> log.get("loss") is None
      True

    Torchnet: `log/init.lua`, which changed in place. There a `set` with an unknown key
    kept what it had set before it came to that one.
    """

    keys: Sequence[str]
    on_set: Sequence[Callable[..., Any]] = ()
    on_get: Sequence[Callable[..., Any]] = ()
    on_flush: Sequence[Callable[..., Any]] = ()
    on_close: Sequence[Callable[..., Any]] = ()
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict, kw_only=True)
    _allowed: frozenset[str] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "keys", check_names(self.keys, "Log"))
        put(self, "_allowed", frozenset((*self.keys, STATUS)))
        for event in EVENTS:
            put(self, event, check_functions(getattr(self, event), f"Log: {event}"))
        self._check(self.values)
        put(self, "values", MappingProxyType(dict(self.values)))

    def set(self, values: Mapping[str, Any] | None = None, /, **named: Any) -> "Log":
        """Sets values, after `on_set` closures have seen each.

        All names are checked before any closure is called.

        Args:
          values: a dict, for names that aren't identifiers.
          **named: names and values.

        Returns:
          The log with the values set.

        Raises:
          KeyError: if a name isn't one of the log's keys.
          TypeError: if `values` isn't a dict.

        Example:
          >>> Log(["loss", "top 1"]).set({"top 1": 50.0}, loss=0.5).get("top 1")
          50.0
        """
        if values is not None and not isinstance(values, Mapping):
            raise TypeError(
                f"Log.set needs a dict or keywords, got {describe(values)}."
                " Write log.set(loss=0.5) or log.set({'loss': 0.5})."
            )
        pairs = {**(values or {}), **named}
        if not pairs.keys() <= self._allowed:
            self._check(pairs)
        if self.on_set:
            self._tell(pairs)
        return self._holding({**self.values, **pairs})

    def _tell(self, pairs: dict[str, Any]) -> None:
        """Shows each value to the closures, in a log that holds the ones before it."""
        order, log = {key: place for place, key in enumerate(pairs)}, self
        for place, (key, value) in enumerate(pairs.items(), 1):
            plain = as_plain(value)
            for closure in self.on_set:
                closure(log, key, plain)
            log = self._holding(_Row(self.values, pairs, order, place))

    def _holding(self, values: Mapping[str, Any]) -> "Log":
        """Returns the log with other values, whose names are known to be allowed."""
        log = object.__new__(Log)
        log.__dict__.update(self.__dict__, values=MappingProxyType(values))
        return log

    def get(self, key: str) -> Any:
        """Returns a value, after `on_get` closures were told; waits for the device.

        Args:
          key: one of the log's keys.

        Returns:
          The value, with Python numbers and NumPy arrays for those of JAX and NumPy,
          also in dicts, lists and tuples. None if it isn't set.

        Raises:
          KeyError: if `key` isn't one of the log's keys.
        """
        if not (isinstance(key, str) and key in self._allowed):
            self._check([key])
        for closure in self.on_get:
            closure(self, key)
        value = self.values.get(key)
        return value if type(value) in PLAIN else as_plain(value)

    def status(self, message: str | None = None, time: bool = True) -> "Log":
        """Sets `__status__` to a message for a person.

        Args:
          message: what to say.
          time: put the local time before it.

        Returns:
          The log with the status set.

        Example:
          >>> Log([]).status("training", time=False).get("__status__")
          '| training'
        """
        parts = ["|", clock.strftime("%Y-%m-%d %H:%M:%S"), "|"] if time else ["|"]
        parts += [] if message is None else [f"{message}"]
        return self.set({STATUS: " ".join(parts)})

    def flush(self) -> "Log":
        """Returns the log with nothing set, after the `on_flush` closures."""
        for closure in self.on_flush:
            closure(self)
        return self._holding({})

    def close(self) -> "Log":
        """Returns a log of the same keys alone, after the `on_close` closures."""
        for closure in self.on_close:
            closure(self)
        return Log(self.keys)

    def attach(self, event: str, closure: Callable[..., Any]) -> "Log":
        """Adds a closure that is called last at an event.

        Args:
          event: `"on_set"`, `"on_get"`, `"on_flush"` or `"on_close"`.
          closure: a function of what the event passes.

        Returns:
          The log with the closure attached.

        Raises:
          KeyError: if there is no such event.
          TypeError: if `closure` isn't callable.

        Example:
          >>> Log(["loss"]).attach("on_flush", print)
          Log(['loss'], on_flush=[print])
        """
        if event not in EVENTS:
            raise KeyError(
                f"Log has no event {event!r}{_suggest(event, EVENTS)}"
                f" It has {', '.join(EVENTS)}."
            )
        check_function(closure, "Log.attach needs a function, but closure")
        return dataclasses.replace(self, **{event: (*getattr(self, event), closure)})

    def _check(self, names: Iterable[Any]) -> None:
        for name in names:
            if not (isinstance(name, str) and name in self._allowed):
                raise KeyError(
                    f"Log has no key {name!r}{_suggest(name, self.keys)}"
                    f" Its keys are {', '.join(map(repr, self.keys)) or 'none'}."
                )

    def __repr__(self) -> str:
        shown: dict[str, Any] = {"values": dict(self.values)}
        shown |= {event: list(getattr(self, event)) for event in EVENTS}
        parts = [f"{key}={describe(value)}" for key, value in shown.items() if value]
        return f"Log({', '.join([str(list(self.keys)), *parts])})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "values": dict(self.values)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({**state, "values": MappingProxyType(state["values"])})


class _Row(Mapping[str, Any]):
    """The content of a log in the middle of a `set`, without a copy for each value."""

    def __init__(
        self,
        before: Mapping[str, Any],
        pairs: dict[str, Any],
        order: dict[str, int],
        count: int,
    ) -> None:
        """Takes what was held before, and the first `count` of the new pairs."""
        self._before, self._pairs = before, pairs
        self._order, self._count = order, count

    def __getitem__(self, key: str) -> Any:
        new = self._order.get(key, self._count) < self._count
        return self._pairs[key] if new else self._before[key]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._before, **dict.fromkeys(list(self._pairs)[: self._count])})

    def __len__(self) -> int:
        return len(list(iter(self)))


def _suggest(name: Any, allowed: Iterable[str]) -> str:
    """Ends a sentence: `; did you mean ...?` if an allowed name is like it."""
    close = difflib.get_close_matches(str(name), list(allowed), 1)
    return f"; did you mean {close[0]!r}?" if close else "."
