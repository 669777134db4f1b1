"""State: everything a training run knows, in one frozen pytree."""

import dataclasses
from typing import Any

from tntjax._struct import describe, pytree, static

COUNTERS = ("epoch", "t", "samples")
HEAVY = ("params", "opt_state", "model_state")
CARRIED = (*HEAVY, "lr", "meters", "aux", "key", *COUNTERS)
STEP_ONLY = ("sample", "output", "loss", "grad_output", "grads")
HOST_ONLY = ("network", "criterion", "iterator", "max_epoch", "training", "stop")


@pytree
class State:
    """What hooks see and return.

    Carried from step to step, so of fixed structure, shapes and dtypes:

    * `params`, `opt_state`, `model_state`: pytrees; `lr`: [] float32 or None.
    * `meters`, `aux`: dicts that belong to the user and to plugins.
    * `key`: a typed PRNG key. Split it and put the rest back.
    * `epoch`, `t`, `samples`: [] int32, what is done so far: epochs, updates (batches
      in a test), examples. The engine counts them.

    Inside a step only, else None: `sample`, `output`, `loss` ([] or [B]),
    `grad_output`, `grads`.

    On the host: `network`, `criterion`, `iterator`, `max_epoch`, `training`, and
    `stop`, which a host hook sets to True to end the run at the next border. Compiled
    hooks see `training` and the functions too.

    Example:
      >>> state = State(params={"weight": 1.0}, aux={})
      >>> state.replace(aux={"seen": 1}).aux
      {'seen': 1}

    Torchnet: the table `state` of `engine/sgdengine.lua`, which hooks change in place.
    """

    params: Any = None
    opt_state: Any = None
    model_state: Any = None
    lr: Any = None
    meters: Any = dataclasses.field(default_factory=dict)
    aux: Any = dataclasses.field(default_factory=dict)
    key: Any = None
    epoch: Any = 0
    t: Any = 0
    samples: Any = 0
    sample: Any = None
    output: Any = None
    loss: Any = None
    grad_output: Any = None
    grads: Any = None
    network: Any = static(default=None)
    criterion: Any = static(default=None)
    iterator: Any = static(default=None)
    max_epoch: int | None = static(default=None)
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
        unknown = set(changes) - set(self.__dict__)
        if unknown:
            raise TypeError(
                f"State has no field {', '.join(map(repr, sorted(unknown)))}. Keep your"
                " own values in state.aux, and meters in state.meters. Its fields are"
                f" {', '.join(self.__dict__)}."
            )
        return dataclasses.replace(self, **changes)

    def __repr__(self) -> str:
        shown = (
            f"{k}={describe(v)}" for k, v in self.__dict__.items() if v is not None
        )
        return f"State({', '.join(shown)})"
