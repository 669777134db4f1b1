"""What holds for every plugin, alone and in chains. A plugin without a row fails."""

import functools
import io
import itertools
import pickle
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt
from tests.engine.conftest import criterion, network
from tntjax.engine._hooks import STEP_EVENTS

ROOT = Path(__file__).resolve().parents[2]


def read_loss(state):
    return state.loss


def read_pair(state):
    return state.output, state.sample["target"]


def epoch_loss(state):
    return state.meters["loss"].value().mean


def score(state):
    return state.aux["validate"]


def ignore(record):
    pass


METERS = {
    "loss": (tnt.AverageValueMeter(), read_loss),
    "error": (tnt.ClassErrorMeter(), read_pair),
}
SCHEDULE = optax.exponential_decay(0.1, 2, 0.9)
BATCHES = tnt.DatasetIterator(
    [{"input": np.eye(5, dtype=np.float32), "target": np.arange(5) % 3}]
)
TESTER = tnt.OptimEngine(tnt.hooks.metering(METERS))

PLUGINS = {
    "metering": lambda: tnt.hooks.metering(METERS),
    "validate": lambda: tnt.hooks.validate(TESTER, BATCHES, score=epoch_loss),
    "early_stopping": lambda: tnt.hooks.early_stopping(score, 9, restore=True),
    "learning_rate": lambda: tnt.hooks.learning_rate(SCHEDULE),
    "plateau": lambda: tnt.hooks.plateau(score, 0.5, 1),
    "ema": lambda: tnt.hooks.ema(0.9),
    "loss_scaling": lambda: tnt.hooks.loss_scaling(2.0**10, interval=3),
    "record": lambda: tnt.hooks.record(ignore),
    "progress": lambda: tnt.hooks.progress(io.StringIO()),
    "nan_guard": lambda: tnt.hooks.nan_guard(5),
    "timing": lambda: tnt.hooks.timing(ignore),
    "profile": lambda: tnt.hooks.profile("nowhere", 10**6),
}
OTHERS = {"NonFiniteError", "Timing", "ema_params"}
WITH_ORBAX = {"checkpoint"}  # tried in tests/hooks/test_checkpoint.py

every_plugin = pytest.mark.parametrize("name", PLUGINS)


def test_every_plugin_is_in_the_table():
    assert set(tnt.hooks.__all__) == set(PLUGINS) | OTHERS | WITH_ORBAX


def test_the_page_about_them_names_each():
    page = (ROOT / "docs" / "hooks.md").read_text()
    named = set(re.findall(r"^\| `(\w+)\(", page, re.MULTILINE))
    assert named == set(PLUGINS) | WITH_ORBAX


@every_plugin
def test_it_is_a_hooks_value_with_the_unit_of_chain(name):
    hooks = PLUGINS[name]()
    assert isinstance(hooks, tnt.Hooks)
    assert tnt.chain(hooks, tnt.Hooks()) == hooks == tnt.chain(tnt.Hooks(), hooks)
    assert " at 0x" not in repr(hooks)


def test_chain_is_associative():
    parts = [make() for make in PLUGINS.values()]
    left = functools.reduce(tnt.chain, parts)
    right = functools.reduce(lambda a, b: tnt.chain(b, a), reversed(parts))
    assert left == right == tnt.chain(*parts)


@every_plugin
@pytest.mark.parametrize("event", STEP_EVENTS)
def test_two_made_alike_have_equal_compiled_hooks(name, event):
    one, other = (getattr(PLUGINS[name](), event) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)


@pytest.mark.parametrize(
    "hooks",
    [
        tnt.hooks.metering(METERS),
        tnt.hooks.early_stopping(score, 9, restore=True),
        tnt.hooks.learning_rate({0: 0.1}),
        tnt.hooks.plateau(score),
        tnt.hooks.ema(0.9),
        tnt.hooks.loss_scaling(),
        tnt.hooks.nan_guard(),
    ],
)
def test_it_survives_pickle(hooks):
    again = pickle.loads(pickle.dumps(hooks))
    assert [getattr(again, e) for e in STEP_EVENTS] == [
        getattr(hooks, e) for e in STEP_EVENTS
    ]
    assert again.scheduled == hooks.scheduled


# ---- eager = compiled = chunked -----------------------------------------------------

MIDDLE = ["early_stopping", "ema", "loss_scaling", "nan_guard", "timing", "profile"]
ALL = ["metering", "validate", "learning_rate", *MIDDLE]
WITH_PLATEAU = ["metering", "validate", "plateau", *MIDDLE]
ORDERS = {
    "all": ALL,
    "another": ["loss_scaling", "nan_guard", "ema", *ALL[:3], *MIDDLE[:1], *MIDDLE[4:]],
    "plateau": WITH_PLATEAU,
}


def spoil(state):
    """One output gradient too large for any scale, so that a step is skipped."""
    factor = jnp.where(state.t == 8, jnp.inf, 1.0)
    return state.replace(grad_output=state.grad_output * factor)


def run(problem, names, engine=tnt.SGDEngine, **how):
    hooks = tnt.chain(
        tnt.Hooks(on_backward_criterion=spoil), *(PLUGINS[name]() for name in names)
    )
    job = problem.job(max_epoch=3, **how)
    if engine is tnt.OptimEngine:
        job["optimizer"] = OPTIMIZER
        del job["lr"]
    return engine(hooks).train(**job)


OPTIMIZER = optax.inject_hyperparams(optax.adam)(0.01)
FIELDS = (
    "params",
    "opt_state",
    "lr",
    "meters",
    "aux",
    "large",
    "t",
    "samples",
    "epoch",
)


@pytest.fixture(scope="module")
def reference(problem):
    return functools.cache(
        lambda order, engine: run(problem, ORDERS[order], engine, jit=False)
    )


@pytest.mark.parametrize(
    ("order", "engine"),
    [
        ("all", tnt.SGDEngine),
        ("another", tnt.OptimEngine),
        ("plateau", tnt.OptimEngine),
    ],
)
@pytest.mark.slow
@pytest.mark.parametrize("steps_per_call", [1, 3, "auto"])
def test_compiled_equals_eager(problem, reference, same, order, engine, steps_per_call):
    expected = reference(order, engine)
    state = run(problem, ORDERS[order], engine, steps_per_call=steps_per_call)
    for field in FIELDS:
        same(getattr(state, field), getattr(expected, field))
    assert state.epoch == 3
    assert int(state.meters["loss"].n) == 53
    assert int(state.aux["loss_scaling"]["good"]) < 14  # one was skipped


@pytest.mark.slow
def test_the_order_changes_nothing(reference, same):
    one, other = (reference(order, tnt.SGDEngine) for order in ("all", "another"))
    for field in FIELDS:
        same(getattr(one, field), getattr(other, field))


@pytest.mark.slow
@pytest.mark.parametrize(
    "names",
    [*itertools.combinations(["metering", "ema", "nan_guard", "loss_scaling"], 2)],
)
def test_a_pair_leaves_training_as_it_is(problem, same, names):
    """But for skipped steps, and here there are none."""
    hooks = tnt.chain(*(PLUGINS[name]() for name in names))
    state = tnt.SGDEngine(hooks).train(**problem.job())
    same(state.params, tnt.SGDEngine().train(**problem.job()).params)


@pytest.mark.slow
def test_all_in_a_test_measure_only(problem):
    job = {"network": network, "criterion": criterion, "params": problem.params}
    hooks = tnt.chain(*(PLUGINS[name]() for name in ALL if name != "validate"))
    state = tnt.SGDEngine(hooks).test(**job, iterator=problem.iterator())
    plain = TESTER.test(**job, iterator=problem.iterator())
    assert jax.tree.structure((state.aux, state.large)) == jax.tree.structure(({}, {}))
    assert state.meters["error"].value() == plain.meters["error"].value()


WITH_NUMBERS = {
    "validate": lambda n: tnt.hooks.validate(TESTER, BATCHES, every=n),
    "early_stopping": lambda n: tnt.hooks.early_stopping(score, n, every=n),
    "plateau": lambda n: tnt.hooks.plateau(score, 0.5, n, every=n),
    "learning_rate": lambda n: tnt.hooks.learning_rate({n: 0.1}),
    "ema": lambda n: tnt.hooks.ema(0.9, start=n),
    "loss_scaling": lambda n: tnt.hooks.loss_scaling(interval=n),
    "nan_guard": lambda n: tnt.hooks.nan_guard(n),
    "profile": lambda n: tnt.hooks.profile("nowhere", n, n),
    "checkpoint": lambda n: tnt.hooks.checkpoint("nowhere", n, keep=n),
}


@pytest.mark.parametrize("name", WITH_NUMBERS)
@pytest.mark.parametrize("kind", [np.int64, np.uint8])
def test_integers_of_numpy_are_integers(name, kind):
    assert repr(WITH_NUMBERS[name](kind(2))) == repr(WITH_NUMBERS[name](2))


@pytest.mark.parametrize("name", WITH_NUMBERS)
@pytest.mark.parametrize("number", [2.0, True, "2"])
def test_what_is_not_an_integer_is_refused(name, number):
    with pytest.raises(TypeError, match=r"integer|\{number: rate\}"):
        WITH_NUMBERS[name](number)
