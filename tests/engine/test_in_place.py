"""What hooks of the host write in place stays in their State, if they succeed."""

import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt

START = tnt.Hooks(on_start=lambda s: s.replace(aux={"n": 0}))


def count(state):
    state.aux["n"] = state.aux["n"] + 1
    return state


class FailOnce:
    """A hook that raises the first time."""

    def __init__(self):
        self.failed = False

    def __call__(self, state):
        if not self.failed:
            self.failed = True
            raise RuntimeError("once")
        return state


def going_on(problem, hooks, **change):
    """Trains until an error, and goes on from its State."""
    job = problem.job(**change)
    engine = tnt.SGDEngine(hooks)
    with pytest.raises(RuntimeError, match="once") as caught:
        engine.train(**job)
    state = caught.value.state
    rest = {k: v for k, v in job.items() if k not in ("params", "lr")}
    return state, engine.train(**rest, state=state)


@pytest.mark.parametrize("event", ["on_start_epoch", "on_end_epoch"])
def test_what_a_failed_event_wrote_does_not_count(problem, event):
    hooks = tnt.Hooks(**{event: count})
    hooks = tnt.chain(START, hooks, tnt.Hooks(**{event: FailOnce()}))
    failed, state = going_on(problem, hooks)
    assert (int(failed.aux["n"]), int(state.aux["n"])) == (0, 2)


def test_what_a_failed_every_wrote_does_not_count(problem):
    fail = FailOnce()

    def change(state):
        state.params["bias"] = state.params["bias"] + 100
        return fail(state)

    failed, _ = going_on(problem, tnt.every(3, change), max_epoch=1)
    expected = tnt.SGDEngine().train(**problem.job(max_steps=3))
    np.testing.assert_allclose(failed.params["bias"], expected.params["bias"])


def test_a_test_leaves_the_training_alone(problem):
    """A hook of the engine that validates rounds its own parameters alone."""

    def round_them(state):
        state.params["weight"] = jnp.round(state.params["weight"])
        return state

    tester = tnt.SGDEngine(tnt.Hooks(on_start=round_them))
    hooks = tnt.hooks.validate(tester, problem.iterator())
    state = tnt.SGDEngine(hooks).train(**problem.job())
    expected = tnt.SGDEngine().train(**problem.job())
    np.testing.assert_array_equal(state.params["weight"], expected.params["weight"])


def test_a_report_leaves_the_training_alone(problem):
    def report(state, result):
        state.aux["reported"] = result.t

    hooks = tnt.hooks.validate(tnt.SGDEngine(), problem.iterator(), report=report)
    assert tnt.SGDEngine(hooks).train(**problem.job()).aux == {}


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
def test_what_the_user_holds_stays(problem, kind):
    def change(state):
        state.params["weight"] = state.params["weight"] + 1
        return state

    params = {name: kind(leaf) for name, leaf in problem.params.items()}
    before, held = dict(params), np.array(params["weight"])
    hooks = tnt.Hooks(on_start=change, on_start_epoch=change)
    state = tnt.SGDEngine(hooks).train(**problem.job(params=params, max_epoch=1))
    rest = {k: v for k, v in problem.job().items() if k not in ("params", "lr")}
    ended, weight = dict(state.params), np.array(state.params["weight"])
    tnt.SGDEngine(hooks).train(**rest, state=state)
    tnt.SGDEngine(hooks).test(
        **{name: problem.job()[name] for name in ("network", "iterator")},
        params=params,
    )
    assert all(params[name] is before[name] for name in params)
    assert all(state.params[name] is ended[name] for name in ended)
    np.testing.assert_array_equal(params["weight"], held)
    np.testing.assert_array_equal(state.params["weight"], weight)


def test_integers_in_place_are_an_error_that_names_the_hook(problem):
    def change(state):
        state.params["bias"] = np.zeros(3, int)
        return state

    with pytest.raises(TypeError, match=r"state.params\['bias'\] is int64.*floating"):
        tnt.SGDEngine(tnt.Hooks(on_start_epoch=change)).train(**problem.job())


# ---- parameters of NumPy ------------------------------------------------------------


def test_hooks_see_arrays_of_jax_that_are_not_the_users(problem):
    params = {name: np.array(leaf) for name, leaf in problem.params.items()}

    def change(state):
        params["bias"][:] = 100
        return state.replace(
            params={**state.params, "weight": state.params["weight"].at[0].set(0.0)}
        )

    hooks = tnt.Hooks(on_start_epoch=change)
    job = problem.job(params=params, max_epoch=1, lr=0.0)
    state = tnt.SGDEngine(hooks).train(**job)
    np.testing.assert_array_equal(state.params["bias"], 0)
    nothing = tnt.SGDEngine().train(**{**job, "max_epoch": 0})
    assert all(leaf is not params[name] for name, leaf in nothing.params.items())


# ---- what goes on after an error ----------------------------------------------------


def lower(state):
    return state.replace(lr=state.lr / 10)


@pytest.mark.parametrize("steps_per_call", ["auto", 1])
def test_an_error_of_a_watch_costs_no_every(problem, steps_per_call):
    fail, seen = FailOnce(), []
    hooks = tnt.chain(
        tnt.watch(3, lambda s: fail(s) and None),
        tnt.every(4, lower),
        tnt.every(4, lambda s: seen.append(s.t) or s),
    )
    how = {"max_steps": 5, "steps_per_call": steps_per_call}
    failed, state = going_on(problem, hooks, **how)
    assert float(state.lr) == pytest.approx(0.01)
    assert seen == [4] and failed.t in (3, 4)


def test_an_error_of_an_every_tells_of_that_of_the_watch_before(problem):
    def fail(state):
        raise KeyError("the every")

    hooks = tnt.chain(tnt.watch(4, FailOnce()), tnt.every(4, fail))
    with pytest.raises(KeyError, match="the every") as caught:
        tnt.SGDEngine(hooks).train(**problem.job())
    notes = "\n".join(caught.value.__notes__)
    assert "A watch before raised RuntimeError: once" in notes


@pytest.mark.parametrize("hooks", ["plain", "checkpoint"])
def test_the_end_of_an_epoch_is_made_up_for(problem, tmp_path, hooks):
    """After the last update of all, an error in on_end_epoch came."""
    fired, fail = [], FailOnce()
    own = tnt.Hooks(on_end_epoch=lambda s: fail(s) and fired.append(s.epoch) or s)
    job = problem.job(max_steps=7)
    rest = {k: v for k, v in job.items() if k not in ("params", "lr")}
    if hooks == "checkpoint":
        pytest.importorskip("orbax.checkpoint")
        own = tnt.chain(own, tnt.hooks.checkpoint(tmp_path / "saved", every=7))
    with pytest.raises(RuntimeError, match="once") as caught:
        tnt.SGDEngine(own).train(**job)
    if hooks == "checkpoint":
        state = tnt.SGDEngine(own).train(**job, resume=tmp_path / "saved")
    else:
        state = tnt.SGDEngine(own).train(**rest, state=caught.value.state)
    assert (state.t, state.epoch, state.position, fired) == (7, 1, 0, [1])
    if hooks == "plain":
        with pytest.warns(UserWarning, match="nothing was left to train"):
            state = tnt.SGDEngine(own).train(**rest, state=state)
    assert (state.epoch, fired) == (1, [1])


def test_in_the_middle_of_an_epoch_nothing_is_made_up_for(problem):
    fired = []
    own = tnt.Hooks(on_start_epoch=lambda s: fired.append(s.epoch) or s)
    state = tnt.SGDEngine(own).train(**problem.job(max_steps=3))
    rest = {k: v for k, v in problem.job().items() if k not in ("params", "lr")}
    with pytest.warns(UserWarning, match="nothing was left to train"):
        again = tnt.SGDEngine(own).train(**{**rest, "max_steps": 3}, state=state)
    assert (again.t, again.position, fired) == (3, 3, [0])


def test_a_position_behind_the_end_is_an_error(problem):
    rest = {k: v for k, v in problem.job().items() if k not in ("params", "lr")}
    state = tnt.SGDEngine().train(**problem.job(max_steps=3))
    larger = problem.iterator(32)  # 2 batches
    with pytest.raises(ValueError, match="goes on after sample 3 of epoch 0, but the"):
        tnt.SGDEngine().train(**{**rest, "iterator": larger}, state=state)
    with pytest.raises(ValueError, match="batches of another size are others"):
        tnt.SGDEngine().train(**problem.job(resume=lambda like: {"position": 100}))
