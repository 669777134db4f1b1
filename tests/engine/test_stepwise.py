"""Convolutions on a CPU, which XLA computes slowly in a loop, run outside of one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tests.engine.conftest import network
from tntjax.engine import _call


def convolve(params, input):
    """The features as a signal, smoothed."""
    kernel = jnp.full((1, 1, 3), 1 / 3)
    smooth = jax.lax.conv_general_dilated(input[:, None], kernel, (1,), "SAME")
    return network(params, smooth[:, 0])


@pytest.fixture(autouse=True)
def as_on_a_cpu(monkeypatch):
    """The engine acts as on a CPU, whatever the tests run on."""
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    monkeypatch.setattr(_call, "_is_on_cpu", lambda carry: True)


@pytest.fixture
def lengths(monkeypatch):
    """How many samples each compiled call was given."""
    seen = []
    call = _call.Calls.__call__

    def spy(self, carry, batches, steps):
        called = call(self, carry, batches, steps)
        if steps.length == 1 or not isinstance(called[1], list):
            seen.append(steps.length)  # and not that of several calls
        return called

    monkeypatch.setattr(_call.Calls, "__call__", spy)
    return seen


@pytest.mark.slow
def test_a_step_with_a_convolution_is_a_call(problem, lengths):
    job = problem.job(network=convolve, max_epoch=1)
    stepwise = tnt.SGDEngine().train(**job)
    assert lengths == [1] * 7
    looped = tnt.SGDEngine().train(**job, steps_per_call=4)
    assert lengths[7:] == [4, 4, 1]  # the second of them padded
    np.testing.assert_allclose(
        stepwise.params["weight"], looped.params["weight"], rtol=1e-4, atol=1e-5
    )
    assert int(stepwise.t) == int(looped.t) == 7


def test_other_steps_share_a_call(problem, lengths):
    tnt.SGDEngine().train(**problem.job(max_epoch=1))
    assert lengths == [6, 1]


@pytest.mark.slow
def test_a_test_with_a_convolution(problem, lengths):
    def start(state):
        return state.replace(meters={"error": tnt.ClassErrorMeter()})

    def measure(state):
        error = state.meters["error"].add(state.output, state.sample["target"])
        return state.replace(meters={"error": error})

    engine = tnt.SGDEngine(tnt.Hooks(on_start=start, on_forward=measure))
    params = {"weight": jnp.eye(5, 3), "bias": jnp.zeros(3)}
    job = {"network": convolve, "iterator": problem.iterator(), "params": params}
    stepwise, looped = engine.test(**job), engine.test(**job, steps_per_call=4)
    assert lengths == [1] * 7 + [4, 4, 1]
    assert stepwise.meters["error"].value() == looped.meters["error"].value()


def test_calls_end_where_they_would(problem):
    seen = []
    hooks = tnt.chain(
        tnt.every(3, lambda state: seen.append(int(state.t)) or state),
        tnt.watch(4, lambda state: seen.append(-int(state.t))),
    )
    dataset = jax.device_put(problem.dataset())
    job = problem.job(network=convolve, iterator=problem.over(dataset))
    tnt.SGDEngine(hooks).train(**job)
    assert sorted(seen) == [-12, -8, -4, 3, 6, 9, 12]


def test_it_is_traced_for_the_chunk_and_for_the_step(problem):
    traces = []

    def counting(params, input):
        traces.append(input.shape)
        return convolve(params, input)

    tnt.SGDEngine().train(**problem.job(network=counting, max_epoch=3))
    assert sorted(traces) == [(5, 5), (8, 5), (8, 5)]


@pytest.mark.parametrize("jit", [True, False])
def test_a_convolution_is_found_wherever_it_is(jit):
    def branch(input):
        return convolve({"weight": jnp.eye(5, 3), "bias": jnp.zeros(3)}, input)

    def step(input):
        inner = jax.jit(branch) if jit else branch
        return jax.lax.cond(input.sum() > 0, inner, lambda x: x[:, :3], input)

    def scan(input):
        return jax.lax.map(lambda x: step(x), input)

    input = jnp.ones((2, 4, 5))
    assert _call.has_primitive(jax.make_jaxpr(scan)(input), "conv_general_dilated")
    other = jax.make_jaxpr(jax.jit(lambda x: "conv_general_dilated" and x + 1))(input)
    assert not _call.has_primitive(other, "conv_general_dilated")
