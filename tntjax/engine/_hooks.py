"""Hooks: functions `State -> State` by event, and how they are put together."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, Literal

from tntjax._numbers import check_integer
from tntjax._struct import describe
from tntjax._types import Hook
from tntjax.engine._around import Display, Session
from tntjax.engine._names import find_close

STEP_EVENTS = (
    "on_sample",
    "on_forward",
    "on_forward_criterion",
    "on_backward_criterion",
    "on_backward",
    "on_update",
)
HOST_EVENTS = ("on_start", "on_start_epoch", "on_end_epoch", "on_end")
EVENTS = ("on_start", "on_start_epoch", *STEP_EVENTS, "on_end_epoch", "on_end")


@dataclasses.dataclass(frozen=True)
class Scheduled:
    """A function that runs on the host after some updates.

    Args:
      kind: `"every"` may change the State, `"watch"` sees it late and without large
        parts, `"save"` is that of a session.
      n: after each `n` updates, None for never.
      function: `State -> State`, or to anything.
      steps: also after these updates.
    """

    kind: Literal["every", "watch", "save"]
    n: int | None
    function: Callable[..., Any]
    steps: tuple[int, ...] = ()

    def is_due(self, t: int) -> bool:
        """True if it runs after `t` updates."""
        return t in self.steps or (self.n is not None and t % self.n == 0)

    def wait(self, t: int) -> int | None:
        """Returns the number of updates from `t` until the next run, None for never."""
        waits = [step - t for step in self.steps if step > t]
        waits += [] if self.n is None else [self.n - t % self.n]
        return min(waits, default=None)


# Not a closure: two chains of equal functions are equal, so that a step which is
# compiled for one serves the other.
@dataclasses.dataclass(frozen=True)
class Chained:
    """Several hooks of one event, in order."""

    hooks: tuple[Hook, ...]

    def __call__(self, state: Any) -> Any:
        """Returns the State after all of them."""
        for hook in self.hooks:
            state = hook(state)
        return state

    def __repr__(self) -> str:
        return describe(list(self.hooks))


@dataclasses.dataclass(frozen=True, repr=False)
class Hooks:
    """Functions `State -> State`, one for each event that is of interest.

    The six events of a step (`on_sample`, `on_forward`, `on_forward_criterion`,
    `on_backward_criterion`, `on_backward`, `on_update`) are compiled with it, so a
    hook there is pure and sees tracers. `on_start`, `on_start_epoch`, `on_end_epoch`
    and `on_end` run on the host and may do anything.

    Args:
      on_start: before all; resets meters.
      on_start_epoch: before each epoch.
      on_sample: `sample` is there and may be changed: cast, augment.
      on_forward: `output` is there too and may be changed; that is differentiated.
      on_forward_criterion: `loss` is there too; the place for meters. What is done to
        the loss here changes no gradient.
      on_backward_criterion: `grad_output` is there too and may be changed.
      on_backward: `grads` are there too and may be changed.
      on_update: `params` are new and `t` has advanced.
      on_end_epoch: after each epoch, `epoch` has advanced; validates, saves, stops.
      on_end: after all.

    Raises:
      TypeError: if an event is misspelt or its hook is not a function.

    Example:
      >>> Hooks(on_update=lambda state: state.replace(aux={"done": state.t}))
      Hooks(on_update=<lambda>)

    Torchnet: `engine.hooks` of `engine/engine.lua`, changed in place. For several
    functions on one event see `chain`.
    """

    on_start: Hook | None = None
    on_start_epoch: Hook | None = None
    on_sample: Hook | None = None
    on_forward: Hook | None = None
    on_forward_criterion: Hook | None = None
    on_backward_criterion: Hook | None = None
    on_backward: Hook | None = None
    on_update: Hook | None = None
    on_end_epoch: Hook | None = None
    on_end: Hook | None = None
    scheduled: tuple[Scheduled, ...] = dataclasses.field(default=(), kw_only=True)
    sessions: tuple[Session, ...] = dataclasses.field(default=(), kw_only=True)
    displays: tuple[Display, ...] = dataclasses.field(default=(), kw_only=True)

    def __new__(cls, *args: Any, **hooks: Any) -> "Hooks":
        """Makes the object, after a look at the names that came."""
        if args:  # which would be those of on_start
            raise TypeError(
                f"Hooks takes functions by event, got {describe(args[0])}. Say when it"
                " is to run: tnt.Hooks(on_update=function)."
            )
        for name in hooks:  # before __init__, whose error lists no events
            if name not in cls.__dataclass_fields__:
                close = find_close(name, EVENTS)
                raise TypeError(
                    f"There is no event {name!r}"
                    f"{f'; did you mean {close!r}?' if close else '.'}"
                    f" The events are {', '.join(EVENTS)}."
                )
        return object.__new__(cls)

    def __post_init__(self) -> None:
        for event in EVENTS:
            hook = getattr(self, event)
            if hook is not None and not callable(hook):
                several = isinstance(hook, list | tuple)
                each = f" Of several chain each: tnt.chain(tnt.Hooks({event}=f), ...)."
                raise TypeError(
                    f"Hooks({event}=...) needs a function State -> State,"
                    f" got {describe(hook)}.{each * several}"
                )

    def __repr__(self) -> str:
        shown = [f"{e}={describe(h)}" for e in EVENTS if (h := getattr(self, e))]
        shown += [f"{s.kind}({s.n}, {describe(s.function)})" for s in self.schedule]
        return f"Hooks({', '.join(shown)})"

    @property
    def schedule(self) -> tuple[Scheduled, ...]:
        """Returns what runs after some updates; what saves comes last."""
        # Last, as in a run: they save what an `every` of the same update has changed.
        saves = ((s.every, s.save) for s in self.sessions if s.save is not None)
        return self.scheduled + tuple(Scheduled("save", n, save) for n, save in saves)

    def functions(self, event: str) -> tuple[Hook, ...]:
        """Returns the functions of an event, in the order in which they run.

        Args:
          event: one of the ten event names.

        Returns:
          A tuple, empty if nothing is to happen.
        """
        hook = getattr(self, event)
        if hook is None:
            return ()
        return hook.hooks if isinstance(hook, Chained) else (hook,)


def check_hooks(who: str, hooks: Any) -> None:
    """Raises a TypeError, `"{who} Hooks, got ..."`, for what is not Hooks."""
    if isinstance(hooks, Hooks):
        return
    advice = "Say when a function is to run: tnt.Hooks(on_update=f), tnt.every(n, f)."
    makes = getattr(hooks, "__annotations__", {}).get("return")
    if isinstance(hooks, list | tuple):
        advice = "Put several together: tnt.chain(*hooks)."
    if isinstance(hooks, dict):
        advice = "Make one of a dict of functions: tnt.Hooks(**hooks)."
    if hooks is Hooks or makes in (Hooks, "Hooks", "tnt.Hooks"):  # a plugin
        advice = f"Call it: {describe(hooks)}(...)."
    raise TypeError(f"{who} Hooks, got {describe(hooks)}. {advice}")


def chain(*hooks: Hooks) -> Hooks:
    """Puts plugins together, event by event, in the order given.

    It is associative, and `Hooks()` changes nothing.

    Args:
      *hooks: any number of Hooks.

    Returns:
      One Hooks in which each event runs the functions of all, first to last.

    Raises:
      TypeError: if something is not a Hooks.

    Example:
      >>> def first(state): return state
      >>> def second(state): return state
      >>> chain(Hooks(on_end=first), Hooks(on_end=second))
      Hooks(on_end=[first, second])

    Torchnet has one function an event; this is ours.
    """
    for part in hooks:
        check_hooks("chain takes", part)

    def joined(event: str) -> Hook | None:
        functions = sum((part.functions(event) for part in hooks), ())
        # Flat, not chains in chains, so that chain is associative.
        functions = tuple(_drop_repeats(functions))
        return Chained(functions) if len(functions) > 1 else next(iter(functions), None)

    events = {event: joined(event) for event in EVENTS}
    scheduled = sum((part.scheduled for part in hooks), ())
    sessions = sum((part.sessions for part in hooks), ())
    displays = sum((part.displays for part in hooks), ())
    return Hooks(**events, scheduled=scheduled, sessions=sessions, displays=displays)


def _drop_repeats(functions: tuple[Hook, ...]) -> Iterator[Hook]:
    """Yields the functions; what several plugins share once."""
    shared: list[Hook] = []
    for function in functions:
        if getattr(function, "is_shared", False):
            if function in shared:
                continue
            shared.append(function)
        yield function


def every(n: int, hook: Hook) -> Hooks:
    """Runs a hook on the host after each `n` updates.

    Compiled calls end there, the hook sees the State and may change it as at the
    border of an epoch. It waits for the device; to look only, see `watch`.

    Args:
      n: how many updates apart; it runs when `t` is a multiple.
      hook: `State -> State`.

    Returns:
      A Hooks value, to be chained with others.

    Raises:
      ValueError: if `n` is below 1.
      TypeError: if `n` is not an integer or `hook` is not a function.

    Example:
      >>> every(100, lambda state: state.replace(lr=state.lr * 0.5))
      Hooks(every(100, <lambda>))
    """
    return _scheduled("every", n, hook)


def watch(n: int, function: Callable[[Any], None]) -> Hooks:
    """Shows the State to a function after each `n` updates, without waiting.

    The function runs once the call is done that made the update, while the device is
    busy with the next ones. It gets the State as it was after exactly the declared
    update, its arrays as NumPy, without `params`, `opt_state`, `model_state` and `key`;
    what it returns is ignored, but a changed State is an error, as `every` is for that.
    A call may hold several such updates, which are then shown together;
    `steps_per_call=n` ends a call at each.

    Args:
      n: how many updates apart; it runs when `t` is a multiple.
      function: `State -> anything`: prints, logs, draws.

    Returns:
      A Hooks value, to be chained with others.

    Raises:
      ValueError: if `n` is below 1.
      TypeError: if `n` is not an integer or `function` is not a function.

    Example:
      >>> watch(100, print)
      Hooks(watch(100, print))
    """
    return _scheduled("watch", n, function)


def _scheduled(kind: Literal["every", "watch"], n: int, function: Any) -> Hooks:
    n = check_integer(n, f"{kind}(n, function) needs an integer n")
    if n < 1:
        raise ValueError(f"{kind}(n, function) needs n >= 1, got {n}.")
    if not callable(function):
        raise TypeError(
            f"{kind}({n}, function) needs a function, got {describe(function)}."
        )
    return Hooks(scheduled=(Scheduled(kind, n, function),))
