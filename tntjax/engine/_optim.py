"""OptimEngine: any optimizer of optax."""

import dataclasses
from typing import Any, Unpack

import jax
from jax.typing import ArrayLike

from tntjax.engine._arguments import Arguments
from tntjax.engine._engine import make_training, run_method, test
from tntjax.engine._explain import explain
from tntjax.engine._hooks import Hooks, check_hooks
from tntjax.engine._loop import Training
from tntjax.engine._members import spread_rate
from tntjax.engine._names import explain_methods
from tntjax.engine._optimizer import Optimizer, Schedule, check_lr
from tntjax.engine._update import OptaxUpdate


@explain_methods
@dataclasses.dataclass(frozen=True)
class OptimEngine:
    """Trains with an optimizer of optax, and tests.

    Args:
      hooks: what happens at which event; see `Hooks`, `chain`, `every`, `watch`.

    Example:
      >>> import jax.numpy as jnp
      >>> import optax
      >>> import tntjax as tnt
      >>> network = lambda params, input: input * params
      >>> criterion = lambda output, target: (output - target) ** 2
      >>> batch = {"input": jnp.ones(4), "target": jnp.full(4, 3.0)}
      >>> state = OptimEngine().train(
      ...     network=network, criterion=criterion, params=jnp.zeros(()),
      ...     optimizer=optax.adam(0.1), iterator=tnt.DatasetIterator([batch] * 100),
      ...     max_epoch=1,
      ... )
      >>> round(float(state.params), 1)
      3.0

    Torchnet: `engine/optimengine.lua`, whose optimizers get the gradient of the first
    evaluation whenever they ask for another one. Here a line search evaluates anew.
    """

    hooks: Hooks = dataclasses.field(default_factory=Hooks)

    def __post_init__(self) -> None:
        check_hooks("OptimEngine needs", self.hooks)

    @run_method
    def train(
        self,
        *,
        optimizer: Optimizer,
        lr: float | ArrayLike | Schedule | None = None,
        criterion_optimizer: Optimizer | None = None,
        **arguments: Unpack[Arguments],
    ) -> Training:
        """Trains for some epochs.

        Ctrl-C raises KeyboardInterrupt after the last whole call, when watches have
        shown what they hold and hooks that save have saved. It and every other error
        carry the State of that moment as their attribute `state`; `on_end` does not
        run.

        Args:
          optimizer: of optax. Make it once: what is compiled is cached on it. One that
            needs `value`, `grad` or `value_fn`, as `optax.lbfgs` does, is given them;
            `value_fn` evaluates the batch anew. For groups of parameters see
            `optax.partition`. Or a function of a learning rate that makes one, such as
            `optax.adam` or `functools.partial(optax.adamw, weight_decay=0.1)`.
          lr: the rate of such a function, at least 0, or a schedule of optax, by the
            number of updates. `opt_state` has it, so that hooks show and change it, and
            another number compiles nothing anew; of `members` it may be [N].
          criterion_optimizer: of the criterion's parameters, by default `optimizer`;
            if it is a function, of `lr`, too.
          **arguments: those that follow, which all engines take.
          network: `(params, input) -> output`, or a `tnt.network.Stateful`; or what
            adapted a module, `tnt.network.nnx(model)` say, whose parameters and model
            state are found in it.
          criterion: `(output, target) -> loss`, [] or [B]; of [B] the mean is
            minimised, and with a field `mask` in the sample the mean of those rows.
            One with a keyword-only argument `params`, `(output, target, *, params)`,
            is passed the parameters, to weigh them; their gradient counts.
          iterator: samples with the fields `input` and `target`; without a target the
            criterion is given the output alone.
          params: a pytree of float arrays. They are copied and stay valid. Needed
            unless `state` or an adapted module is given.
          max_epoch: how many epochs, by default 1000, or as many as `max_steps` takes.
          max_steps: how many updates; the run ends after exactly so many, or when
            `max_epoch` is reached.
          model_state: what a `Stateful` network keeps beside its parameters.
          criterion_params: parameters of the criterion, which are then trained; it is
            called with `(criterion_params, output, target)`.
          key: a PRNG key for the hooks and a `Stateful`, by default
            `jax.random.key(0)`.
          accumulate: in how many pieces, one after the other, the gradients of a batch
            are computed, to need less memory. From `on_forward` to
            `on_backward_criterion` events fire once a piece, the others once a batch.
          members: how many runs to make in one program, on the same samples: `params`,
            `model_state` and `criterion_params` have a leading axis [N] then, and
            rates and `key` may have; one key is split. So have all that is carried but
            the counters, as `every`, `watch` and hooks of the host see it. A compiled
            hook sees one member; `on_start` runs once for each.
          mesh: devices to train on together; the rows of each batch are divided over
            them. With several processes each iterates over all samples.
          shard: `(path, leaf) -> PartitionSpec`, where on the mesh a parameter lies;
            None for a copy on each device.
          data_axis: the axis of the mesh over which batches are divided.
          resume: a folder in which `tnt.hooks.checkpoint` saves, True for that of the
            hooks; goes on from the last State in there, or starts if there is none.
            What was saved counts, and not `params`, `lr` and `key`. Or a function from
            a dict of the fields as they are at the start to one of some to go on with,
            or None to start; see `tnt.checkpoint.restore`. To start from other
            parameters pass `params`: the optimizer and hooks have begun with these by
            then.
          state: a State to go on from, such as what `train` returned or `error.state`:
            with its parameters, optimizer, counters, meters, `aux` and key, bit for bit
            as if the run had not ended. `stop` is reset; `max_epoch` and `max_steps`
            count from the very start. `on_start` runs, as with `resume`. An epoch goes
            on behind as many batches as were used of it, so the iterator must give the
            same ones.
          jit: True to compile; False to run the same step by step in Python.
          steps_per_call: most steps in one compiled call, or `"auto"`.

        Returns:
          The State after `on_end`, its `params` trained.

        Raises:
          TypeError: if an argument or what a hook returns is of the wrong kind.
          ValueError: if a number is out of range, a checkpoint or State does not fit,
            or an epoch has no sample.
        """
        members, goes_on = arguments.get("members"), arguments.get("state") is not None
        optimizers: dict[str, Any] = {"optimizer": optimizer}
        if criterion_optimizer is not None:
            optimizers["criterion_optimizer"] = criterion_optimizer
        rate, schedule = check_lr(optimizers, lr, members, goes_on)
        # A State may bring them.
        is_lone = not goes_on and arguments.get("criterion_params") is None
        if is_lone and criterion_optimizer is not None:
            raise TypeError(
                "criterion_optimizer is for criterion_params: pass these as well, or"
                " leave it out."
            )
        update = OptaxUpdate(optimizer, criterion_optimizer, schedule)

        def start(params: Any, criterion_params: Any) -> dict[str, Any]:
            begin = update.start
            if members is not None:  # told, as a network may have no parameters
                begin = jax.vmap(begin, axis_size=members)
            own = begin(params, criterion_params, spread_rate(rate, members))
            return {"opt_state": own}

        return make_training(self, update, start, {}, **arguments)

    test = test
    explain = explain
