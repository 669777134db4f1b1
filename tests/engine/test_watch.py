"""A watch sees each State that is due, whether the call ends there or keeps it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tntjax as tnt
from tntjax.engine._epoch import AHEAD


def start(state):
    meters = {"error": tnt.ClassErrorMeter((1, 2)), "loss": tnt.AverageValueMeter()}
    return state.replace(meters=meters, aux={"updates": jnp.zeros(2, jnp.int32)})


def measure(state):
    error = state.meters["error"].add(state.output, state.sample["target"])
    meters = {"error": error, "loss": state.meters["loss"].add(state.loss)}
    return state.replace(meters=meters)


def count(state):
    aux = {"updates": state.aux["updates"] + jnp.array([1, 2], jnp.int32)}
    return state.replace(aux=aux)


HOOKS = tnt.Hooks(on_start=start, on_forward_criterion=measure, on_update=count)


def convolve(params, input):
    input, weight = input[:, None], params["weight"].T[:, None]
    output = jax.lax.conv_general_dilated(input, weight, (1,), "VALID")
    return output[..., 0] + params["bias"]


def looked(job, *numbers, extra=(), **how):
    """What watches saw, in the order in which they did."""
    seen = []

    def look(n):
        return lambda state: seen.append((n, state))

    watches = [tnt.watch(n, look(n)) for n in numbers]
    tnt.SGDEngine(tnt.chain(HOOKS, *watches, *extra)).train(**job, **how)
    return seen


def assert_same(got, wanted):
    facts = lambda seen: [(n, s.t, s.epoch, s.position, s.samples) for n, s in seen]  # noqa: E731
    assert facts(got) == facts(wanted)
    for (_, a), (_, b) in zip(got, wanted, strict=True):
        assert a.params is a.opt_state is a.key is None
        assert type(a.lr) is float and a.lr == b.lr
        light = [(s.meters["error"], s.aux) for s in (a, b)]
        jax.tree.map(np.testing.assert_array_equal, *light)
        for x, y in zip(*map(jax.tree.leaves, light), strict=True):
            assert type(x) is type(y) is np.ndarray
            assert (x.shape, x.dtype) == (y.shape, y.dtype)
        losses = [s.meters["loss"].value() for s in (a, b)]
        np.testing.assert_allclose(*losses, rtol=1e-5)


@pytest.mark.slow
@settings(max_examples=12)  # each compiles
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=2),
    st.sampled_from(["auto", 1, 2, 4, 6, 8]),
    st.sampled_from([None, 3, 4]),
)
def test_it_sees_the_same_whatever_the_calls(problem, numbers, steps_per_call, n):
    job = problem.job()  # 7 updates an epoch, the last with a shorter batch
    extra = [] if n is None else [tnt.every(n, lambda state: state)]
    wanted = looked(job, *numbers, jit=False, steps_per_call=1, extra=extra)
    assert [s.t for _, s in wanted] == sorted(
        t for t in range(1, 15) for n in numbers if t % n == 0
    )
    assert_same(
        looked(job, *numbers, steps_per_call=steps_per_call, extra=extra), wanted
    )


@pytest.mark.slow
@pytest.mark.parametrize("data", ["arrays", "device"])
@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize("network", [None, convolve])
def test_calls_of_every_kind_keep_what_it_sees(problem, data, jit, network):
    dataset = problem.dataset()
    dataset = jax.device_put(dataset) if data == "device" else dataset
    iterator = problem.over(dataset, 2, policy="pad-last")  # 27 updates
    job = problem.job(iterator=iterator, max_epoch=1)
    job |= {} if network is None else {"network": network}
    wanted = looked(job, 4, steps_per_call=1)
    assert [s.t for _, s in wanted] == [4, 8, 12, 16, 20, 24]
    assert_same(looked(job, 4, jit=jit), wanted)


@pytest.mark.devices(2)
@pytest.mark.slow
def test_calls_on_a_mesh_keep_what_it_sees(problem):
    job = problem.job(iterator=problem.iterator(2, policy="pad-last"), max_epoch=1)
    mesh = jax.make_mesh((2,), ("data",), devices=jax.devices()[:2])
    assert_same(looked(job, 4, mesh=mesh), looked(job, 4))


@pytest.mark.slow
def test_a_run_that_goes_on_in_the_middle_sees_what_is_left(problem):
    job = problem.job(iterator=problem.iterator(2), max_epoch=1)
    wanted = looked(job, 4)
    saved = {}

    def save(state):
        if state.t == 7:
            saved.update({k: getattr(state, k) for k in FIELDS}, stop=np.array(False))
        return state

    looked(job, 4, extra=[tnt.every(7, save)])
    got = looked(job, 4, resume=lambda fields: saved)
    assert_same(got, [(n, state) for n, state in wanted if state.t > 7])


FIELDS = (
    *("params", "opt_state", "model_state", "criterion_params", "large"),
    *("lr", "lr_criterion", "meters", "aux", "key"),
    *("epoch", "t", "samples", "position"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "lengths"), [(10, [30, 30, 30, 10]), (1, [4] * 25)])
def test_a_call_need_not_end_there(problem, n, lengths, monkeypatch):
    # Its calls are shorter than those of an accelerator.
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    made = []

    class Recording(tnt.DatasetIterator):
        def chunks(self, epoch, start, room):
            for chunk in super().chunks(epoch, start, room):
                made.append(len(chunk))
                yield chunk

    rows = tnt.ResampleDataset(problem.dataset(), lambda dataset, i: i % 53, 100)
    iterator = Recording(tnt.BatchDataset(rows, 1))
    assert len(looked(problem.job(iterator=iterator, max_epoch=1), n)) == 100 // n
    assert made == lengths


@pytest.mark.slow
def test_a_watch_that_changes_nothing_compiles_nothing_more(problem, compiles):
    iterator = problem.iterator(2, policy="pad-last")
    looked(problem.job(iterator=iterator, max_epoch=4), 4)
    compiles.clear()
    looked(problem.job(iterator=iterator, max_epoch=4), 4)
    assert not compiles


@pytest.mark.slow
def test_it_is_shown_before_many_more_calls_are_made(problem, monkeypatch):
    """Never later than `AHEAD` calls after its own, and what is kept comes in order."""
    # There a call makes 8 steps.
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    made, lags = [0], []

    def note(state):
        made[0] += 1
        return {**state, "input": state["input"]}

    counted = tnt.TransformDataset(problem.dataset(), note)
    iterator = tnt.DatasetIterator(tnt.BatchDataset(counted, 1))
    seen = []

    def look(state):
        seen.append(int(state.t))
        lags.append(made[0] - int(state.t))

    hooks = tnt.chain(HOOKS, tnt.watch(2, look))
    tnt.SGDEngine(hooks).train(**problem.job(iterator=iterator, max_epoch=1))
    assert seen == list(range(2, 53, 2))
    assert max(lags) <= (AHEAD + 1) * 8


def test_a_watch_that_changes_the_state_is_an_error(problem):
    def slower(state):
        return state.replace(lr=0.5)

    def look(state):
        return state

    words = r"slower of watch returned a changed State.*tnt.every\(n, hook\)"
    with pytest.raises(TypeError, match=words):
        tnt.SGDEngine(tnt.watch(2, slower)).train(**problem.job())
    tnt.SGDEngine(tnt.watch(2, look)).train(**problem.job())


def test_a_watch_sees_numbers_arrays_and_keys_of_aux(problem):
    seen, aux = [], {"n": jnp.int32(3), "v": jnp.ones(2), "key": jax.random.key(5)}
    hooks = tnt.Hooks(on_start=lambda state: state.replace(aux=aux))
    hooks = tnt.chain(hooks, tnt.watch(1, lambda state: seen.append(state.aux)))
    tnt.SGDEngine(hooks).train(**problem.job(max_steps=1))
    (found,) = seen
    assert type(found["n"]) is int and found["n"] == 3
    assert isinstance(found["v"], np.ndarray) and found["v"].tolist() == [1, 1]
    assert found["key"] == aux["key"]
