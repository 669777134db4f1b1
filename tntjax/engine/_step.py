"""StepEngine: any algorithm that is a step."""

import dataclasses
from collections.abc import Callable
from typing import Any, Unpack

import optax
from jax.typing import ArrayLike

from tntjax._check import check_function
from tntjax._types import Criterion, Network, Sample
from tntjax.engine._arguments import RunArguments
from tntjax.engine._check import check_rate
from tntjax.engine._engine import make_training, run_method, test
from tntjax.engine._explain import explain
from tntjax.engine._hooks import Hooks, check_hooks
from tntjax.engine._loop import Training
from tntjax.engine._members import spread_rate
from tntjax.engine._names import explain_methods
from tntjax.engine._program import OwnStep
from tntjax.engine._state import State
from tntjax.network import Adapted, Stateful


@explain_methods
@dataclasses.dataclass(frozen=True)
class StepEngine:
    """Trains by a step of one's own: two optimizers, a policy, whatever is a function.

    The engine compiles many steps into a call, counts, runs the hooks, and does all
    else that `OptimEngine` does. It fires `on_sample` before a step and `on_update`
    after it; the step may fire the events between by `tnt.fire`.

    Args:
      step: `(state, sample) -> state`, pure. It changes `params`, `opt_state`,
        `model_state`, `large`, `meters`, `aux` and `key` as it likes, and keeps their
        structure, shapes and dtypes. The `loss` that it leaves in the State, [] or
        [B], is what hooks, `every` and `watch` see. Of a padded batch it looks at
        `sample["mask"]` itself.
      hooks: what happens at which event; see `Hooks`, `chain`, `every`, `watch`.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import tntjax as tnt
      >>> def step(state, sample):
      ...     distance = lambda x: (x - sample) ** 2
      ...     loss, grads = jax.value_and_grad(distance)(state.params)
      ...     return state.replace(params=state.params - 0.25 * grads, loss=loss)
      >>> state = StepEngine(step).train(
      ...     iterator=tnt.DatasetIterator([3.0] * 10),
      ...     params=jnp.zeros(()),
      ...     max_epoch=1,
      ... )
      >>> round(float(state.params), 2), state.t, round(state.loss, 6)
      (3.0, 10, 3.4e-05)

    Torchnet: not there; its engines are loops to be written anew for another step.
    """

    step: Callable[[State, Sample], State]
    hooks: Hooks = dataclasses.field(default_factory=Hooks)

    def __post_init__(self) -> None:
        check_function(self.step, "StepEngine: step must be a function, but it")
        check_hooks("StepEngine needs", self.hooks)

    @run_method
    def train(
        self,
        *,
        opt_state: Any = None,
        lr: float | ArrayLike | None = None,
        network: Network | Stateful | Adapted | None = None,
        criterion: Criterion | None = None,
        **arguments: Unpack[RunArguments],
    ) -> Training:
        """Trains for some epochs.

        Args:
          opt_state: a pytree of arrays, where the step finds it: what optimizers keep.
          lr: a learning rate, `state.lr`, if the step or a hook reads it.
          network: for hooks that test, and as `state.network` for the step; or what
            adapted a module, whose parameters and model state are found in it.
          criterion: the same, `state.criterion`.
          **arguments: `iterator`, `params` and all others that `OptimEngine.train`
            explains, but those about a criterion. Samples may be of any form.

        Returns:
          The State after `on_end`.

        Raises:
          TypeError: if an argument or what the step or a hook returns is of the wrong
            kind.
          ValueError: if a number is out of range, a checkpoint or State does not fit,
            or an epoch has no sample.
        """
        if isinstance(opt_state, optax.GradientTransformation):
            raise TypeError(
                "opt_state is an optimizer. Pass what it keeps, optimizer.init(params),"
                " and call optimizer.update in the step."
            )
        # The step may need none, or find it in the State that it goes on from.
        members = arguments.get("members")
        rate = None if lr is None else check_rate("lr", lr, members)

        def start(params: Any, criterion_params: Any) -> dict[str, Any]:
            del params, criterion_params  # a rate does not depend on them
            return {"lr": spread_rate(rate, members)}

        own = {"opt_state": opt_state, "lr": lr}
        functions: dict[str, Any] = {"network": network, "criterion": criterion}
        step = OwnStep(self.step)
        return make_training(self, step, start, own, **functions, **arguments)

    test = test
    explain = explain
