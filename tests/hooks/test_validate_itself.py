"""`validate(iterator)`: a test by the engine that trains, and scores by name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tests.engine.conftest import criterion
from tests.garbage import left_by


def train(problem, *hooks, engine=tnt.SGDEngine, **changes):
    return engine(tnt.chain(*hooks)).train(**{**problem.job(), **changes})


def test_the_mean_loss_is_the_score(problem):
    scores = []
    watch = tnt.Hooks(
        on_end_epoch=lambda s: (scores.append(float(s.aux["validate"])), s)[1]
    )
    state = train(problem, tnt.hooks.validate(problem.iterator()), watch)
    test = tnt.SGDEngine(tnt.hooks.record()).test(
        network=state.network,
        criterion=criterion,
        iterator=problem.iterator(),
        params=state.params,
    )
    assert scores[0] > scores[1]
    expected = test.meters["mean_loss"].value()
    assert scores[1] == pytest.approx(expected, rel=1e-6)


def test_hooks_of_the_engine_prepare_and_measure(problem):
    def double(state):
        sample = {**state.sample, "input": 2 * state.sample["input"]}
        return state.replace(sample=sample)

    hooks = (tnt.Hooks(on_sample=double), tnt.hooks.metering("error"))
    reports = []
    validate = tnt.hooks.validate(
        problem.iterator(), score="error", report=lambda s, r: reports.append(r)
    )
    state = train(problem, *hooks, validate)
    other = tnt.hooks.validate(
        tnt.SGDEngine(tnt.chain(*hooks)), problem.iterator(), score="error"
    )
    expected = train(problem, *hooks, other).aux["validate"]
    assert float(state.aux["validate"]) == float(expected)
    assert "error" in reports[0].meters


def test_what_it_measures_is_recorded(problem):
    state = train(
        problem,
        tnt.hooks.metering("accuracy"),
        tnt.hooks.validate(problem.iterator(), score="accuracy", every=2),
        tnt.hooks.record(),
    )
    history = state.history
    assert history["validate"][0] is None
    assert history["validate"][1] == float(str(np.float32(history["validate"][1])))
    assert history["validate.accuracy"][1] == pytest.approx(history["validate"][1])
    assert history["validate.loss"][1] > 0
    assert 0 < history["accuracy"][0] <= 100


def test_plugins_read_the_score_by_its_name(problem, tmp_path):
    pytest.importorskip("orbax.checkpoint")
    state = train(
        problem,
        tnt.hooks.validate(problem.iterator()),
        tnt.hooks.early_stopping("validate", patience=1, min_delta=10.0),
        tnt.hooks.plateau("validate", patience=1, min_delta=10.0),
        tnt.hooks.checkpoint(tmp_path, best="validate"),
        max_epoch=5,
    )
    assert int(state.epoch) == 2  # the second was not better by 10
    assert float(state.lr) == pytest.approx(0.01)
    assert tnt.checkpoint.best(tmp_path) == 14


def test_a_name_that_is_not_there(problem):
    with pytest.raises(KeyError, match="reads state.aux\\['valid'\\]"):
        train(
            problem,
            tnt.hooks.validate(problem.iterator()),
            tnt.hooks.early_stopping("valid", patience=1),
        )
    hooks = (
        tnt.hooks.metering("error"),
        tnt.hooks.validate(problem.iterator(), score="eror"),
    )
    with pytest.raises(ValueError, match="did you mean 'error'"):
        train(problem, *hooks)


def stepped(state):
    raise AssertionError("a step was made, or a test begun")


@pytest.mark.parametrize("name", ["eror", "los", "mean_loss", "error_", ""])
def test_a_name_that_no_meter_has_is_told_before_the_first_step(problem, name):
    before = [
        tnt.hooks.metering("error", more=(tnt.AverageValueMeter(), lambda s: s.loss)),
        tnt.Hooks(on_sample=stepped),
        tnt.hooks.progress(),
    ]
    words = f"score='{name}' .*, and it measures 'loss', 'error', 'more'"
    given = tnt.SGDEngine(tnt.chain(tnt.hooks.record(), *before))
    with pytest.raises(ValueError, match=words):
        tnt.hooks.validate(given, problem.iterator(), score=name)
    own = tnt.hooks.validate(problem.iterator(), score=name)
    with pytest.raises(ValueError, match=words):
        train(problem, own, *before)


def test_what_a_test_of_another_engine_lacks_is_told_at_once(problem):
    with pytest.raises(ValueError, match="it measures nothing. Chain"):
        tnt.hooks.validate(tnt.SGDEngine(), problem.iterator(), score="loss")


def test_a_meter_that_a_hook_of_the_user_makes_is_known_when_it_is_there(problem):
    def start(state):
        meters = {**state.meters, "own": tnt.AverageValueMeter()}
        return state.replace(meters=meters)

    def add(state):
        own = state.meters["own"].add(state.loss)
        return state.replace(meters={**state.meters, "own": own})

    hooks = tnt.Hooks(on_start=start, on_forward_criterion=add)
    state = train(
        problem, hooks, tnt.hooks.validate(problem.iterator(), score="own.mean")
    )
    assert 0 < float(state.aux["validate"]) < 2
    with pytest.raises(ValueError, match="did you mean 'own.mean'"):
        train(problem, hooks, tnt.hooks.validate(problem.iterator(), score="own.men"))


def test_what_a_hook_makes_at_the_end_of_a_test_is_a_score(problem):
    late = tnt.AverageValueMeter().add(3.0)

    def end(state):
        return state.replace(meters={**state.meters, "late": late})

    hooks = tnt.Hooks(on_end=end), tnt.hooks.metering("error")
    validate = tnt.hooks.validate(problem.iterator(), score="late.mean")
    assert float(train(problem, *hooks, validate).aux["validate"]) == 3


def test_a_part_of_a_meter_is_a_score(problem):
    meter = tnt.ClassErrorMeter(topk=(1, 2))
    hooks = tnt.hooks.metering(error=(meter, lambda s: (s.output, s.sample["target"])))
    scores = [
        float(train(problem, hooks, validate).aux["validate"])
        for validate in (
            tnt.hooks.validate(problem.iterator(), score="error.top2"),
            tnt.hooks.validate(
                tnt.SGDEngine(hooks), problem.iterator(), score="error.top2"
            ),
        )
    ]
    assert scores[0] == scores[1]


def test_it_comes_before_what_reads_it(problem):
    late = tnt.hooks.record(), tnt.hooks.validate(problem.iterator())
    with pytest.raises(ValueError, match="chained after a hook that reads"):
        train(problem, *late)


@pytest.mark.parametrize(
    "given", [(), (None,), (tnt.SGDEngine(),), (3,), (None, 3)], ids=repr
)
def test_samples_are_needed(given):
    with pytest.raises(
        TypeError, match="validate needs samples|iterator must have run"
    ):
        tnt.hooks.validate(*given)


def test_a_step_of_ones_own(problem):
    def step(state, sample):
        def loss(params):
            output = state.network(params, sample["input"])
            return criterion(output, sample["target"]).mean()

        value, grads = jax.value_and_grad(loss)(state.params)
        params = jax.tree.map(lambda p, g: p - 0.1 * g, state.params, grads)
        return state.replace(params=params, loss=value)

    job = problem.job()
    del job["lr"]
    hooks = tnt.chain(tnt.hooks.validate(problem.iterator()), tnt.hooks.record())
    state = tnt.StepEngine(step, hooks).train(**job)
    assert state.history["validate"][0] > state.history["validate"][1]


@pytest.mark.slow
def test_many_members(problem):
    params = jax.tree.map(lambda leaf: jnp.stack([leaf] * 2), problem.params)
    lr = np.array([0.1, 0.2])
    hooks = tnt.hooks.validate(problem.iterator()), tnt.hooks.record()
    state = train(problem, *hooks, params=params, lr=lr, members=2)
    alone = train(problem, *hooks, lr=0.2)
    assert state.history["validate"][1][1] == pytest.approx(
        alone.history["validate"][1], rel=1e-5
    )


def test_an_engine_with_an_optimizer(problem):
    optax = pytest.importorskip("optax")
    job = problem.job()
    del job["lr"]
    hooks = tnt.chain(tnt.hooks.validate(problem.iterator()), tnt.hooks.record())
    state = tnt.OptimEngine(hooks).train(**job, optimizer=optax.adam(0.1))
    assert state.history["validate"][0] > state.history["validate"][1]


def test_a_score_that_is_compiled_is_traced_once(problem):
    traced = []

    @jax.jit
    def score(state):
        traced.append(1)
        return state.meters["mean_loss"].value()

    train(problem, tnt.hooks.validate(problem.iterator(), score=score), max_epoch=3)
    assert len(traced) == 1


def test_a_step_without_a_network_has_nothing_to_test(problem):
    hooks = tnt.hooks.validate(problem.iterator())
    with pytest.raises(ValueError, match="tests the network, but this run has none"):
        tnt.StepEngine(lambda state, sample: state, hooks).train(
            iterator=problem.iterator(), params=(), max_epoch=1
        )


@pytest.mark.parametrize("name", ["state", "self", "row"])
def test_a_score_may_have_any_other_name(problem, name):
    validate = tnt.hooks.validate(problem.iterator(), name=name)
    history = train(problem, validate, tnt.hooks.record(), max_epoch=1).history
    assert history[name] == pytest.approx(history[f"{name}.loss"])


def test_an_engine_that_validates_is_gone_with_its_last_name(problem):
    """And with it the iterator, whose workers it would keep."""

    def run():
        iterator = problem.iterator()
        train(problem, tnt.hooks.validate(iterator), max_epoch=2)

    assert left_by(run) == []
