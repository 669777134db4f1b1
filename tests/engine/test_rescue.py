"""Errors carry the last good State, and what watches hold is shown first."""

from contextlib import suppress
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tests.garbage import left_by
from tntjax.engine._around import Session
from tntjax.engine._call import Calls


def failing_at(t, error=OSError):
    def hook(state):
        if state.t == t:
            raise error("disk")
        return state

    return hook


def error_of(hooks, job, error=OSError, **how):
    with pytest.raises(error) as caught:
        tnt.SGDEngine(hooks).train(**job, **how)
    return caught.value


def failing_data(problem, index):
    def load(k):
        if k == index:
            raise OSError("disk")
        return jax.tree.map(lambda column: column[8 * k : 8 * k + 8], problem.data)

    return tnt.DatasetIterator(tnt.ListDataset(range(7), load))


def test_an_error_in_the_data(problem):
    seen = []
    hooks = tnt.watch(1, lambda state: seen.append(state.t))
    job = problem.job(iterator=failing_data(problem, 5))
    error = error_of(hooks, job, steps_per_call=1)
    assert (error.state.t, error.state.position, error.state.epoch) == (5, 5, 0)
    assert seen == [1, 2, 3, 4, 5]
    assert np.any(error.state.params["weight"])
    note = error.__notes__[-1]
    assert "the State after 5 updates (epoch 0) is this error's attribute" in note
    assert "train(..., state=error.state) goes on from there" in note


def test_an_error_in_an_every_and_in_a_watch(problem):
    for hooks, t in (
        (tnt.every(4, failing_at(8)), 8),
        (tnt.watch(4, failing_at(8)), 9),
    ):
        error = error_of(hooks, problem.job(), steps_per_call=1)
        assert t <= error.state.t <= t + 1
        assert "This happened in the hook" in error.__notes__[0]


def test_a_watch_that_fails_keeps_no_other_from_showing(problem):
    seen = []
    hooks = tnt.chain(
        tnt.watch(1, failing_at(3)), tnt.watch(1, lambda state: seen.append(state.t))
    )
    error = error_of(hooks, problem.job(), steps_per_call=1)
    assert seen == [*range(1, error.state.t + 1)]


def test_an_every_that_fails_keeps_no_watch_of_that_moment_from_showing(problem):
    """Or a log misses a row: who goes on from the State of the error begins behind."""
    seen = []
    look = tnt.watch(2, lambda state: seen.append(state.t))
    for steps_per_call in (1, "auto"):
        seen.clear()
        hooks = tnt.chain(look, tnt.every(4, failing_at(8)), look)
        error = error_of(hooks, problem.job(), steps_per_call=steps_per_call)
        assert error.state.t == 8 and seen == [2, 2, 4, 4, 6, 6, 8, 8]


@pytest.mark.parametrize("failing", [failing_at(4), failing_at(8)])
def test_an_error_that_is_over_holds_no_state(problem, failing):
    """Else its parameters stayed on the device until garbage is collected."""
    hooks = tnt.chain(tnt.watch(4, failing_at(4)), tnt.every(4, failing))

    def run():
        with suppress(OSError):  # pytest.raises would make a cycle of its own
            tnt.SGDEngine(hooks).train(**problem.job())

    assert left_by(run) == []


def test_all_is_closed_though_one_fails(problem):
    closed = []

    def close(name):
        closed.append(name)
        if name == "first":
            raise OSError("disk")

    sessions = [Session(close=partial(close, name)) for name in ("first", "second")]
    hooks = tnt.Hooks(sessions=tuple(sessions))
    assert str(error_of(hooks, problem.job())) == "disk"
    assert closed == ["first", "second"]


def test_what_the_rest_of_the_watches_raises_is_noted(problem):
    def fail(state):
        raise ValueError(f"no {state.t}")

    hooks = tnt.watch(1, fail)
    error = error_of(hooks, problem.job(), ValueError, steps_per_call=1)
    assert str(error) == "no 1"
    assert "Showing the rest raised ValueError: no 2" in error.__notes__


@pytest.mark.slow
@pytest.mark.parametrize("jit", [True, False])
def test_an_error_in_a_compiled_hook(problem, jit):
    def fail(state):
        raise OSError("disk")

    error = error_of(tnt.Hooks(on_update=fail), problem.job(), jit=jit)
    assert error.state.t == 0
    np.testing.assert_array_equal(error.state.params["weight"], 0)


def test_an_error_in_the_network_after_a_while(problem):
    """The network is traced anew for the last batch, which is shorter."""

    def network(params, input):
        if len(input) == 5:
            raise OSError("disk")
        return problem.job()["network"](params, input)

    error = error_of(tnt.Hooks(), problem.job(network=network), steps_per_call=2)
    assert error.state.t == 6
    assert np.any(error.state.params["weight"])


@pytest.mark.parametrize(
    ("event", "counters"),
    [
        ("on_start", (0, 0, 0)),
        ("on_start_epoch", (7, 1, 0)),
        ("on_end_epoch", (7, 0, 7)),
        ("on_end", (14, 2, 0)),
    ],
)
def test_an_error_in_a_hook_of_the_host(problem, event, counters):
    t = counters[0]
    error = error_of(tnt.Hooks(**{event: failing_at(t)}), problem.job())
    state = error.state
    assert (state.t, state.epoch, state.position) == counters
    assert f"of {event}" in error.__notes__[0]


def test_an_error_when_the_run_is_over_carries_the_result(problem):
    def close():
        raise OSError("the disk is full")

    hooks = tnt.Hooks(sessions=(Session(close=close),))
    assert error_of(hooks, problem.job()).state.t == 14


def test_an_error_in_a_test(problem):
    job = problem.job(iterator=failing_data(problem, 3))
    del job["lr"], job["max_epoch"]
    with pytest.raises(OSError, match="disk") as caught:
        tnt.SGDEngine().test(**job, steps_per_call=1)
    assert (caught.value.state.t, caught.value.state.samples) == (3, 24)
    assert "goes on" not in caught.value.__notes__[-1]


def test_an_inner_run_gives_way_to_the_outer_one(problem):
    job = problem.job(iterator=failing_data(problem, 3))
    del job["lr"], job["max_epoch"]

    def validate(state):
        tnt.SGDEngine().test(**job)
        return state

    error = error_of(tnt.Hooks(on_end_epoch=validate), problem.job())
    assert error.state.training and error.state.t == 7
    assert sum("attribute `state`" in note for note in error.__notes__) == 1


class Stateless(Exception):
    """Takes no such attribute."""

    def __setattr__(self, name, value):
        if name == "state":
            raise AttributeError(name)
        super().__setattr__(name, value)


class OfColorado(Exception):
    """Has an attribute of that name."""

    state = "CO"


def test_an_error_that_takes_no_attribute(problem):
    hooks = tnt.every(3, failing_at(3, Stateless))
    error = error_of(hooks, problem.job(), Stateless)
    assert not hasattr(error, "state")


def test_an_attribute_of_the_error_stays(problem):
    hooks = tnt.every(3, failing_at(3, OfColorado))
    error = error_of(hooks, problem.job(), OfColorado)
    assert error.state == "CO"
    assert "the error takes no attribute `state`" in error.__notes__[-1]


def test_the_error_of_nan_guard_keeps_its_state(problem):
    def spoil(state):
        return state.replace(grads=jax.tree.map(lambda g: jnp.nan * g, state.grads))

    bad = tnt.Hooks(on_backward=spoil)
    hooks = tnt.chain(bad, tnt.hooks.nan_guard(2))
    error = error_of(hooks, problem.job(), tnt.hooks.NonFiniteError)
    assert error.state.t == 2
    np.testing.assert_array_equal(error.state.params["weight"], 0)


def test_parameters_that_a_failed_call_was_given_are_gone(problem, monkeypatch):
    """A call that fails on the device has destroyed its arguments."""

    def call(self, carry, batches, steps):
        for leaf in jax.tree.leaves(carry.heavy):
            leaf.delete()
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Calls, "__call__", call)
    error = error_of(tnt.Hooks(), problem.job(), RuntimeError)
    assert not hasattr(error, "state")
    assert "were handed to the compiled call that failed" in error.__notes__[-1]


def test_nothing_is_carried_before_a_run_is_restored(problem):
    hooks = tnt.Hooks(on_start=failing_at(0))
    error = error_of(hooks, problem.job(), resume=lambda like: None)
    assert not hasattr(error, "state")
    assert not any("the parameters were handed" in note for note in error.__notes__)


def test_a_transfer_guard_is_explained(problem):
    def disallowed(state):
        raise RuntimeError("Disallowed host-to-device transfer: aval=float32[8,5]")

    hooks = tnt.every(2, disallowed)
    error = error_of(hooks, problem.job(), RuntimeError)
    assert 'with jax.transfer_guard("allow")' in error.__notes__[-1]
    with jax.transfer_guard("disallow"), pytest.raises(Exception) as caught:
        tnt.SGDEngine().train(**problem.job())
    assert 'with jax.transfer_guard("allow")' in caught.value.__notes__[-1]


def fail(state):
    raise ValueError("before there is a State to go on from")


def test_an_error_of_what_reads_a_checkpoint_is_raised_as_it_is(problem):
    with pytest.raises(ValueError, match="before there is a State") as caught:
        tnt.SGDEngine().train(**problem.job(), resume=fail)
    assert not hasattr(caught.value, "state")


@pytest.mark.devices(2)
def test_an_error_at_the_start_inside_a_mesh_carries_no_state(problem):
    job = problem.job(max_epoch=1)
    state = tnt.SGDEngine().train(**job)
    del job["params"], job["lr"]
    use = getattr(jax, "set_mesh", None) or jax.sharding.use_mesh
    mesh = jax.make_mesh((2,), ("data",), devices=jax.devices()[:2])
    with use(mesh), pytest.raises(ValueError, match="before there is") as caught:
        tnt.SGDEngine(tnt.Hooks(on_start=fail)).train(**job, state=state, mesh=mesh)
    assert not hasattr(caught.value, "state")
