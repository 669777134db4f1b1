"""validate: a test after some epochs, which leaves training as it is."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tntjax.hooks import ema, ema_params, metering, validate

METERS = {
    "loss": (tnt.AverageValueMeter(), lambda s: s.loss),
    "error": (tnt.ClassErrorMeter(), lambda s: (s.output, s.sample["target"])),
}
TESTER = tnt.OptimEngine(metering(METERS))


def mean_loss(result):
    return result.meters["loss"].value().mean


@pytest.mark.slow
def test_the_score_is_that_of_the_parameters_then(problem):
    states = []
    hooks = tnt.chain(
        validate(TESTER, problem.iterator(16), score=mean_loss),
        tnt.Hooks(on_end_epoch=lambda s: states.append(s) or s),
    )
    job = problem.job(max_epoch=3)
    tnt.SGDEngine(hooks).train(**job)
    assert len(states) == 3
    for state in states:
        result = TESTER.test(
            network=job["network"],
            criterion=job["criterion"],
            iterator=problem.iterator(16),
            params=state.params,
        )
        assert state.aux["validate"] == mean_loss(result)


@pytest.mark.slow
def test_training_goes_on_as_without(problem, same):
    job = problem.job(max_epoch=3)
    with_it = tnt.SGDEngine(
        tnt.chain(
            metering(METERS), validate(TESTER, problem.iterator(), score=mean_loss)
        )
    ).train(**job)
    without = tnt.SGDEngine(metering(METERS)).train(**job)
    assert set(with_it.aux) == {"validate", "validate.epoch"}
    for name in ("params", "meters", "lr", "t", "samples", "epoch"):
        jax.tree.map(
            np.testing.assert_array_equal,
            *(jax.tree.leaves(getattr(s, name)) for s in (with_it, without)),
        )


@pytest.mark.slow
def test_it_runs_every_so_many_epochs_and_reports_both_states(problem):
    seen = []

    def report(state, result):
        seen.append((int(state.epoch), float(state.aux["own"]), result.training))
        assert state.aux["own"] == mean_loss(result)

    hooks = validate(
        TESTER,
        problem.iterator(),
        score=mean_loss,
        report=report,
        every=2,
        name="own",
        jit=False,
    )
    state = tnt.SGDEngine(hooks).train(**problem.job(max_epoch=5))
    assert [(epoch, training) for epoch, _, training in seen] == [
        (2, False),
        (4, False),
    ]
    assert float(state.aux["own"]) == seen[-1][1] < seen[0][1]


def test_before_the_first_test_there_is_no_score(problem):
    hooks = validate(TESTER, problem.iterator(), score=mean_loss, every=2)
    state = tnt.SGDEngine(hooks).train(**problem.job(max_epoch=1))
    assert state.aux["validate"] == np.finfo(np.float32).max
    assert int(state.aux["validate.epoch"]) == 0
    state = tnt.SGDEngine(hooks).train(**problem.job(max_epoch=3))
    assert state.aux["validate"] < 10
    assert int(state.aux["validate.epoch"]) == 2


@pytest.mark.parametrize(
    ("score", "came"),
    [
        (lambda r: r.meters["loss"].value(), "MeanStd with the fields mean, std. Re"),
        (lambda r: r.meters["error"].value(), "{1: "),
        (lambda r: None, "None. Return a number, such as state.meters"),
    ],
)
def test_a_score_that_is_not_a_number(problem, score, came):
    hooks = validate(TESTER, problem.iterator(), score=score)
    words = "validate: score must return one number, got "
    with pytest.raises(TypeError, match=words + re.escape(came)):
        tnt.SGDEngine(hooks).train(**problem.job())


def test_without_score_aux_is_left_alone(problem):
    seen = []
    hooks = validate(
        TESTER, problem.iterator(), report=lambda s, result: seen.append(result.samples)
    )
    state = tnt.SGDEngine(hooks).train(**problem.job())
    assert seen == [53, 53]
    assert state.aux == {}


@pytest.mark.slow
def test_averaged_parameters(problem):
    results = []
    hooks = tnt.chain(
        ema(0.5),
        validate(
            TESTER,
            problem.iterator(),
            params=ema_params,
            report=lambda s, result: results.append((s, result)),
        ),
    )
    tnt.SGDEngine(hooks).train(**problem.job(max_epoch=1))
    ((state, result),) = results
    np.testing.assert_array_equal(result.params["bias"], ema_params(state)["bias"])
    assert not np.array_equal(result.params["bias"], state.params["bias"])


@pytest.mark.slow
def test_a_stateful_network_and_a_learnable_criterion(problem):
    def apply(params, mean, input, *, key, training):
        now = input.mean(0) if training else mean
        return (input - now) @ params, 0.5 * mean + 0.5 * now

    def criterion(scale, output, target):
        return ((output - jax.nn.one_hot(target, 3) * scale) ** 2).sum(-1)

    results = []
    hooks = validate(
        tnt.SGDEngine(),
        problem.iterator(),
        report=lambda s, result: results.append((s, result)),
    )
    tnt.SGDEngine(hooks).train(
        network=tnt.network.Stateful(apply),
        criterion=criterion,
        iterator=problem.iterator(),
        params=jnp.zeros((5, 3)),
        model_state=jnp.zeros(5),
        criterion_params=jnp.float32(1),
        lr=0.01,
        max_epoch=1,
    )
    ((state, result),) = results
    assert np.abs(state.model_state).max() > 0.1
    np.testing.assert_array_equal(result.model_state, state.model_state)
    np.testing.assert_array_equal(result.criterion_params, state.criterion_params)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"engine": metering(METERS)}, TypeError, "needs an engine"),
        ({"score": 3}, TypeError, "but score is 3"),
        ({"report": "loss"}, TypeError, "but report is .loss."),
        ({"params": {}}, TypeError, "but params is"),
        ({"every": 0}, ValueError, "every must be at least 1, got 0"),
        ({"every": 1.5}, TypeError, "every must be an integer, got 1.5"),
    ],
)
def test_bad_arguments(problem, arguments, error, words):
    with pytest.raises(error, match=words):
        validate(**{"engine": TESTER, "iterator": problem.iterator(), **arguments})


def test_two_need_two_names(problem):
    one = validate(TESTER, problem.iterator(), score=mean_loss)
    with pytest.raises(ValueError, match=r"aux\['validate'\] is there already"):
        tnt.SGDEngine(tnt.chain(one, one)).train(**problem.job())
    other = validate(TESTER, problem.iterator(16), score=mean_loss, name="other")
    state = tnt.SGDEngine(tnt.chain(one, other)).train(**problem.job())
    np.testing.assert_allclose(state.aux["validate"], state.aux["other"], rtol=1e-5)
