"""early_stopping: when it stops, and with which parameters."""

import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tntjax.hooks import early_stopping


def following(*scores):
    """A score for each epoch, from 1 on."""
    return lambda state: scores[int(state.epoch) - 1]


def keeping(kept):
    return tnt.Hooks(on_end_epoch=lambda s: kept.append(s) or s)


def train(problem, *hooks, **changes):
    job = problem.job(iterator=problem.iterator(30), max_epoch=9, **changes)
    return tnt.SGDEngine(tnt.chain(*hooks)).train(**job)


nan, inf, LARGEST = float("nan"), float("inf"), float(np.finfo(np.float32).max)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scores", "options", "stops", "best"),
    [
        ((5, 4, 3, 3, 3, 0), {"patience": 2}, 5, (3, 3)),
        ((5, 6, 4, 5, 6, 7, 0), {"patience": 3}, 6, (4, 3)),
        ((1, 2, 3, 2, 1), {"patience": 2, "maximize": True}, 5, (3, 3)),
        ((5, 4.5, 4.1, 0), {"patience": 2, "min_delta": 1.0}, 3, (5, 1)),
        ((nan, nan, 1), {"patience": 2}, 2, (LARGEST, 0)),
        ((inf, inf, 1), {"patience": 2}, 2, (LARGEST, 0)),
        ((inf, -inf, -inf, 1), {"patience": 2}, 4, (-inf, 2)),
        ((-inf, -inf), {"patience": 2, "maximize": True}, 2, (-LARGEST, 0)),
        ((nan, 2, nan, nan), {"patience": 2}, 4, (2, 2)),
        ((0, 3, 0, 3, 0, 3, 0), {"patience": 2, "every": 2}, 6, (3, 2)),
        (range(9, 0, -1), {"patience": 1}, 9, (1, 9)),
    ],
)
def test_it_stops_when_nothing_gets_better(problem, scores, options, stops, best):
    state = train(problem, early_stopping(following(*scores), **options))
    known = state.aux["early_stopping"]
    assert int(state.epoch) == stops
    assert (float(known["best"]), int(known["epoch"])) == best
    assert state.stop == (stops < 9)


def test_the_best_parameters_are_restored(problem):
    kept = []
    stop = early_stopping(following(3, 1, 2, 2), 2, restore=True)
    state = train(problem, keeping(kept), stop)
    assert int(state.epoch) == 4
    np.testing.assert_array_equal(state.params["weight"], kept[1].params["weight"])
    assert not np.array_equal(state.params["weight"], kept[-1].params["weight"])


def test_model_state_and_criterion_params_are_restored_too(problem):
    def apply(params, count, input, *, key, training):
        return input @ params, count + 1

    def criterion(scale, output, target):
        return (output.sum(-1) - scale * target) ** 2

    kept = []
    stop = early_stopping(following(3, 1, 2, 2), 2, restore=True)
    state = train(
        problem,
        keeping(kept),
        stop,
        network=tnt.network.Stateful(apply),
        criterion=criterion,
        params=jnp.zeros((5, 3)),
        model_state=jnp.int32(0),
        criterion_params=jnp.float32(1),
        lr=0.001,
    )
    assert int(state.model_state) == 4  # two updates in each of two epochs
    assert state.criterion_params == kept[1].criterion_params
    assert state.criterion_params != kept[2].criterion_params


def test_if_none_was_better_the_last_parameters_stay(problem):
    kept = []
    stop = early_stopping(following(nan, nan, nan), 2, restore=True)
    state = train(problem, keeping(kept), stop)
    np.testing.assert_array_equal(state.params["bias"], kept[-1].params["bias"])
    assert np.abs(state.params["bias"]).max() > 0


@pytest.mark.parametrize("restore", [True, False])
def test_a_test_is_left_alone(problem, restore):
    job = problem.job()
    del job["lr"], job["max_epoch"]
    state = tnt.SGDEngine(early_stopping(following(), 2, restore=restore)).test(**job)
    assert (state.aux, state.large) == ({}, {})


def test_a_run_that_was_stopped_stays_so(problem):
    """As if it were resumed: what is carried comes back, `stop` does not."""
    state = train(problem, early_stopping(following(1, 2, 2), 2))
    assert state.large == {}  # nothing is kept that is not to be restored
    stop = early_stopping(following(), 2)
    go_on = tnt.Hooks(on_start_epoch=lambda s: s.replace(aux=state.aux))
    again = train(problem, go_on, stop)
    assert (again.t, again.stop) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"score": 3}, TypeError, "early_stopping needs a score: the name.*; got 3"),
        ({"patience": 0}, ValueError, "patience must be at least 1, got 0"),
        ({"patience": 1.5}, TypeError, "patience must be an integer"),
        ({"every": 0}, ValueError, "every must be at least 1, got 0"),
        ({"min_delta": -1.0}, ValueError, "min_delta must be at least 0, got -1.0"),
    ],
)
def test_bad_arguments(arguments, error, words):
    with pytest.raises(error, match=words):
        early_stopping(**{"score": following(), "patience": 2, **arguments})


def test_two_are_an_error(problem):
    stop = early_stopping(following(1), 2)
    with pytest.raises(ValueError, match=r"aux\['early_stopping'\] is there already"):
        train(problem, stop, stop)
