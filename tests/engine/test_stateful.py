"""Networks with a state of their own and with randomness."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tests.engine.conftest import criterion, network


def noting(seen):
    """A network that counts its calls in training and notes how it was called."""

    def apply(params, model_state, input, *, key, training):
        seen.append((jax.random.key_data(key).tolist(), training))
        count = model_state["count"] + 1
        return network(params, input), {"count": count}

    return tnt.network.Stateful(apply)


def train(problem, stateful, **how):
    model_state = {"count": jnp.int32(0)}
    given = problem.job(network=stateful, model_state=model_state, max_epoch=1)
    return tnt.SGDEngine().train(**given, **how)


@pytest.mark.slow
def test_each_step_has_a_key_of_its_own(problem):
    seen = []
    state = train(problem, noting(seen), jit=False)
    assert len({str(key) for key, _ in seen}) == len(seen) == 7
    assert all(training for _, training in seen)
    assert int(state.model_state["count"]) == 7
    left = jax.random.key_data(state.key).tolist()
    assert left not in [key for key, _ in seen]


@pytest.mark.slow
def test_pieces_have_keys_of_their_own(problem):
    seen = []
    state = train(problem, noting(seen), jit=False, accumulate=2)
    assert len({str(key) for key, _ in seen}) == len(seen) == 14
    assert int(state.model_state["count"]) == 14


def test_a_test_leaves_the_model_state_alone(problem):
    seen, model_state = [], {"count": jnp.int32(5)}
    given = {"network": noting(seen), "iterator": problem.iterator()}
    how = {"params": problem.params, "model_state": model_state, "jit": False}
    state = tnt.SGDEngine().test(**given, **how)
    assert [training for _, training in seen] == [False] * 7
    assert int(state.model_state["count"]) == 5


def test_a_plain_function_leaves_the_key_alone(problem):
    key = jax.random.key(5)
    state = tnt.SGDEngine().train(**problem.job(key=key))
    keys = jax.random.key_data(state.key), jax.random.key_data(key)
    np.testing.assert_array_equal(*keys)


def test_hooks_see_the_new_model_state(problem):
    def start(state):
        return state.replace(aux={"sum": jnp.int32(0)})

    def add(state):
        return state.replace(aux={"sum": state.aux["sum"] + state.model_state["count"]})

    hooks = tnt.Hooks(on_start=start, on_forward=add)
    given = problem.job(network=noting([]), model_state={"count": jnp.int32(0)})
    state = tnt.SGDEngine(hooks).train(**{**given, "max_epoch": 1}, jit=False)
    assert int(state.aux["sum"]) == sum(range(1, 8))


@pytest.mark.parametrize("wrong", [{"count": jnp.float32(0)}, {"other": jnp.int32(0)}])
def test_a_changed_model_state_is_named(problem, wrong):
    def apply(params, model_state, input, *, key, training):
        return network(params, input), wrong

    with pytest.raises(TypeError, match=r"the network changed model_state"):
        train(problem, tnt.network.Stateful(apply))


def test_a_forgotten_model_state_is_named(problem):
    def apply(params, model_state, input, *, key, training):
        return network(params, input)

    words = r"returns \(output, model_state\), got float32\[8,3\] from .*apply"
    with pytest.raises(TypeError, match=words):
        train(problem, tnt.network.Stateful(apply))


def test_stateful_needs_a_function():
    with pytest.raises(TypeError, match="Stateful needs a function, got 3"):
        tnt.network.Stateful(3)


def test_equal_functions_compile_once(problem, compiles):
    def apply(params, model_state, input, *, key, training):
        return network(params, input), model_state

    train(problem, tnt.network.Stateful(apply))
    first = len(compiles)
    train(problem, tnt.network.Stateful(apply))
    assert len(compiles) == first


def test_errors_say_where_and_with_which_shapes(problem):
    def learnable(scale, output, target):
        return criterion(output @ scale, target)

    given = problem.job(criterion=learnable, criterion_params=jnp.ones((2, 2)))
    with pytest.raises(TypeError) as caught:
        tnt.SGDEngine().train(**given)
    notes = " ".join(caught.value.__notes__)
    assert "criterion(criterion_params, output, target)" in notes
    assert "float32[2,2]" in notes
    assert "float32[8,3]" in notes
