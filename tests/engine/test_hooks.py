"""Hooks: composition, and the errors of hooks that do what they cannot."""

import pickle

import jax.numpy as jnp
import pytest

import tntjax as tnt
from tntjax.engine._hooks import EVENTS, STEP_EVENTS


def first(state):
    return state


def second(state):
    return state


def third(state):
    return state


PARTS = (
    tnt.Hooks(on_start=first, on_update=first),
    tnt.chain(tnt.Hooks(on_update=second), tnt.every(3, second)),
    tnt.chain(tnt.watch(2, third), tnt.Hooks(on_update=third, on_end=third)),
)


def test_chain_is_associative():
    a, b, c = PARTS
    assert tnt.chain(tnt.chain(a, b), c) == tnt.chain(a, tnt.chain(b, c))
    assert tnt.chain(a, b, c).functions("on_update") == (first, second, third)


@pytest.mark.parametrize("hooks", PARTS)
def test_empty_hooks_are_the_unit_of_chain(hooks):
    assert tnt.chain(hooks, tnt.Hooks()) == hooks == tnt.chain(tnt.Hooks(), hooks)
    assert tnt.chain() == tnt.Hooks()


def test_chained_hooks_are_called_in_order():
    calls = []
    hooks = tnt.chain(
        *(tnt.Hooks(on_end=lambda s, n=n: calls.append(n) or s) for n in range(3))
    )
    assert hooks.on_end("state") == "state"
    assert calls == [0, 1, 2]


def test_hooks_survive_pickle_and_hash():
    hooks = tnt.chain(*PARTS)
    assert pickle.loads(pickle.dumps(hooks)) == hooks
    assert hash(hooks) == hash(tnt.chain(*PARTS))


def test_repr_names_the_functions():
    expected = (
        "Hooks(on_start=first, on_update=[first, second, third], on_end=third,"
        " every(3, second), watch(2, third))"
    )
    assert repr(tnt.chain(*PARTS)) == expected


def test_a_misspelt_event_is_a_type_error_with_a_suggestion():
    with pytest.raises(TypeError, match="'on_froward'; did you mean 'on_forward'?"):
        tnt.Hooks(on_froward=first)  # pyright: ignore
    with pytest.raises(TypeError, match="'zzz'. The events are on_start, "):
        tnt.Hooks(zzz=first)  # pyright: ignore


@pytest.mark.parametrize("make", [tnt.every, tnt.watch])
@pytest.mark.parametrize(
    ("n", "function", "error", "words"),
    [
        (0, first, ValueError, "n >= 1, got 0"),
        (2.0, first, TypeError, "integer n, got 2.0"),
        (True, first, TypeError, "integer n, got True"),
        (2, "show", TypeError, "needs a function, got 'show'"),
    ],
)
def test_bad_schedules(make, n, function, error, words):
    with pytest.raises(error, match=words):
        make(n, function)


def test_a_hook_must_be_a_function():
    with pytest.raises(TypeError, match="needs a function State -> State, got 3"):
        tnt.Hooks(on_end=3)  # pyright: ignore


def test_chain_takes_hooks_only():
    with pytest.raises(TypeError, match="chain takes Hooks, got first"):
        tnt.chain(first)  # pyright: ignore


# ---- what the engine says -----------------------------------------------------------


def forgetful(state):
    state.replace(aux={})


def with_aux(state):
    return state.replace(aux={"n": jnp.int32(0)}, meters={"m": tnt.ClassErrorMeter()})


@pytest.mark.slow
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("jit", [True, False])
def test_a_hook_that_returns_none_is_named(problem, event, jit):
    with pytest.raises(TypeError) as caught:
        tnt.SGDEngine(tnt.Hooks(**{event: forgetful})).train(**problem.job(), jit=jit)
    assert f"the hook forgetful of {event} returned None" in str(caught.value)
    assert "return state.replace(...)" in str(caught.value)


def test_an_every_that_returns_none_is_named(problem):
    with pytest.raises(TypeError, match=r"the hook forgetful of every\(2\) returned"):
        tnt.SGDEngine(tnt.every(2, forgetful)).train(**problem.job())


def extra(state):
    return state.replace(aux={**state.aux, "new": 1})


def longer(state):
    return state.replace(aux={"n": jnp.zeros(2, jnp.int32)})


def wider(state):
    return state.replace(aux={"n": state.aux["n"] + 0.5})


def other_params(state):
    return state.replace(params={"weight": state.params["weight"]})


def other_meter(state):
    return state.replace(meters={"m": tnt.ClassErrorMeter((1, 2))})


@pytest.mark.slow
@pytest.mark.parametrize("event", STEP_EVENTS)
@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize(
    ("hook", "field", "after"),
    [
        (extra, "changed aux,", "'new'"),
        (longer, "changed aux['n']", "int32[2]"),
        (wider, "changed aux['n']", "float32[]"),
        (other_params, "changed params,", "weight"),
        (other_meter, "changed meters", "ClassErrorMeter"),
    ],
)
def test_a_hook_that_changes_the_carry_is_named(
    problem, event, jit, hook, field, after
):
    hooks = tnt.chain(tnt.Hooks(on_start=with_aux), tnt.Hooks(**{event: hook}))
    with pytest.raises(TypeError) as caught:
        tnt.SGDEngine(hooks).train(**problem.job(), jit=jit)
    text = str(caught.value)
    assert f"the compiled hook {hook.__name__} of {event} {field}" in text
    assert after in text.split("after:")[1].split("\n")[0]
    assert "# wrong" in text and "# right" in text


@pytest.mark.parametrize("name", ["stop", "max_epoch", "training"])
def test_a_compiled_hook_cannot_change_what_is_the_hosts(problem, name):
    def hook(state):
        return state.replace(**{name: "changed"})

    with pytest.raises(TypeError, match=f"changed state.{name}, which only the host"):
        tnt.SGDEngine(tnt.Hooks(on_update=hook)).train(**problem.job())


@pytest.mark.parametrize("name", ["t", "epoch", "samples"])
def test_a_compiled_hook_cannot_count_for_the_engine(problem, name):
    def hook(state):
        return state.replace(**{name: getattr(state, name) + 1})

    with pytest.raises(TypeError, match=f"changed state.{name}, which the engine"):
        tnt.SGDEngine(tnt.Hooks(on_update=hook)).train(**problem.job())


def test_what_is_no_array_cannot_be_carried(problem):
    hooks = tnt.Hooks(on_start=lambda s: s.replace(aux={"timer": "now"}))
    with pytest.raises(TypeError, match=r"state.aux\['timer'\] is 'now', but what is"):
        tnt.SGDEngine(hooks).train(**problem.job())


def test_state_has_no_unknown_fields():
    with pytest.raises(TypeError, match="no field 'metres'. Keep your own values in"):
        tnt.State().replace(metres={})
