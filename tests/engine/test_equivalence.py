"""The specification: eager = compiled = chunked, whatever the chunk length.

Parameters agree to rounding. Meters' counts, everything in aux, and which hook of the
host fired when, and saw what, agree exactly.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tntjax.engine._hooks import STEP_EVENTS

CHUNKS = [1, 2, 3, 5, 8, 32, "auto"]
SLOW = pytest.mark.slow


def counting(event):
    """A compiled hook that counts itself and mixes its place into a running number."""
    number = STEP_EVENTS.index(event) + 1

    def hook(state):
        aux = state.aux
        order = aux["order"] * 31 + number  # wraps around, as int32 does
        return state.replace(aux={**aux, "order": order, event: aux[event] + 1})

    return hook


def start(state):
    aux = dict.fromkeys((*STEP_EVENTS, "order"), jnp.int32(0))
    meters = {"loss": tnt.AverageValueMeter(), "error": tnt.ClassErrorMeter((1, 2))}
    return state.replace(aux=aux, meters=meters)


def augment(state):
    key, noise = jax.random.split(state.key)
    input = state.sample["input"]
    input = input + 0.1 * jax.random.normal(noise, input.shape)
    return state.replace(key=key, sample={**state.sample, "input": input})


def measure(state):
    loss, error = state.meters["loss"], state.meters["error"]
    mask, target = state.sample.get("mask"), state.sample["target"]
    loss = loss.add(state.loss, mask=mask)
    error = error.add(state.output, target, mask=mask)
    return state.replace(meters={"loss": loss, "error": error})


def clip(state):
    return state.replace(grad_output=jnp.clip(state.grad_output, -0.1, 0.1))


# Made once, since what is compiled is cached on them.
STEP_HOOKS = tnt.chain(
    tnt.Hooks(on_start=start, on_sample=augment, on_forward_criterion=measure),
    tnt.Hooks(**{event: counting(event) for event in STEP_EVENTS}),
    tnt.Hooks(on_backward_criterion=clip),
)


def run(job, **how):
    fired = []

    def note(name):
        def hook(state):
            seen = int(state.aux["order"]), int(state.meters["error"].n)
            fired.append((name, int(state.epoch), int(state.t), *seen))
            return state

        return hook

    hooks = tnt.chain(
        STEP_HOOKS,
        tnt.watch(2, note("watch 2")),
        tnt.every(3, note("every 3")),
        tnt.every(3, lambda state: state.replace(lr=state.lr * 0.9)),
        tnt.watch(3, note("watch 3")),
        tnt.Hooks(on_start_epoch=note("start epoch"), on_end_epoch=note("end epoch")),
    )
    return tnt.SGDEngine(hooks).train(**job, **how), fired


def load_rows(problem):
    data = problem.data

    def load(index):
        return {"input": data["input"][index], "target": data["target"][index]}

    return tnt.ListDataset(range(53), load)


DATA = {
    "arrays": lambda problem: problem.dataset(),
    "device": lambda problem: jax.device_put(problem.dataset()),
    "load": load_rows,
}


POLICIES = ["include-last", "skip-last", "pad-last"]
# Every chunk length, kind of data and policy, and every two of them together.
TOGETHER = [
    (steps, data, POLICIES[(place + turn) % 3])
    for turn, steps in enumerate(CHUNKS)
    for place, data in enumerate(DATA)
]


@pytest.fixture(scope="module")
def reference(problem):
    """Each policy run step by step in Python, when it is asked for."""

    class Reference(dict):
        def __missing__(self, policy):
            job = problem.job(iterator=problem.iterator(policy=policy))
            self[policy] = run(job, jit=False)
            return self[policy]

    return Reference()


@pytest.mark.parametrize(
    ("steps_per_call", "data", "policy"),
    [
        row if row == (5, "arrays", "include-last") else pytest.param(*row, marks=SLOW)
        for row in TOGETHER
    ],
)
def test_compiled_equals_eager(problem, reference, data, policy, steps_per_call):
    iterator = problem.over(DATA[data](problem), policy=policy)
    state, fired = run(problem.job(iterator=iterator), steps_per_call=steps_per_call)
    expected, expected_fired = reference[policy]
    assert fired == expected_fired
    jax.tree.map(np.testing.assert_array_equal, state.aux, expected.aux)
    for counter in ("epoch", "t", "samples"):
        assert getattr(state, counter) == getattr(expected, counter)
    error, expected_error = state.meters["error"], expected.meters["error"]
    jax.tree.map(np.testing.assert_array_equal, error, expected_error)
    for got, wanted in (
        (state.params, expected.params),
        (state.lr, expected.lr),
        (state.meters["loss"].value(), expected.meters["loss"].value()),
    ):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6),
            got,
            wanted,
        )
    keys = jax.random.key_data(state.key), jax.random.key_data(expected.key)
    np.testing.assert_array_equal(*keys)


def test_firings_come_at_the_declared_updates(reference):
    _, fired = reference["include-last"]  # 7 updates an epoch
    assert [t for name, _, t, *_ in fired if name == "every 3"] == [3, 6, 9, 12]
    assert [t for name, _, t, *_ in fired if name == "watch 2"] == list(range(2, 15, 2))
    assert [e for name, e, *_ in fired if name == "end epoch"] == [1, 2]
    at_six = [name for name, _, t, *_ in fired if t == 6]
    assert at_six == ["watch 2", "every 3", "watch 3"]


def test_padded_batches_equal_shorter_ones(problem):
    def plain(policy):
        iterator = problem.iterator(policy=policy)
        hooks = tnt.Hooks(on_start=start, on_forward_criterion=measure)
        return tnt.SGDEngine(hooks).train(**problem.job(iterator=iterator))

    short, padded = plain("include-last"), plain("pad-last")
    assert padded.meters["error"].value() == short.meters["error"].value()
    assert padded.samples == short.samples == 106
    np.testing.assert_allclose(
        padded.params["weight"], short.params["weight"], rtol=1e-5, atol=1e-7
    )
    got, wanted = padded.meters["loss"].value(), short.meters["loss"].value()
    np.testing.assert_allclose(got, wanted, rtol=1e-5)


@pytest.mark.parametrize(
    "steps_per_call", [pytest.param(n, marks=[SLOW] * (n != 3)) for n in CHUNKS]
)
def test_compiled_test_equals_eager(problem, steps_per_call):
    hooks = tnt.Hooks(on_start=start, on_forward_criterion=measure)
    engine = tnt.SGDEngine(hooks)
    job = problem.job()
    del job["lr"], job["max_epoch"]
    eager = engine.test(**job, jit=False)
    state = engine.test(**job, steps_per_call=steps_per_call)
    assert (state.t, state.samples) == (eager.t, eager.samples) == (7, 53)
    assert state.meters["error"].value() == eager.meters["error"].value()
    np.testing.assert_allclose(
        state.meters["loss"].value(), eager.meters["loss"].value(), rtol=1e-5
    )
