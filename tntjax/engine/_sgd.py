"""SGDEngine: plain stochastic gradient descent."""

import dataclasses
from typing import Any, Unpack

from jax.typing import ArrayLike

from tntjax.engine._arguments import Arguments
from tntjax.engine._check import check_rate
from tntjax.engine._engine import make_training, run_method, test
from tntjax.engine._explain import explain
from tntjax.engine._hooks import Hooks, check_hooks
from tntjax.engine._loop import Training
from tntjax.engine._members import spread_rate
from tntjax.engine._names import explain_methods
from tntjax.engine._update import sgd_update


@explain_methods
@dataclasses.dataclass(frozen=True)
class SGDEngine:
    """Trains with `params - lr * grads`, and tests.

    Args:
      hooks: what happens at which event; see `Hooks`, `chain`, `every`, `watch`.

    Example:
      >>> import jax.numpy as jnp
      >>> import tntjax as tnt
      >>> network = lambda params, input: input * params
      >>> criterion = lambda output, target: (output - target) ** 2
      >>> batch = {"input": jnp.ones(4), "target": jnp.full(4, 3.0)}
      >>> state = SGDEngine().train(
      ...     network=network, criterion=criterion, params=jnp.zeros(()), lr=0.25,
      ...     iterator=tnt.DatasetIterator([batch] * 10), max_epoch=1,
      ... )
      >>> round(float(state.params), 2), int(state.t), int(state.samples)
      (3.0, 10, 40)

    Torchnet: `engine/sgdengine.lua`. The parameters are an argument and come back in
    the State. A sample replaced in `on_sample` is the one that is used.
    """

    hooks: Hooks = dataclasses.field(default_factory=Hooks)

    def __post_init__(self) -> None:
        check_hooks("SGDEngine needs", self.hooks)

    @run_method
    def train(
        self,
        *,
        lr: float | ArrayLike | None = None,
        lr_criterion: float | ArrayLike | None = None,
        **arguments: Unpack[Arguments],
    ) -> Training:
        """Trains for some epochs.

        Args:
          lr: the learning rate, at least 0; hooks may change `state.lr`. Needed unless
            `state` is given.
          lr_criterion: that of the criterion's parameters, by default `lr`.
          **arguments: `network`, `criterion`, `iterator`, `params` and all others that
            `OptimEngine.train` explains, but optimizers.

        Returns:
          The State after `on_end`, its `params` trained.

        Raises:
          TypeError: if an argument or what a hook returns is of the wrong kind.
          ValueError: if a number is out of range, a checkpoint or State does not fit,
            or an epoch has no sample.
        """

        def start(params: Any, criterion_params: Any) -> dict[str, Any]:
            del params, criterion_params  # rates do not depend on them
            members = arguments.get("members")
            # Here, as with state= nobody gives a rate: then this is not called.
            rate, own = check_rate("lr", lr, members), lr_criterion
            own = rate if own is None else check_rate("lr_criterion", own, members)
            rates = {"lr": rate, "lr_criterion": own}
            return {name: spread_rate(rates[name], members) for name in rates}

        own = {"lr": lr, "lr_criterion": lr_criterion}
        return make_training(self, sgd_update, start, own, **arguments)

    test = test
    explain = explain
