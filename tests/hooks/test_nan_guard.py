"""nan_guard: the error says what, and the State is that of the last good step."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt
from tntjax.hooks import NonFiniteError, metering, nan_guard

LOSS = (tnt.AverageValueMeter(), lambda s: s.loss)
JIT = pytest.mark.parametrize("jit", [True, False])


def break_at(update, change):
    """A hook that lets `change` at one of the updates, counted from 1."""

    def hook(state):
        old, bad = ((s.loss, s.grads) for s in (state, change(state)))
        pick = lambda a, b: jnp.where(state.t + 1 == update, a, b)  # noqa: E731
        loss, grads = jax.tree.map(pick, bad, old)
        return state.replace(loss=loss, grads=grads)

    return hook


def nan_weight(state):
    grads = {**state.grads, "weight": state.grads["weight"].at[1, 2].set(jnp.nan)}
    return state.replace(grads=grads)


def inf_loss(state):
    return state.replace(loss=state.loss.at[0].set(-jnp.inf))


def train(problem, *hooks, engine=tnt.SGDEngine, n=5, **changes):
    hooks = tnt.chain(metering(loss=LOSS), *hooks, nan_guard(n))
    job = problem.job(max_epoch=3, **changes)
    return engine(hooks).train(**job)


def good(problem, updates, engine=tnt.SGDEngine, **changes):
    """The State after some updates that nothing disturbs."""
    stop = tnt.every(updates, lambda s: s.replace(stop=True))
    hooks = tnt.chain(metering(loss=LOSS), stop)
    return engine(hooks).train(**problem.job(max_epoch=3, **changes))


@pytest.mark.slow
@JIT
def test_a_gradient_that_is_not_finite(problem, same, jit):
    hook = tnt.Hooks(on_backward=break_at(3, nan_weight))
    with pytest.raises(NonFiniteError) as caught:
        train(problem, hook, jit=jit)
    error = caught.value
    assert (error.step, error.leaf) == (3, "grads['weight']")
    assert str(error).startswith("in update 3 grads['weight'] was not finite; the loss")
    assert error.loss == pytest.approx(0.98, abs=0.2)
    expected = good(problem, 2)
    assert error.state.t == 5  # noticed later
    same(error.state.params, expected.params)
    same(error.state.meters["loss"].value(), expected.meters["loss"].value())
    assert int(error.state.meters["loss"].n) == 16


@pytest.mark.slow
@JIT
def test_a_loss_that_is_not_finite(problem, jit):
    hook = tnt.Hooks(on_forward_criterion=break_at(6, inf_loss))
    with pytest.raises(FloatingPointError, match="in update 6 the loss was") as caught:
        train(problem, hook, jit=jit, n=100)
    assert (caught.value.loss, caught.value.state.t) == (-np.inf, 7)  # at epoch's end
    assert pickle.loads(pickle.dumps(caught.value.args[:3])) == caught.value.args[:3]


@pytest.mark.slow
def test_the_optimizer_and_what_a_network_keeps_stay_too(problem, same):
    def apply(params, count, input, *, key, training):
        return input @ params["weight"] + params["bias"], count + 1

    job = {
        "engine": tnt.OptimEngine,
        "network": tnt.network.Stateful(apply),
        "model_state": jnp.int32(0),
        "optimizer": optax.adam(0.1),
    }
    plain = problem.job()
    del plain["lr"]
    problem = type("Problem", (), {"job": lambda self, **more: {**plain, **more}})()
    hook = tnt.Hooks(on_backward=break_at(4, nan_weight))
    with pytest.raises(NonFiniteError) as caught:
        train(problem, hook, **job)
    expected = good(problem, 3, **job)
    assert caught.value.state.model_state == 3
    same(caught.value.state.params, expected.params)
    same(caught.value.state.opt_state, expected.opt_state)


def test_the_gradient_of_a_criterion(problem):
    def criterion(params, output, target):
        return (output.sum(-1) - target) ** 2 + 0 * jnp.sqrt(params["scale"])

    with pytest.raises(NonFiniteError) as caught:
        train(
            problem,
            criterion=criterion,
            criterion_params={"scale": jnp.float32(0)},
            lr=0.001,
        )
    assert (caught.value.step, caught.value.leaf) == (1, "criterion_grads['scale']")


@pytest.mark.slow
def test_rows_that_a_mask_hides_may_be_anything(problem):
    def hook(state):
        hidden = jnp.where(state.sample["mask"], state.loss, jnp.nan)
        return state.replace(loss=hidden)

    iterator = problem.iterator(policy="pad-last")
    state = train(problem, tnt.Hooks(on_forward_criterion=hook), iterator=iterator)
    assert state.t == 21

    spoiled = tnt.Hooks(on_forward_criterion=break_at(7, inf_loss))
    with pytest.raises(NonFiniteError) as caught:
        train(problem, spoiled, iterator=iterator)
    assert caught.value.step == 7


def test_a_scalar_loss(problem):
    def criterion(output, target):
        return problem.job()["criterion"](output, target).mean()

    hook = tnt.Hooks(
        on_forward_criterion=break_at(2, lambda s: s.replace(loss=s.loss * jnp.nan))
    )
    with pytest.raises(NonFiniteError, match="update 2 the loss was not finite; the"):
        train(problem, hook, criterion=criterion)


def test_a_step_whose_loss_is_a_mean_beside_a_mask(problem):
    def step(state, sample):
        loss = jnp.where(state.t == 2, jnp.nan, 0.5)
        return tnt.fire(state.replace(loss=loss, grads=state.params), "on_backward")

    job = problem.job(iterator=problem.iterator(policy="pad-last"))
    for name in ("network", "criterion", "lr"):
        del job[name]
    with pytest.raises(NonFiniteError, match="update 3 the loss was not finite; the"):
        tnt.StepEngine(step, nan_guard(1)).train(**job)


@pytest.mark.slow
@JIT
def test_steps_that_were_skipped_are_not_judged_but_for_their_loss(problem, jit):
    def skip(state):
        return state.replace(skip=state.t == 2)

    spoil = tnt.Hooks(on_backward=break_at(3, nan_weight))
    state = train(problem, spoil, tnt.Hooks(on_backward=skip), jit=jit)
    assert state.t == 21
    spoil = tnt.Hooks(on_forward_criterion=break_at(3, inf_loss))
    with pytest.raises(NonFiniteError, match="in update 3 the loss"):
        train(problem, spoil, tnt.Hooks(on_backward=skip), jit=jit)


@pytest.mark.slow
def test_a_run_that_is_stopped_before_the_host_looked(problem):
    stop = tnt.every(4, lambda s: s.replace(stop=True))
    hook = tnt.Hooks(on_backward=break_at(3, nan_weight))
    with pytest.raises(NonFiniteError, match="in update 3 grads"):
        train(problem, hook, stop, n=100)


@pytest.mark.slow
def test_nothing_bad_changes_nothing(problem):
    state = train(problem)
    expected = tnt.SGDEngine(metering(loss=LOSS)).train(**problem.job(max_epoch=3))
    jax.tree.map(np.testing.assert_array_equal, state.params, expected.params)
    assert int(state.aux["nan_guard"]["step"]) == 0


def test_a_test_is_left_alone(problem):
    job = problem.job()
    del job["lr"], job["max_epoch"]
    assert tnt.SGDEngine(nan_guard()).test(**job).aux == {}


def test_bad_arguments():
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        nan_guard(0)


# ---- what the update makes of finite gradients --------------------------------------

OVERFLOWS = optax.chain(optax.scale(-1e38), optax.scale(1e10))


def at_update(number, optimizer):
    """An optimizer that steps by 0.1 times the gradient, but for one update."""

    def update(updates, count, params=None):
        wild, _ = optimizer.update(updates, optimizer.init(params), params)
        updates = jax.tree.map(
            lambda w, g: jnp.where(count == number - 1, w, -0.1 * g), wild, updates
        )
        return updates, count + 1

    return optax.GradientTransformation(lambda params: jnp.int32(0), update)


@pytest.mark.slow
@JIT
def test_an_update_that_overflows(problem, same, jit):
    job = problem.job(max_epoch=1, jit=jit, optimizer=at_update(3, OVERFLOWS))
    del job["lr"]
    hooks = tnt.chain(metering(loss=LOSS), tnt.hooks.ema(0.5), nan_guard(5))
    with pytest.raises(NonFiniteError) as caught:
        tnt.OptimEngine(hooks).train(**job)
    error = caught.value
    assert (error.step, error.leaf, int(error.state.t)) == (3, "params['bias']", 5)
    assert str(error).startswith("in update 3 params['bias'] was not finite; the loss")
    assert 0 < error.loss < 2
    expected = good(problem, 2)
    same(error.state.params, expected.params)
    same(error.state.meters["loss"].value(), expected.meters["loss"].value())
    assert int(error.state.opt_state) == 2
    averages = jax.tree.leaves(tnt.hooks.ema_params(error.state))
    assert all(np.isfinite(leaf).all() for leaf in averages)


def test_an_update_of_a_criterion_that_overflows(problem):
    def criterion(scale, output, target):
        return (output.sum(-1) - scale * target) ** 2

    hooks = tnt.chain(tnt.hooks.loss_scaling(), nan_guard(2))
    job = problem.job(criterion=criterion, criterion_params=jnp.float32(1), max_epoch=1)
    job |= {"lr": 0.0, "lr_criterion": 3e38}
    with pytest.raises(NonFiniteError) as caught:
        tnt.SGDEngine(hooks).train(**job)
    error = caught.value
    assert (error.step, error.leaf) == (1, "criterion_params")
    assert float(error.state.criterion_params) == 1.0


@pytest.mark.slow
def test_a_run_goes_on_behind_bad_steps(problem):
    hook = tnt.Hooks(on_backward=break_at(3, nan_weight))
    with pytest.raises(NonFiniteError) as caught:
        train(problem, hook)
    job = problem.job(max_epoch=3)
    del job["params"], job["lr"]
    hooks = tnt.chain(metering(loss=LOSS), nan_guard(5))
    state = tnt.SGDEngine(hooks).train(**job, state=caught.value.state)
    assert state.t == 21
    assert np.isfinite(state.params["weight"]).all()


@pytest.mark.slow
def test_parameters_may_be_infinite_on_purpose(problem):
    """As a bias of minus infinity is that hides a class."""
    params = {**problem.params, "hidden": np.array([0, -np.inf, 0], np.float32)}

    def network(params, input):
        return input @ params["weight"] + params["bias"]

    state = train(problem, params=params, network=network)
    assert state.t == 21
    with pytest.raises(NonFiniteError) as caught:
        spoil = tnt.Hooks(on_update=break_params)
        train(problem, spoil, params=params, network=network)
    assert caught.value.leaf == "params['hidden']"


def break_params(state):
    hidden = state.params["hidden"].at[0].set(np.inf)
    return state.replace(params={**state.params, "hidden": hidden})
