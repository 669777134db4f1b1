"""What is compiled, and how often."""

import contextlib

import jax
import numpy as np
import pytest

import tntjax as tnt
from tntjax.engine import _call


def counting_network(traces):
    def network(params, input):
        traces.append(input.shape)
        return input @ params["weight"] + params["bias"]

    return network


def reset(state):
    return state.replace(meters={"loss": tnt.AverageValueMeter()})


def measure(state):
    return state.replace(meters={"loss": state.meters["loss"].add(state.loss)})


HOOKS = tnt.Hooks(on_start=reset, on_start_epoch=reset, on_forward_criterion=measure)


def count_lengths():
    """Returns how often calls of 4 and of 2 steps are traced: on a CPU as one."""
    return 1 if jax.default_backend() == "cpu" else 2


@pytest.mark.slow
def test_calls_are_traced_once_a_length_and_once_for_the_rest(problem):
    traces, after = [], []
    counts = tnt.Hooks(on_end_epoch=lambda s: after.append(len(traces)) or s)
    hooks = tnt.chain(HOOKS, counts)
    job = problem.job(network=counting_network(traces), max_epoch=3)
    tnt.SGDEngine(hooks).train(**job, steps_per_call=4)
    # 6 full batches in calls of 4 and 2, then the rest of 5 samples.
    assert sorted(traces) == [(5, 5)] + [(8, 5)] * count_lengths()
    assert after == [len(traces)] * 3


@pytest.mark.slow
def test_three_epochs_on_the_device_trace_nothing_new(problem, compiles):
    traces, after = [], []

    def count(state):
        after.append((len(traces), len(compiles)))
        return state

    hooks = tnt.chain(HOOKS, tnt.Hooks(on_end_epoch=count))
    iterator = problem.over(jax.device_put(problem.dataset()))
    job = problem.job(network=counting_network(traces), iterator=iterator, max_epoch=3)
    tnt.SGDEngine(hooks).train(**job, steps_per_call=4)
    assert after[0] == after[1] == after[2]
    assert after[0][0] == 1 + count_lengths()


@pytest.mark.slow
def test_a_second_train_compiles_nothing(problem, compiles):
    engine, job = tnt.SGDEngine(HOOKS), problem.job()
    engine.train(**job)
    first = len(compiles)
    assert first > 0
    engine.train(**job)
    tnt.SGDEngine(tnt.chain(HOOKS)).train(**job)  # the same functions, another engine
    assert len(compiles) == first


def test_validation_in_on_end_epoch_compiles_once(problem, compiles):
    counts, losses = [], []
    validation = problem.iterator(batch_size=16)

    def validate(state):
        test = tnt.SGDEngine(HOOKS).test(
            network=state.network,
            criterion=state.criterion,
            iterator=validation,
            params=state.params,
        )
        losses.append(float(test.meters["loss"].value().mean))
        counts.append(len(compiles))
        return state

    hooks = tnt.chain(HOOKS, tnt.Hooks(on_end_epoch=validate))
    state = tnt.SGDEngine(hooks).train(**problem.job(max_epoch=4))
    assert counts[1] == counts[2] == counts[3]
    assert losses[3] < losses[0]
    plain = tnt.SGDEngine(HOOKS).train(**problem.job(max_epoch=4))
    np.testing.assert_array_equal(state.params["weight"], plain.params["weight"])


@pytest.mark.slow
def test_changing_the_learning_rate_compiles_nothing(problem, compiles):
    counts = []

    def slower(state):
        counts.append(len(compiles))
        return state.replace(lr=float(state.lr) / 2)

    hooks = tnt.chain(HOOKS, tnt.every(2, slower))
    state = tnt.SGDEngine(hooks).train(**problem.job(max_epoch=4))
    assert float(state.lr) == np.float32(0.1) / 2 ** len(counts)
    assert len(set(counts[4:])) == 1


def test_committed_params_compile_no_second_time(problem, compiles):
    params = jax.device_put(problem.params, jax.devices()[0])
    counts = []
    hooks = tnt.Hooks(on_end_epoch=lambda s: counts.append(len(compiles)) or s)
    tnt.SGDEngine(hooks).train(**problem.job(params=params, max_epoch=3))
    assert counts[0] == counts[1] == counts[2]


def test_an_epoch_never_waits_for_the_device(problem):
    """JAX forbids reading device values; the engine does not even try within epochs."""
    seen, guard = [], contextlib.ExitStack()

    def guarded(state):
        guard.enter_context(jax.transfer_guard_device_to_host("disallow"))
        return state

    def free(state):
        guard.close()
        seen.append(int(state.t))
        return state

    hooks = tnt.chain(HOOKS, tnt.Hooks(on_start_epoch=guarded, on_end_epoch=free))
    with guard:
        tnt.SGDEngine(hooks).train(**problem.job())
    assert seen == [7, 14]


def test_the_device_dataset_is_no_constant_of_the_program(problem, monkeypatch):
    constants = []

    def spy(jaxpr, name):
        constants.extend(jaxpr.consts)
        return False

    monkeypatch.setattr(_call, "has_primitive", spy)
    iterator = problem.over(jax.device_put(problem.dataset()))
    network = counting_network([])  # that nothing is compiled for
    tnt.SGDEngine().train(**problem.job(iterator=iterator, network=network))
    assert all(constant.size < 53 for constant in constants)  # the rows of the dataset


@pytest.mark.parametrize(
    "on_device", [pytest.param(False, marks=pytest.mark.slow), True]
)
@pytest.mark.parametrize("watched", [pytest.param(False, marks=pytest.mark.slow), True])
def test_the_usual_loops_have_a_known_number_of_steps(
    problem, monkeypatch, on_device, watched
):
    """An accelerator would ask the host after each step of another loop."""
    unknown, describe = [], _call.Calls._describe_function

    def spy(self, *arguments):
        call = describe(self, *arguments)

        def describe_and_call(heavy, rest):
            jaxpr = jax.make_jaxpr(call)(heavy, rest)
            unknown.append(_call.has_primitive(jaxpr, "while"))
            return call(heavy, rest)

        return describe_and_call

    monkeypatch.setattr(_call.Calls, "_describe_function", spy)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    dataset = problem.dataset()
    dataset = jax.device_put(dataset) if on_device else dataset
    hooks = tnt.watch(2, lambda state: None) if watched else tnt.Hooks()
    hooks = tnt.chain(hooks, tnt.Hooks(on_forward=lambda state: state))  # of its own
    job = problem.job(iterator=problem.over(dataset))
    tnt.SGDEngine(hooks).train(**job, steps_per_call=4)
    assert len(unknown) >= 3 and not any(unknown)
