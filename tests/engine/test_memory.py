"""Parameters exist once, unless somebody holds on to a State; and then they stay."""

import gc
import io
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt
from tntjax.engine import _carry

FLOATS = 10_000_000
PACKAGE = str(Path(tnt.__file__).parent / "engine")
ADAM = optax.adam(0.1)
BATCH = {"input": np.ones((2, 1), np.float32), "target": np.full(2, -3, np.float32)}


def network(params, input):
    return input[:, 0] * jnp.mean(params["weight"]) + params["bias"]


def squared(output, target):
    return (output - target) ** 2


def make_params():
    return {"weight": jnp.ones(FLOATS), "bias": jnp.zeros(())}


def small_params():
    return {"weight": jnp.ones(5), "bias": jnp.zeros(())}


def live_bytes():
    """What lives on the device; arrays in the same memory count once."""
    live = [array for array in jax.live_arrays() if not array.is_deleted()]
    return sum({a.unsafe_buffer_pointer(): a.nbytes for a in live if a.size}.values())


def peak_of(run):
    """The most bytes that lived on the device whenever a function of ours returned."""
    gc.collect()
    before, most = live_bytes(), 0

    def look(frame, event, result):
        nonlocal most
        if event == "return" and frame.f_code.co_filename.startswith(PACKAGE):
            most = max(most, live_bytes())

    sys.setprofile(look)
    try:
        result = run()
    finally:
        sys.setprofile(None)
    return result, (most - before) / (4 * FLOATS)


def train(make, hooks=None):
    """Trains parameters that nobody holds if `make` does not."""
    return tnt.OptimEngine(hooks or tnt.Hooks()).train(
        network=network,
        criterion=squared,
        optimizer=ADAM,
        iterator=tnt.DatasetIterator([BATCH] * 6),
        max_epoch=2,
        params=make(),
    )


def same(state):
    return state


HOOKS = {
    "none": tnt.Hooks(),
    "every": tnt.every(2, lambda state: state.replace(aux={"t": state.t})),
    "nan_guard": tnt.hooks.nan_guard(2),
    "progress": tnt.hooks.progress(io.StringIO()),
    "record": tnt.hooks.record(),
    "timing": tnt.hooks.timing(lambda times: None),
    "epochs": tnt.Hooks(
        on_start=same, on_start_epoch=same, on_end_epoch=same, on_end=same
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOOKS)
def test_parameters_exist_once(name):
    hooks = tnt.chain(
        tnt.Hooks(on_start=lambda s: s.replace(aux={"t": 0})), HOOKS[name]
    )
    state, peak = peak_of(lambda: train(make_params, hooks))
    assert peak <= 3.3  # the parameters and two moments
    assert state.params["weight"].shape == (FLOATS,)


def test_an_average_takes_the_place_of_the_parameters_once():
    # At the start it is the parameters: of the two one is copied.
    _, peak = peak_of(lambda: train(make_params, tnt.hooks.ema(0.9)))
    assert peak <= 4.3  # the parameters, two moments and the average


@pytest.mark.slow
def test_parameters_of_the_user_stay():
    params = make_params()
    _, peak = peak_of(lambda: train(lambda: params))
    assert peak <= 3.3  # beside the user's
    np.testing.assert_array_equal(params["weight"][:3], 1)


def test_an_alias_of_the_parameters_stays():
    params = small_params()
    aliases = [jax.device_put(params, jax.devices()[0])]
    train(aliases.pop)
    np.testing.assert_array_equal(params["weight"], 1)


@pytest.mark.parametrize(
    "keep",
    [
        lambda state: state,
        lambda state: state.params,
        lambda state: jax.device_put(state.params, jax.devices()[0]),
        lambda state: jax.tree.map(np.asarray, state.params),
    ],
)
@pytest.mark.parametrize("where", ["every", "epoch"])
def test_what_a_hook_keeps_stays(keep, where):
    kept, copies = [], []

    def hook(state):
        kept.append(keep(state))
        copies.append(float(state.params["weight"][0]))
        return state

    hooks = tnt.every(1, hook) if where == "every" else tnt.Hooks(on_end_epoch=hook)
    train(small_params, hooks)
    params = [k.params if isinstance(k, tnt.State) else k for k in kept]
    assert [float(p["weight"][0]) for p in params] == copies
    assert len(set(copies)) == len(copies) > 1


@pytest.mark.parametrize(
    "alias", [lambda tree: tree, lambda tree: jax.device_put(tree, jax.devices()[0])]
)
def test_parameters_that_are_in_a_state_twice_are_trained(alias):
    def start(state):
        return state.replace(large={"first": alias(state.params), "now": state.params})

    def track(state):
        return state.replace(large={**state.large, "now": alias(state.params)})

    hooks = tnt.Hooks(on_start=start, on_start_epoch=track)
    state = train(small_params, hooks)
    np.testing.assert_array_equal(state.large["first"]["weight"], 1)
    assert state.params["weight"][0] < state.large["now"]["weight"][0] < 1


def test_what_another_thread_gives_away_meanwhile_is_no_error(monkeypatch):
    """All arrays of the program are looked at, those of a run beside this one too."""
    others, pointers = [jnp.ones(3)], _carry._pointers

    def look(array):
        if others and array is others[0]:
            others.pop().delete()  # as a call that it is donated to does
        return pointers(array)

    monkeypatch.setattr(_carry, "_pointers", look)
    state = train(small_params)
    assert not others and float(state.params["weight"][0]) < 1
