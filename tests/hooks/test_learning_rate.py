"""learning_rate and plateau: which rate each step has."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt
from tntjax.hooks import learning_rate, metering, plateau

HALVING = optax.exponential_decay(0.5, 1, 0.5)
INJECTED = {
    "plain": optax.inject_hyperparams(optax.sgd)(0.3),
    "in a chain": optax.chain(
        optax.clip(1e9), optax.inject_hyperparams(optax.sgd)(0.3), optax.trace(0.0)
    ),
}


def rates_of(problem, engine, hooks, **changes):
    """The rate of each update, from how far one parameter moved for gradient 1."""
    seen = []

    def note(state):
        seen.append(float(state.params[0]))

    job = {
        "network": lambda params, input: input[:, :1] * 0 + params,
        "criterion": lambda output, target: output.sum(-1),
        "iterator": problem.iterator(16),  # four updates an epoch
        "params": jnp.zeros(1),
        "max_epoch": 3,
        **changes,
    }
    keep = tnt.every(1, lambda s: note(s) or s)
    state = engine(tnt.chain(hooks, keep)).train(**job)
    return -np.diff([0.0, *seen]), state


SGD = (tnt.SGDEngine, {"lr": 0.3})
OPTIM = [(tnt.OptimEngine, {"optimizer": o}) for o in INJECTED.values()]
ENGINES = pytest.mark.parametrize(
    ("engine", "arguments"), [SGD, *OPTIM], ids=["sgd", *INJECTED]
)


@pytest.mark.slow
@ENGINES
@pytest.mark.parametrize("jit", [True, False])
def test_a_schedule_by_step(problem, engine, arguments, jit):
    rates, state = rates_of(
        problem, engine, learning_rate(HALVING), **arguments, jit=jit
    )
    np.testing.assert_allclose(rates, 0.5 ** np.arange(1, 13), rtol=1e-3)
    np.testing.assert_allclose(state.aux["learning_rate"], 0.5**12)


@ENGINES
def test_a_schedule_by_epoch(problem, engine, arguments):
    hooks = learning_rate(HALVING, by="epoch")
    rates, _ = rates_of(problem, engine, hooks, **arguments)
    np.testing.assert_allclose(rates, np.repeat([0.5, 0.25, 0.125], 4), rtol=1e-3)


@ENGINES
def test_a_table_leaves_the_rate_alone_before_its_first_entry(
    problem, engine, arguments
):
    hooks = learning_rate({2: 0.01, 1: 0.1}, by="epoch")
    rates, _ = rates_of(problem, engine, hooks, **arguments)
    np.testing.assert_allclose(rates, np.repeat([0.3, 0.1, 0.01], 4), rtol=1e-3)


def test_a_table_by_step(problem):
    rates, _ = rates_of(problem, tnt.SGDEngine, learning_rate({0: 1.0, 5: 0.5}), lr=9)
    np.testing.assert_allclose(rates, [1.0] * 5 + [0.5] * 7, rtol=1e-5)


def test_nothing_is_compiled_anew(problem, compiles):
    after = []
    count = tnt.Hooks(on_end_epoch=lambda s: after.append(len(compiles)) or s)
    hooks = tnt.chain(learning_rate({0: 0.1, 1: 0.2, 2: 0.3}, by="epoch"), count)
    tnt.SGDEngine(hooks).train(**problem.job(max_epoch=3))
    assert after[0] == after[1] == after[2]


def test_an_engine_with_a_schedule_can_test(problem):
    job = problem.job()
    del job["lr"], job["max_epoch"]
    hooks = tnt.chain(learning_rate(HALVING), plateau(lambda s: 1.0))
    assert tnt.SGDEngine(hooks).test(**job).aux == {}


def learnable(problem, **changes):
    def criterion(scale, output, target):
        return (output.sum(-1) - scale * target) ** 2

    changes = {"criterion": criterion, "criterion_params": jnp.float32(1), **changes}
    job = problem.job(max_epoch=1, **changes)
    return job


def test_the_rate_of_a_criterion_stays(problem):
    job = learnable(problem, lr=0.01)
    state = tnt.SGDEngine(learning_rate({0: 0.0})).train(**job)
    assert (state.lr, state.lr_criterion) == (0, np.float32(0.01))
    np.testing.assert_array_equal(state.params["weight"], 0)
    assert state.criterion_params != 1

    del job["lr"]
    job["optimizer"] = optax.inject_hyperparams(optax.sgd)(0.01)
    state = tnt.OptimEngine(learning_rate({0: 0.0})).train(**job)
    np.testing.assert_array_equal(state.params["weight"], 0)
    assert state.criterion_params != 1


@pytest.mark.parametrize("hooks", [learning_rate(HALVING), plateau(lambda s: 1.0)])
@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        (optax.sgd(0.1), r"optimizer=optax.adam, lr=1e-3     # right"),
        (optax.inject_hyperparams(optax.sgd)(HALVING), "has a schedule of its own"),
    ],
)
def test_no_rate_that_can_be_changed_is_an_error(problem, hooks, optimizer, words):
    job = problem.job(optimizer=optimizer)
    del job["lr"]
    with pytest.raises(ValueError, match=words):
        tnt.OptimEngine(hooks).train(**job)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((HALVING, "batch"), ValueError, 'by must be "step" or "epoch", got \'batch\''),
        ((0.1,), TypeError, "needs a schedule, such as .* got 0.1"),
        (({},), ValueError, "a table needs a rate, such as"),
        (({0.5: 0.1},), TypeError, r"a table is \{number: rate\}, got 0.5"),
    ],
)
def test_bad_schedules(arguments, error, words):
    with pytest.raises(error, match=words):
        learning_rate(*arguments)


# ---- plateau ------------------------------------------------------------------------


def following(*scores):
    return lambda state: scores[int(state.epoch) - 1]


@ENGINES
def test_plateau_lowers_the_rate(problem, engine, arguments):
    hooks = plateau(following(3, 3, 1, 1, 1, 1), factor=0.5, patience=1)
    rates, state = rates_of(problem, engine, hooks, **arguments, max_epoch=5)
    expected = np.repeat([0.3, 0.3, 0.15, 0.15, 0.075], 4)
    np.testing.assert_allclose(rates, expected, rtol=1e-3)
    np.testing.assert_allclose(state.aux["learning_rate"], 0.0375, rtol=1e-5)


def test_plateau_counts_anew_and_stops_at_the_smallest(problem):
    hooks = plateau(lambda s: 1.0, 0.1, 2, smallest=0.004)
    rates, state = rates_of(problem, tnt.SGDEngine, hooks, lr=0.3, max_epoch=8)
    known = state.aux["plateau"]
    expected = np.repeat([0.3, 0.3, 0.3, 0.03, 0.03, 0.004, 0.004, 0.004], 4)
    np.testing.assert_allclose(rates, expected, rtol=1e-3)
    np.testing.assert_allclose(state.lr, 0.004)
    assert (int(known["count"]), int(known["epoch"])) == (1, 1)


def test_plateau_never_raises_the_rate(problem):
    hooks = plateau(lambda s: 1.0, 0.5, 1, smallest=0.7)
    _, state = rates_of(problem, tnt.SGDEngine, hooks, lr=0.3, max_epoch=3)
    np.testing.assert_allclose(state.lr, 0.3)


def test_plateau_looks_every_so_many_epochs(problem):
    hooks = plateau(following(1, 2, 1, 4, 1), 0.5, 1, maximize=True, every=2)
    _, state = rates_of(problem, tnt.SGDEngine, hooks, lr=0.3, max_epoch=5)
    assert (float(state.aux["plateau"]["best"]), float(state.lr)) == (
        4,
        np.float32(0.3),
    )


INJECT = optax.inject_hyperparams(optax.sgd)
LABELS = {"weight": "a", "bias": "b"}


def groups(a, b):
    return optax.partition({"a": a, "b": b}, LABELS)


def rates_in(state):
    """All learning rates that optax keeps, in the order of the tree."""
    found = jax.tree_util.tree_leaves_with_path(state.opt_state)
    return [float(x) for path, x in found if "learning_rate" in str(path[-1])]


def trained(problem, hooks, optimizer, **changes):
    job = problem.job(iterator=problem.iterator(30), **{"max_epoch": 3, **changes})
    del job["lr"]
    return tnt.OptimEngine(hooks).train(**job, optimizer=optimizer)


def test_plateau_keeps_the_ratio_of_groups(problem):
    optimizer = groups(INJECT(1e-1), INJECT(1e-4))
    state = trained(problem, plateau(lambda s: 0.5, 0.5, 1), optimizer)
    np.testing.assert_allclose(rates_in(state), [0.025, 0.000025], rtol=1e-6)
    np.testing.assert_allclose(state.aux["learning_rate"], 0.025)


def test_plateau_has_each_group_fall_to_the_smallest_and_none_rise(problem):
    optimizer = groups(INJECT(1e-1), INJECT(1e-4))
    hooks = plateau(lambda s: 0.5, 0.1, 1, smallest=0.002)
    state = trained(problem, hooks, optimizer)
    np.testing.assert_allclose(rates_in(state), [0.002, 0.0001], rtol=1e-6)


@pytest.mark.slow
def test_plateau_leaves_alone_what_is_frozen_or_follows_a_schedule(problem):
    optimizer = groups(INJECT(1e-1), optax.set_to_zero())
    state = trained(problem, plateau(lambda s: 0.5, 0.5, 1), optimizer)
    np.testing.assert_allclose(rates_in(state), [0.025], rtol=1e-6)
    np.testing.assert_array_equal(state.params["bias"], 0)
    frozen = groups(INJECT(1e-1), INJECT(0.0))
    state = trained(problem, plateau(lambda s: 0.5, 0.5, 1), frozen)
    assert rates_in(state)[1] == 0
    np.testing.assert_array_equal(state.params["bias"], 0)


@pytest.mark.slow
def test_plateau_lowers_the_rate_of_a_criterion_too(problem):
    hooks = plateau(lambda s: 0.5, 0.5, 1)
    job = learnable(problem, lr=0.01, lr_criterion=0.001) | {"max_epoch": 3}
    state = tnt.SGDEngine(hooks).train(**job)
    rates = [float(state.lr), float(state.lr_criterion)]
    np.testing.assert_allclose(rates, [0.0025, 0.00025], rtol=1e-6)

    del job["lr"], job["lr_criterion"]
    job |= {"optimizer": INJECT(1e-3), "criterion_optimizer": INJECT(1e-4)}
    state = tnt.OptimEngine(hooks).train(**job)
    assert list(state.opt_state) == ["criterion", "network"]
    np.testing.assert_allclose(rates_in(state), [0.000025, 0.00025], rtol=1e-6)

    job["criterion_optimizer"] = INJECT(HALVING)
    state = tnt.OptimEngine(hooks).train(**job)
    np.testing.assert_allclose(rates_in(state)[-1], 0.00025, rtol=1e-6)
    np.testing.assert_allclose(rates_in(state)[0], 0.5 ** int(state.t), rtol=1e-4)


def test_a_schedule_sets_groups_whose_rates_are_the_same(problem):
    optimizer = groups(INJECT(0.1), INJECT(0.1))
    state = trained(problem, learning_rate({0: 0.1, 2: 0.01}, "epoch"), optimizer)
    np.testing.assert_allclose(rates_in(state), [0.01, 0.01], rtol=1e-6)


def test_a_schedule_for_groups_whose_rates_differ_is_an_error(problem):
    optimizer = groups(INJECT(0.1), INJECT(1e-4))
    with pytest.raises(ValueError, match="sets one rate, but the optimizer has") as e:
        trained(problem, learning_rate(HALVING), optimizer)
    lines = str(e.value).splitlines()
    assert [line.split(": ")[-1] for line in lines[1:3]] == ["0.1", "0.0001"]
    assert lines[1].startswith("  opt_state.inner_states['a']")


def test_schedule_and_plateau_exclude_each_other(problem):
    hooks = tnt.chain(learning_rate(HALVING), plateau(lambda s: 1.0))
    with pytest.raises(ValueError, match=r"aux\['learning_rate'\] is there already"):
        tnt.SGDEngine(hooks).train(**problem.job())


@pytest.mark.parametrize("factor", [0, 1, 2.0])
def test_plateau_needs_a_factor_that_lowers(factor):
    with pytest.raises(ValueError, match="needs 0 < factor < 1, got"):
        plateau(lambda s: 1.0, factor)


@pytest.mark.slow
def test_a_watch_sees_the_rate_and_meters_can_read_it(problem):
    seen = []
    hooks = tnt.chain(
        learning_rate(HALVING),
        metering(rate=(tnt.AverageValueMeter(), lambda s: s.aux["learning_rate"])),
        tnt.watch(1, lambda s: seen.append(float(s.aux["learning_rate"]))),
    )
    job = problem.job(max_epoch=1, optimizer=INJECTED["plain"])
    del job["lr"]
    state = tnt.OptimEngine(hooks).train(**job)
    np.testing.assert_allclose(seen, 0.5 ** np.arange(1, 8))
    np.testing.assert_allclose(state.meters["rate"].value().mean, np.mean(seen), 1e-5)


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), -0.1, "0.1", None])
def test_the_rates_of_a_table_are_checked(rate):
    with pytest.raises((TypeError, ValueError), match="learning_rate: the rate from 5"):
        tnt.hooks.learning_rate({0: 0.1, 5: rate})


@pytest.mark.parametrize(
    ("rate", "error", "words"),
    [
        (None, TypeError, "what the schedule returned must be a number, got None"),
        ("0.1", TypeError, "must be a number, got '0.1'"),
        (-0.1, ValueError, "must be at least 0, got -0.1"),
        (jnp.ones(2), TypeError, "must be a number, got float32"),
        (True, TypeError, "must be a number, got True"),
    ],
)
@pytest.mark.parametrize("jit", [True, False])
def test_what_a_schedule_returns_is_a_rate(problem, rate, error, words, jit):
    hooks = tnt.hooks.learning_rate(lambda count: rate)
    with pytest.raises(error, match=words):
        tnt.SGDEngine(hooks).train(**problem.job(jit=jit))
