"""A record of named values that closures watch."""

import dataclasses
import difflib
import time as clock
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tntjax._struct import describe
from tntjax.log._keys import check_names
from tntjax.utils import check_function, check_functions

STATUS = "__status__"
"""The key that every log has, for messages to a person."""

EVENTS = ("on_set", "on_get", "on_flush", "on_close")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Log:
    """One row of named values, of a fixed set of names, with closures that watch it.

    A log is a value: `set`, `flush`, `attach` and the others return a new one, so
    rebind the result. Only closures have effects. Values stay what they are; a view
    makes text of them if it wants text, so a value that is still on a device may be
    set without waiting for it.

    Args:
      keys: the allowed names; `__status__` is allowed beside them.
      on_set: closures `(log, key, value)`, called before the value is in the log, so
        that `log.get(key)` still gives the one before.
      on_get: closures `(log, key)`.
      on_flush: closures `(log)`, called while the row is whole.
      on_close: closures `(log)`.
      values: what is set already, read-only.

    Raises:
      TypeError: if `keys` aren't strings or closures aren't functions.
      KeyError: if `values` has a name that isn't allowed.

    Example:
      >>> from tntjax.log import text
      >>> log = Log(["epoch", "loss"], on_flush=[text(["epoch", "loss"])])
      >>> log = log.set(epoch=1, loss=0.25)
      >>> log = log.flush()
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

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "keys", check_names(self.keys, "Log"))
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
        self._check(pairs)
        log = self
        for key, value in pairs.items():
            for closure in log.on_set:
                closure(log, key, value)
            log = dataclasses.replace(log, values={**log.values, key: value})
        return log

    def get(self, key: str) -> Any:
        """Returns a value, after `on_get` closures were told.

        Args:
          key: one of the log's keys.

        Returns:
          The value, None if it isn't set.

        Raises:
          KeyError: if `key` isn't one of the log's keys.

        Example:
          >>> Log(["loss"]).set(loss=0.5).get("loss")
          0.5
        """
        self._check([key])
        for closure in self.on_get:
            closure(self, key)
        return self.values.get(key)

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
        parts = [clock.strftime("%Y-%m-%d %H:%M:%S"), "|"] if time else []
        parts += [] if message is None else [f"{message}"]
        return self.set({STATUS: " ".join(["|", *parts])})

    def flush(self) -> "Log":
        """Calls the `on_flush` closures and drops the values.

        Returns:
          The log with nothing set.

        Example:
          >>> Log(["loss"]).set(loss=0.5).flush()
          Log(['loss'])
        """
        for closure in self.on_flush:
            closure(self)
        return dataclasses.replace(self, values={})

    def close(self) -> "Log":
        """Calls the `on_close` closures and drops the values and all closures.

        Returns:
          The log with nothing set and nothing attached; its keys stay.

        Example:
          >>> Log(["loss"], on_flush=[print]).close()
          Log(['loss'])
        """
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
            if name not in self.keys and name != STATUS:
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


def _suggest(name: Any, allowed: Iterable[str]) -> str:
    """Ends a sentence: `; did you mean ...?` if an allowed name is like it."""
    close = difflib.get_close_matches(str(name), list(allowed), 1)
    return f"; did you mean {close[0]!r}?" if close else "."
