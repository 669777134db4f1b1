"""A test after each epoch."""

import dataclasses
import weakref
from collections.abc import Callable
from typing import Any, cast, get_args

from tntjax._check import check_optional_functions
from tntjax._numbers import check_at_least
from tntjax._struct import describe
from tntjax._types import SampleIterator
from tntjax.engine import Hooks, OptimEngine, SGDEngine, State, StepEngine, chain
from tntjax.engine._check import check_iterator, check_key
from tntjax.engine._engine import check_running
from tntjax.engine._fire import copy_containers
from tntjax.engine._names import check_names, find_close
from tntjax.hooks._bind import bind
from tntjax.hooks._mean_loss import COLUMNS, MEAN_LOSS, show_meters
from tntjax.hooks._metering import USUAL, find_names
from tntjax.hooks._score import claim_measured, put_measured

PASSED_ON = ("key", "mesh", "shard", "data_axis", "jit", "steps_per_call")
"""Arguments of `test` that are given where `validate` is made."""

Engine = SGDEngine | OptimEngine | StepEngine

LATE = """validate is chained after a hook that reads what it measures. Chain it \
before:

    tnt.chain(tnt.hooks.validate(...), tnt.hooks.record(...))
"""


def validate(
    engine: Engine | SampleIterator | None = None,
    iterator: SampleIterator | None = None,
    *,
    score: str | Callable[[State], Any] | None = None,
    report: Callable[[State, State], None] | None = None,
    params: Callable[[State], Any] | None = None,
    every: int = 1,
    name: str = "validate",
    **arguments: Any,
) -> Hooks:
    """Tests at the end of an epoch, with what is being trained.

    `validate(iterator)` tests with the engine that trains: all that its hooks measure
    they measure on these samples as well, and `on_start` and `on_end` fire as in any
    test. With another engine, `validate(engine, iterator)`, its hooks measure.

    The State of the training run stays as it is, but for the score. That is
    `state.aux[name]`, a [] float32, and `state.aux[name + ".epoch"]` is after which
    epoch it was measured. Before the first test they are the largest float32 and 0.
    `early_stopping`, `plateau` and `checkpoint`, chained after this, read the score
    there; `record` keeps it, and all that was measured as `validate.loss` and so on.

    Args:
      engine: whose `test` is called; left out, the one that trains.
      iterator: samples to test on.
      score: what is judged, the lower the better, unless those who read it are told to
        `maximize`: the name of a meter, or `"loss"`, the mean loss; or a function from
        the State that `test` returns to a number. By default the mean loss if no
        engine is given, else none.
      report: called with the State of the training run and the one `test` returned.
      params: from the State to the parameters to test, by default `state.params`; for
        averaged ones `tnt.hooks.ema_params`.
      every: how many epochs apart.
      name: of the score in `state.aux`.
      **arguments: `key`, `mesh`, `shard`, `data_axis`, `jit` and `steps_per_call` of
        `test`.

    Returns:
      A Hooks value, to be chained with others.

    Raises:
      TypeError: if an argument is of the wrong kind, or `test` has none of the name.
      ValueError: if a number is out of range, or nothing is measured of the score's
        name (told after an epoch where other hooks than plugins may make meters); when
        it runs, if the name is taken, or it is chained after `record`.

    Example:
      >>> import jax.numpy as jnp
      >>> import tntjax as tnt
      >>> batches = tnt.DatasetIterator([{"input": jnp.ones(4), "target": jnp.ones(4)}])
      >>> state = tnt.SGDEngine(tnt.hooks.validate(batches)).train(
      ...     network=lambda params, input: params * input, params=jnp.zeros(()),
      ...     criterion=lambda output, target: (output - target) ** 2, lr=0.25,
      ...     iterator=batches, max_epoch=1,
      ... )
      >>> float(state.aux["validate"])
      0.25

    Torchnet: `engine:test` in a hook `onEndEpoch`.
    """
    if iterator is None:
        engine, iterator = None, cast(SampleIterator, engine)
    _check(engine, iterator, name, arguments)
    function = None if isinstance(score, str) else score
    check_optional_functions("validate", score=function, report=report, params=params)
    every = check_at_least("validate: every", every, 1)
    if engine is None and score is None:
        score = "loss"
    judged = score if isinstance(score, str) else None
    _check_judged(engine, judged)
    own_engine = _make_tester()

    def test(state: State) -> State:
        if int(state.epoch) % every:
            return state
        tester = own_engine(state.engine) if engine is None else cast(Any, engine)
        result = tester.test(
            network=state.network,
            criterion=state.criterion,
            iterator=iterator,
            params=state.params if params is None else params(state),
            model_state=state.model_state,
            criterion_params=state.criterion_params,
            members=state.members,
            **arguments,
        )
        measured = show_meters(result)
        if score is not None:
            found = score(result) if callable(score) else _find(measured, score)
            state = put_measured(state, name, found)
        if state.recorded is not None:  # the history of the run
            values = {f"{name}.{part}": value for part, value in measured.items()}
            state.recorded.note(int(state.epoch), values)
        if report is not None:
            report(copy_containers(state), result)
        return state

    start = bind(_start, None if score is None else name, engine is None, judged)
    return Hooks(on_start=start, on_end_epoch=test)


def _check(engine: Any, iterator: Any, name: str, arguments: dict[str, Any]) -> None:
    can_test = callable(getattr(engine, "test", None)) and not isinstance(engine, type)
    if engine is not None and not can_test:
        raise TypeError(
            "validate needs an engine, such as tnt.SGDEngine(hooks), got"
            f" {describe(engine)}."
        )
    if iterator is None or hasattr(iterator, "train"):
        raise TypeError("validate needs samples: validate(iterator).")
    check_iterator(iterator)
    if name in COLUMNS:
        raise ValueError(
            f"validate: name={name!r} is a column of its own in a history."
        )
    own = ("score", "report", "params", "every", "name")
    check_names("validate", arguments, [*own, *PASSED_ON])
    check_key(arguments.get("key"))
    check_running(**{name: arguments[name] for name in arguments if name != "key"})


def _make_tester() -> Callable[[Any], Any]:
    """Makes a function that adds the mean loss to what an engine measures.

    Of the same engine it makes the same, as a jit of a State asks which one it has. It
    keeps neither that engine nor what no test runs, of which it is a part: in a cycle
    an iterator and its workers would stay until garbage is collected.
    """
    given, made = (lambda: None), None

    def add_loss(engine: Any) -> Any:
        nonlocal given, made
        if engine is not given():
            of_tests = dataclasses.replace(engine.hooks, on_end_epoch=None)
            hooks = chain(of_tests, MEAN_LOSS)
            given, made = weakref.ref(engine), dataclasses.replace(engine, hooks=hooks)
        return made

    return add_loss


def _start(state: State, name: str | None, is_own: bool, judged: str | None) -> State:
    if state.training and is_own and state.network is None:
        raise ValueError(
            "validate(iterator) tests the network, but this run has none. Pass network="
            " and criterion= to train, or another engine: validate(engine, iterator)."
        )
    if state.recorded is not None and state.recorded.is_read:
        raise ValueError(LATE)
    if state.recorded is not None and name is not None and judged is not None:
        state.recorded.scores[name] = judged
    if state.training and is_own:
        _check_judged(state.engine, judged, "loss")
    return state if name is None else claim_measured(state, name)


def _check_judged(engine: Any, judged: str | None, *added: str) -> None:
    """Raises a ValueError, not after an epoch, if no meter of a test has the name."""
    # A test of another kind of engine may measure anything.
    names = find_names(engine.hooks) if type(engine) in get_args(Engine) else None
    if judged is None or names is None:
        return
    measured = dict.fromkeys([*added, *names])
    if not any(judged.startswith(f"{name}.") for name in measured):
        _find(measured, judged)


def _find(measured: dict[str, Any], score: str) -> Any:
    if score in measured:
        return measured[score]
    close = find_close(score, measured)
    raise ValueError(
        f"validate: score={score!r} is the name of something that the test measures,"
        f" and it measures {', '.join(map(repr, measured)) or 'nothing'}"
        f"{f'; did you mean {close!r}?' if close else '.'} Chain tnt.hooks.metering"
        f"({score if score in USUAL else 'error'!r}) or another meter."
    )
