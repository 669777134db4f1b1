"""ema: the average equals the formula, whatever is skipped and however it is stored."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tntjax.hooks import ema, ema_params


def run(problem, hooks, **how):
    """The State at the end and the weights before and after each update."""
    seen = [np.asarray(problem.params["weight"])]
    keep = tnt.every(1, lambda s: seen.append(np.asarray(s.params["weight"])) or s)
    job = problem.job(max_epoch=1)
    return tnt.SGDEngine(tnt.chain(hooks, keep)).train(**job, **how), seen


@pytest.mark.slow
@pytest.mark.parametrize("jit", [True, False])
def test_the_average_moves_towards_the_parameters(problem, jit):
    state, seen = run(problem, ema(0.9), jit=jit)
    mean = seen[0]
    for weight in seen[1:]:
        mean = 0.9 * mean + 0.1 * weight
    np.testing.assert_allclose(ema_params(state)["weight"], mean, rtol=1e-4, atol=1e-7)


def test_without_bias_it_is_the_weighted_mean_of_what_updates_made(problem):
    state, seen = run(problem, ema(0.9, debias=True))
    weights = 0.9 ** np.arange(6, -1, -1)
    mean = np.tensordot(weights, np.stack(seen[1:]), 1) / weights.sum()
    np.testing.assert_allclose(ema_params(state)["weight"], mean, rtol=1e-4, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("debias", [True, False])
def test_it_begins_after_some_updates(problem, debias):
    state, seen = run(problem, ema(0.9, start=5, debias=debias))
    weights = [0.09, 0.1] if debias else [0.81, 0.09, 0.1]
    last = seen[-len(weights) :]
    mean = np.average(last, axis=0, weights=weights)
    np.testing.assert_allclose(ema_params(state)["weight"], mean, rtol=1e-4, atol=1e-7)
    state, seen = run(problem, ema(0.9, start=100, debias=debias))
    np.testing.assert_allclose(ema_params(state)["weight"], seen[-1], rtol=1e-5)


@pytest.mark.parametrize("debias", [True, False])
def test_before_any_update_it_is_the_parameters(problem, debias):
    params = {"weight": jnp.ones((5, 3)), "bias": jnp.ones(3)}
    job = problem.job(max_epoch=0, params=params)
    state = tnt.SGDEngine(ema(0.9, debias=debias)).train(**job)
    jax.tree.map(np.testing.assert_array_equal, ema_params(state), params)


def test_skipped_steps_do_not_count(problem):
    def skip(state):
        return state.replace(skip=state.t % 2 == 1)

    state, seen = run(problem, tnt.chain(tnt.Hooks(on_backward=skip), ema(0.9)))
    mean = seen[0]
    for weight in seen[1::2]:
        mean = 0.9 * mean + 0.1 * weight
    np.testing.assert_array_equal(seen[1], seen[2])
    np.testing.assert_allclose(ema_params(state)["weight"], mean, rtol=1e-4, atol=1e-7)


def test_small_floats_are_averaged_in_float32():
    hooks = ema(0.999)
    state = hooks.on_start(tnt.State(params=jnp.zeros((), jnp.bfloat16), t=1))
    state = state.replace(params=jnp.ones((), jnp.bfloat16))
    for _ in range(1000):
        state = hooks.on_update(state)
    assert state.large["ema"]["params"].dtype == jnp.float32
    mean = ema_params(state)
    assert mean.dtype == jnp.bfloat16
    np.testing.assert_allclose(float(mean), 1 - 0.999**1000, rtol=0.01)


def test_a_test_is_left_alone(problem):
    job = problem.job()
    del job["lr"], job["max_epoch"]
    state = tnt.SGDEngine(ema(0.9)).test(**job)
    assert state.large == {}
    with pytest.raises(KeyError, match="has no average of the parameters. Chain"):
        ema_params(state)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((1.0,), ValueError, "needs 0 <= decay < 1, got 1.0"),
        ((-0.1,), ValueError, "needs 0 <= decay < 1, got -0.1"),
    ],
)
def test_bad_arguments(arguments, error, words):
    with pytest.raises(error, match=words):
        ema(*arguments)
    with pytest.raises(ValueError, match="start must be at least 0, got -1"):
        ema(0.9, start=-1)
    with pytest.raises(
        ValueError, match="start must be less than 2\\*\\*31, got 2147483648"
    ):
        ema(0.9, start=2**31)


def test_two_are_an_error(problem):
    with pytest.raises(ValueError, match=r"large\['ema'\] is there already"):
        tnt.SGDEngine(tnt.chain(ema(0.9), ema(0.99))).train(**problem.job())
