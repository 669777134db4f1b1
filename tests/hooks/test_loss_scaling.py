"""loss_scaling: float16 trains where it would underflow, and overflow is skipped."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt
from tntjax.hooks import NonFiniteError, loss_scaling, nan_guard

JIT = pytest.mark.parametrize("jit", [True, False])


def half(params, input):
    """Computes in float16; gradients of the weights are about 1e-8 there."""
    weight, input = params["weight"].astype(jnp.float16), input.astype(jnp.float16)
    return (input @ weight).astype(jnp.float32)


def faint(output, target):
    return 1e-7 * jnp.abs(output.sum(-1) - target - 100)


def job_of(problem, **changes):
    job = {
        "network": half,
        "criterion": faint,
        "params": {"weight": jnp.zeros((5, 3))},
        "lr": 1e4,
        "max_epoch": 1,
    }
    return problem.job(**{**job, **changes})


@pytest.mark.slow
@JIT
def test_it_trains_where_float16_underflows(problem, jit):
    job = job_of(problem, jit=jit)
    lost = tnt.SGDEngine().train(**job)
    np.testing.assert_array_equal(lost.params["weight"], 0)
    state = tnt.SGDEngine(loss_scaling()).train(**job)

    def exact(params, input):
        return input @ params["weight"]

    expected = tnt.SGDEngine().train(**{**job, "network": exact})
    assert np.abs(expected.params["weight"]).max() > 1e-3
    np.testing.assert_allclose(
        state.params["weight"], expected.params["weight"], rtol=0.02, atol=1e-5
    )
    assert state.params["weight"].dtype == jnp.float32


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 3])
def test_with_a_fitting_scale_nothing_changes(problem, same, accumulate):
    job = problem.job(accumulate=accumulate)
    state = tnt.SGDEngine(loss_scaling(8.0)).train(**job)
    same(state.params, tnt.SGDEngine().train(**job).params)
    assert int(state.aux["loss_scaling"]["good"]) == 14


@pytest.mark.slow
@JIT
def test_the_scale_falls_until_it_fits_and_such_steps_change_nothing(problem, jit):
    def big(output, target):
        return 100 * jnp.abs(output.sum(-1) - target - 100)

    seen = []

    def note(state):
        record = state.aux["loss_scaling"]
        count = state.opt_state[0].count
        seen.append((float(record["scale"]), int(record["good"]), int(count)))
        return state

    job = job_of(problem, criterion=big, optimizer=optax.adam(1e-3), jit=jit)
    del job["lr"]
    hooks = tnt.chain(loss_scaling(2.0**15, factor=4.0), tnt.every(1, note))
    state = tnt.OptimEngine(hooks).train(**job)
    scales, goods, counts = zip(*seen, strict=True)
    skipped = next(k for k, good in enumerate(goods) if good)
    assert skipped >= 1
    assert scales[: skipped + 1] == tuple(
        2.0**15 / 4.0 ** min(k + 1, skipped) for k in range(skipped + 1)
    )
    assert counts == tuple(np.cumsum(np.array(goods) > 0))
    assert np.isfinite(state.params["weight"]).all()
    assert np.abs(state.params["weight"]).max() > 0


def test_the_scale_rises_after_good_steps(problem):
    hooks = loss_scaling(4.0, factor=2.0, interval=3)
    state = tnt.SGDEngine(hooks).train(**problem.job())  # 14 updates
    record = state.aux["loss_scaling"]
    assert (float(record["scale"]), int(record["good"])) == (64.0, 2)


def test_the_scale_has_bounds(problem):
    hooks = loss_scaling(2.0**24, interval=1)
    state = tnt.SGDEngine(hooks).train(**problem.job())
    assert float(state.aux["loss_scaling"]["scale"]) == 2.0**24


def bad_gradient(state):
    grads = {**state.grads, "bias": state.grads["bias"] * jnp.nan}
    return state.replace(grads=grads)


@pytest.mark.slow
def test_what_no_scale_helps_is_found_by_nan_guard(problem):
    spoil = tnt.Hooks(on_backward=bad_gradient)
    hooks = tnt.chain(spoil, loss_scaling(2.0**-10), nan_guard(1))
    with pytest.raises(NonFiniteError) as caught:
        tnt.SGDEngine(hooks).train(**problem.job())
    assert (caught.value.step, caught.value.leaf) == (5, "grads['bias']")
    np.testing.assert_array_equal(caught.value.state.params["bias"], 0)


def test_a_step_that_somebody_skips_stays_skipped(problem):
    skip = tnt.Hooks(on_backward=lambda s: s.replace(skip=jnp.bool_(True)))
    state = tnt.SGDEngine(tnt.chain(skip, loss_scaling())).train(**problem.job())
    np.testing.assert_array_equal(state.params["weight"], 0)


@pytest.mark.slow
def test_gradients_of_a_criterion_are_as_without(problem, same):
    def criterion(scale, output, target):
        return (output.sum(-1) - scale * target) ** 2

    job = problem.job(criterion=criterion, criterion_params=jnp.float32(1), lr=1e-3)
    state = tnt.SGDEngine(loss_scaling(1024.0)).train(**job)
    expected = tnt.SGDEngine().train(**job)
    same(state.criterion_params, expected.criterion_params)
    same(state.params, expected.params)
    assert abs(float(state.criterion_params) - 1) > 1e-3


def test_a_test_is_left_alone(problem):
    job = problem.job()
    del job["lr"], job["max_epoch"]
    assert tnt.SGDEngine(loss_scaling()).test(**job).aux == {}


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((0,), ValueError, r"2\*\*-14 <= initial <= 2\*\*24, got 0"),
        ((2.0**25,), ValueError, "got 33554432.0"),
        ((1.0, 1.0), ValueError, "a finite factor > 1, got 1.0"),
        ((1.0, 2.0, 0), ValueError, "interval must be at least 1, got 0"),
        ((1.0, 2.0, 2.5), TypeError, "interval must be an integer"),
    ],
)
def test_bad_arguments(arguments, error, words):
    with pytest.raises(error, match=words):
        loss_scaling(*arguments)


def test_output_trees_are_scaled_leaf_by_leaf():
    state = tnt.State(grad_output=(jnp.ones(2, jnp.bfloat16), jnp.ones(2)))
    hooks = loss_scaling(4.0)
    scaled = hooks.on_backward_criterion(hooks.on_start(state)).grad_output
    assert [leaf.dtype for leaf in scaled] == [jnp.bfloat16, jnp.float32]
    jax.tree.map(lambda leaf: np.testing.assert_array_equal(leaf, 4), scaled)
