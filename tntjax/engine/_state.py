"""State: everything a training run knows, in one frozen pytree."""

import dataclasses
from collections.abc import Iterable
from typing import Any, NamedTuple

from tntjax._plain import as_columns
from tntjax._struct import Opaque, child, pytree, static
from tntjax.engine._history import rows_until
from tntjax.engine._names import find_close
from tntjax.engine._show import show_state

COUNTERS = ("epoch", "t", "samples", "position")  # [] int32, the engine counts
HEAVY = ("params", "opt_state", "model_state", "criterion_params", "large")
LIGHT = ("lr", "lr_criterion", "meters", "aux", "key")  # small: never donated
CARRIED = (*HEAVY, *LIGHT, *COUNTERS)
STEP_ONLY = (
    "sample",
    "output",
    "loss",  # and outside its mean, which is carried
    "grad_output",
    "grads",
    "criterion_grads",
    "skip",
)
HOST_ONLY = (
    "network",
    "criterion",
    "iterator",
    "engine",
    "recorded",
    "max_epoch",
    "max_steps",
    "members",
    "done",
    "training",
    "stop",
    "seconds",
    "compiled",
    "events",
)


ELSEWHERE = {
    "t": ("step", "steps", "global_step", "iteration", "updates"),
    "network": ("model", "module", "apply_fn"),
    "meters": ("metrics",),
    "grads": ("gradients",),
    "key": ("rng", "seed"),
}
"""For each field what other libraries call it."""


class Seconds(NamedTuple):
    """Where the time of a run went on the host, in seconds since its start.

    Args:
      data: waiting for samples.
      compile: calls that traced and compiled.
      dispatch: calls that did not, which hand work to the device.
      device: waiting for the device.
      hooks: in hooks of the host.
    """

    data: float = 0.0
    compile: float = 0.0
    dispatch: float = 0.0
    device: float = 0.0
    hooks: float = 0.0


@pytree
class State:
    """The State of a run: hooks see one and return one.

    Carried from step to step, so of fixed structure, shapes and dtypes:

    * `params`, `opt_state`, `model_state`, `criterion_params`: pytrees.
    * `lr`, `lr_criterion`: [] float32 (float64 if JAX has 64 bits) or None.
    * `meters`, `aux`: dicts that belong to the user and to plugins; `large` is another
      for what is as large as the parameters, which a `watch` does not see.
    * `key`: a typed PRNG key. Split it and put the rest back.
    * `epoch`, `t`, `samples`, `position`: [] int32, what is done so far: epochs,
      updates (batches in a test), examples (at most 2**31 - 1, where it stays), and
      batches of this epoch. The engine counts them.

    Inside a step only, else None: `sample`, `output`, `grad_output`, `grads`,
    `criterion_grads`, and `skip`, a [] bool that a hook sets: True leaves all but
    `aux`, `key` and the counters as it was before the step, for hooks of `on_update`
    and after them. `loss` is [] or [B] inside a step; outside it is a number, the mean
    of the last update (None or NaN before the first one, None in a test).

    On the host: `network`, `criterion`, `iterator`, `engine`, `max_epoch`, `training`,
    `seconds`, `compiled`, how often a step was in this run, `recorded`, of which
    `history` is made, and `stop`, which a host hook sets to True to end the run at the
    next border. `members` is how many runs are in one; all that is carried but the
    counters has a leading axis of so many then, and a step sees one of them. `done` is
    a [N] bool, members that a hook stopped while others go on, or None. Compiled hooks
    see `training` and the functions too, and `events` is what `tnt.fire` fires in the
    step of a `StepEngine`.

    Example:
      >>> state = State(params={"weight": 1.0}, aux={})
      >>> state.replace(aux={"seen": 1}).aux
      {'seen': 1}

    Torchnet: the table `state` of `engine/sgdengine.lua`, which hooks change in place.
    """

    params: Any = None
    opt_state: Any = None
    model_state: Any = None
    criterion_params: Any = None
    large: Any = dataclasses.field(default_factory=dict)
    lr: Any = None
    lr_criterion: Any = None
    meters: Any = dataclasses.field(default_factory=dict)
    aux: Any = dataclasses.field(default_factory=dict)
    key: Any = None
    epoch: Any = 0
    t: Any = 0
    samples: Any = 0
    position: Any = 0
    sample: Any = None
    output: Any = None
    loss: Any = None
    grad_output: Any = None
    grads: Any = None
    criterion_grads: Any = None
    skip: Any = None
    seconds: Seconds | None = None
    compiled: Any = None
    # A jit of the user's caches a State by which functions these are, hashable or not.
    network: Any = child(Opaque, default=None)
    criterion: Any = child(Opaque, default=None)
    iterator: Any = child(Opaque, default=None)
    events: Any = child(Opaque, default=None)
    engine: Any = child(Opaque, default=None)
    recorded: Any = child(Opaque, default=None)
    # A jit of the user's sees the values of these, and is compiled for them.
    max_epoch: int | None = static(default=None)
    max_steps: int | None = static(default=None)
    members: int | None = static(default=None)
    done: Any = None
    training: bool = static(default=True)
    stop: bool = static(default=False)

    def replace(self, **changes: Any) -> "State":
        """Returns a State with some fields changed.

        Args:
          **changes: new values by field name.

        Returns:
          The new State; this one stays as it is.

        Raises:
          TypeError: if there is no such field.
        """
        fields = self.__dataclass_fields__
        for name in changes:
            if name not in fields:
                raise TypeError(_explain_field(name, fields))
        return dataclasses.replace(self, **changes)

    def __getattr__(self, name: str) -> Any:
        """Raises an AttributeError that says what the field is called."""
        raise AttributeError(_explain_field(name, self.__dataclass_fields__))

    @property
    def history(self) -> dict[str, list[Any]]:
        """Returns what `tnt.hooks.record` has recorded up to here, as columns.

        Returns:
          Lists of one length by name, with `epoch`, `t` and `loss` among them, which
          `pandas.DataFrame(state.history)` takes; None where nothing was measured, as
          the seconds of an epoch that is not over. Empty if nothing was recorded.
        """
        return as_columns(rows_until(self))

    def __repr__(self) -> str:
        return show_state(self)


def _explain_field(name: str, fields: Iterable[str]) -> str:
    """Returns what to write for a field that there is not."""
    own = (own for own, others in ELSEWHERE.items() if name in others)
    close = next(own, find_close(name, fields))
    return (
        f"State has no field {name!r}. Keep your own values in state.aux, and meters in"
        f" state.meters.{f' Did you mean {close!r}?' if close else ''} Its fields are"
        f" {', '.join(fields)}."
    )


class Carry(NamedTuple):
    """The part that one compiled call hands to the next: fields of a State by name.

    Args:
      heavy: the large ones, whose buffers are donated to the next call.
      light: the others, which stay valid, so that a `watch` may look at them late.
    """

    heavy: dict[str, Any]
    light: dict[str, Any]


def split_state(state: State) -> Carry:
    """Takes what is carried out of a State, and the loss of the last update."""
    heavy = {name: getattr(state, name) for name in HEAVY}
    names = (*LIGHT, *COUNTERS, "loss") if state.training else (*LIGHT, *COUNTERS)
    names = names if state.done is None else (*names, "done")  # once a member stopped
    return Carry(heavy, {name: getattr(state, name) for name in names})


def drop_step_fields(state: State) -> State:
    """Forgets what exists inside a step only."""
    return state.replace(**dict.fromkeys(STEP_ONLY))
