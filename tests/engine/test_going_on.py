"""Going on from a State in memory: as if the run had not ended, bit for bit."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt
from tests.engine.test_configurations import CASES, measure, start


def count(state):
    return state.replace(aux={"steps": state.aux["steps"] + 1})


def noise(state):
    key, own = jax.random.split(state.key)
    sample = state.sample
    input = sample["input"] + 0.1 * jax.random.normal(own, sample["input"].shape)
    return state.replace(key=key, sample={**sample, "input": input})


HOOKS = tnt.Hooks(
    on_start=start, on_sample=noise, on_forward_criterion=measure, on_update=count
)


def arguments(case, problem):
    """The arguments of `train` that a State does not hold, and those that it does."""
    key = jax.random.key(3)
    first, second = jax.random.split(key)
    job = {
        "network": lambda params, input: (
            jnp.tanh(input @ params["first"]) @ params["second"]
        ),
        "criterion": problem.job()["criterion"],
        "iterator": problem.iterator(policy=case.policy),
        **dict(case.how),
    }
    held = {
        "params": {
            "first": jax.random.normal(first, (5, 8)),
            "second": jax.random.normal(second, (8, 3)),
        },
        "key": jax.random.key(7),
    }
    if case.engine is tnt.SGDEngine:
        held["lr"] = 0.1
    for name in ("model_state", "criterion_params", "lr_criterion"):
        if name in job:
            held[name] = job.pop(name)
    return job, held


def assert_equal(a, b):
    for name in ("epoch", "t", "samples", "position", "lr"):
        assert getattr(a, name) == getattr(b, name)
    for name in ("params", "opt_state", "model_state", "criterion_params", "meters"):
        one, other = getattr(a, name), getattr(b, name)
        jax.tree.map(np.testing.assert_array_equal, one, other)
    assert a.aux == b.aux
    assert jnp.array_equal(jax.random.key_data(a.key), jax.random.key_data(b.key))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain", "learnable", "padded pieces", "adam", "all"])
def test_a_run_in_three_parts(problem, name):
    case = CASES[name]
    job, held = arguments(case, problem)

    def press(t):
        def hook(state):
            if state.t == t:
                raise KeyboardInterrupt
            return state

        return hook

    plain = tnt.chain(HOOKS, tnt.every(4, lambda state: state))
    whole = case.engine(plain).train(**job, **held, max_epoch=3)
    # Interrupted in the middle, then at the end of an epoch, then raised.
    with pytest.raises(KeyboardInterrupt) as caught:
        hooks = tnt.chain(HOOKS, tnt.every(4, press(4)))
        case.engine(hooks).train(**job, **held, max_epoch=3)
    state = case.engine(plain).train(**job, state=caught.value.state, max_epoch=1)
    assert state.epoch == 1 and not state.stop
    state = case.engine(plain).train(**job, state=state, max_epoch=3)
    assert_equal(state, whole)


def test_after_any_error_and_a_stop(problem):
    def fail(state):
        if state.t == 7 and not failed:
            failed.append(state)
            raise OSError("disk")
        return state.replace(aux={**state.aux, "ends": state.aux["ends"] + 1})

    failed = [True]
    begin = lambda s: s.replace(aux={"ends": jnp.int32(0)})  # noqa: E731
    hooks = tnt.Hooks(on_start=begin, on_end_epoch=fail)
    whole = tnt.SGDEngine(hooks).train(**problem.job())
    failed.clear()
    with pytest.raises(OSError, match="disk") as caught:
        tnt.SGDEngine(hooks).train(**problem.job())
    job = problem.job()
    del job["params"], job["lr"]
    state = tnt.SGDEngine(hooks).train(**job, state=caught.value.state)
    assert state.aux["ends"] == whole.aux["ends"] == 2
    np.testing.assert_array_equal(state.params["weight"], whole.params["weight"])


def test_the_number_of_examples_does_not_wrap(problem):
    state = tnt.SGDEngine().train(**problem.job(max_epoch=1))
    job = problem.job()
    del job["params"], job["lr"]
    state = state.replace(samples=np.int32(2**31 - 10))
    assert tnt.SGDEngine().train(**job, state=state).samples == 2**31 - 1


@pytest.mark.slow
def test_stop_is_reset(problem):
    job = problem.job()
    hooks = tnt.every(3, lambda s: s.replace(stop=s.t == 3))
    state = tnt.SGDEngine(hooks).train(**job)
    assert state.t == 3 and state.stop
    del job["params"], job["lr"]
    assert tnt.SGDEngine(hooks).train(**job, state=state).t == 14


def test_nothing_is_fired_twice_in_an_epoch_without_updates(problem):
    """`on_start_epoch` runs again, on the State from before it."""

    def add(state):
        return state.replace(aux={"n": state.aux["n"] + 1})

    def fail(state):
        raise OSError("disk")

    begin = tnt.Hooks(
        on_start=lambda s: s.replace(aux={"n": jnp.int32(0)}), on_start_epoch=add
    )
    bad = problem.job(iterator=tnt.DatasetIterator(tnt.ListDataset([0], fail)))
    with pytest.raises(OSError, match="disk") as caught:
        tnt.SGDEngine(begin).train(**bad)
    assert caught.value.state.aux["n"] == 0
    job = problem.job(max_epoch=1)
    del job["params"], job["lr"]
    assert tnt.SGDEngine(begin).train(**job, state=caught.value.state).aux["n"] == 1


@pytest.mark.slow
def test_the_state_stays_valid_and_hooks_are_started(problem):
    job = problem.job(max_epoch=1)
    first = tnt.SGDEngine().train(**job)
    weight = np.asarray(first.params["weight"])
    del job["params"], job["lr"]
    added = tnt.hooks.ema(0.9)
    job["max_epoch"] = 2
    second = tnt.SGDEngine(added).train(**job, state=first)
    assert "ema" in second.large
    np.testing.assert_array_equal(first.params["weight"], weight)


def test_a_changed_state_counts(problem):
    job = problem.job(max_epoch=1)
    state = tnt.SGDEngine().train(**job)
    del job["params"], job["lr"]
    slower = state.replace(lr=0.0)
    after = tnt.SGDEngine().train(**{**job, "max_epoch": 2}, state=slower)
    np.testing.assert_array_equal(after.params["weight"], state.params["weight"])
    assert (after.t, after.lr) == (14, 0.0)


ADAM = optax.adam(0.1)


@pytest.mark.parametrize(
    ("engine", "given", "error", "words"),
    [
        (tnt.SGDEngine, {"lr": 0.1}, TypeError, "leave out lr=. To change one write"),
        (
            tnt.SGDEngine,
            {"params": 0.0, "key": jax.random.key(0)},
            TypeError,
            r"params= and key=.*state=state.replace\(params=...\)",
        ),
        (tnt.SGDEngine, {"resume": "there"}, TypeError, "pass one of them"),
        (tnt.SGDEngine, {"state": {"t": 3}}, TypeError, "state must be a tnt.State"),
        (tnt.SGDEngine, {"state": tnt.State(lr=0.1)}, ValueError, "has no params"),
        (tnt.SGDEngine, {"state": tnt.State(params=0.0)}, ValueError, "and no lr"),
        (
            tnt.OptimEngine,
            {"optimizer": ADAM},
            ValueError,
            "the opt_state of another optimizer: None",
        ),
        (
            tnt.OptimEngine,
            {
                "optimizer": ADAM,
                "state": tnt.State(
                    params=jnp.zeros(2), opt_state=ADAM.init(jnp.ones(3))
                ),
            },
            ValueError,
            "the opt_state of another optimizer",
        ),
    ],
)
def test_what_does_not_go_together(problem, engine, given, error, words):
    job = problem.job()
    del job["params"], job["lr"]
    state = tnt.State(params=problem.params, lr=0.1)
    with pytest.raises(error, match=words):
        engine().train(**{**job, "state": state, **given})


def test_what_a_test_returned_is_not_to_go_on_from(problem):
    job = problem.job()
    del job["lr"], job["max_epoch"]
    state = tnt.SGDEngine().test(**job)
    del job["params"]
    for engine, own in (tnt.SGDEngine(), {}), (tnt.OptimEngine(), {"optimizer": ADAM}):
        with pytest.raises(ValueError, match="this one is what test returned, .*anew"):
            engine.train(**job, **own, state=state)


# ---- a function that says what to go on with ----------------------------------------


@pytest.mark.parametrize(
    ("saved", "error", "words"),
    [
        (3, TypeError, "resume returned 3. It returns None, to start, or a dict"),
        (tnt.State(), TypeError, "resume returned State"),
        ({"parms": 1}, TypeError, "the field 'parms'"),
        ({"params": {"weight": jnp.ones(2)}}, TypeError, "resume changed params,"),
        ({"params": "a"}, TypeError, "resume changed params,"),
        ({"lr": "a"}, TypeError, "resume changed lr, .*\n.*\n  after:  'a'"),
        ({"lr": np.ones(2)}, TypeError, "resume changed lr,"),
        ({"aux": {"new": 1}}, TypeError, "resume changed aux,"),
        ({"key": 3}, TypeError, "resume changed key,"),
        ({"t": -3}, ValueError, "resume: t must be at least 0, got -3"),
        ({"epoch": 1.5}, TypeError, "resume: epoch must be an integer, got 1.5"),
        ({"stop": "no"}, TypeError, "resume: stop must be True or False, got 'no'"),
    ],
)
def test_what_resume_returns_is_checked(problem, saved, error, words):
    with pytest.raises(error, match=words):
        tnt.SGDEngine().train(**problem.job(resume=lambda like: saved))


def test_an_error_in_resume_says_so(problem):
    with pytest.raises(KeyError) as caught:
        tnt.SGDEngine().train(**problem.job(resume=lambda like: like["weights"]))
    assert "This happened in resume." in caught.value.__notes__


def test_resume_may_return_some_fields(problem):
    """What it leaves out is as at the start."""
    params = jax.tree.map(lambda leaf: leaf + 1, problem.params)
    some = tnt.SGDEngine().train(**problem.job(resume=lambda like: {"params": params}))
    expected = tnt.SGDEngine().train(**problem.job(params=params))
    for saved in ({}, None):
        tnt.SGDEngine().train(**problem.job(resume=lambda like, s=saved: s))
    jax.tree.map(np.testing.assert_array_equal, some.params, expected.params)
    later = {"epoch": np.int64(1), "t": 7, "lr": 0.5}
    state = tnt.SGDEngine().train(**problem.job(resume=lambda like: later))
    assert (state.epoch, state.t, state.lr) == (2, 14, 0.5)


def test_a_number_that_resume_returns_gets_the_dtype_of_the_start(problem):
    def begin(state):
        return state.replace(
            aux={"x": jnp.zeros((), jnp.bfloat16), "n": jnp.zeros((), jnp.int8)}
        )

    saved = {"aux": {"x": 0.5, "n": 2}, "lr": 0.25}
    state = tnt.SGDEngine(tnt.Hooks(on_start=begin)).train(
        **problem.job(resume=lambda like: saved, max_epoch=1)
    )
    aux = state.aux
    assert (float(aux["x"]), int(aux["n"]), state.lr) == (0.5, 2, 0.25)
    assert (aux["x"].dtype, aux["n"].dtype) == (jnp.bfloat16, jnp.int8)


def test_a_state_that_has_done_all_is_warned_of(problem):
    state = tnt.SGDEngine().train(**problem.job(max_epoch=2))
    job = {
        n: v for n, v in problem.job(max_epoch=2).items() if n not in ("params", "lr")
    }
    words = "has done 2 epochs and 14 updates, and max_epoch=2 .*count from the very"
    with pytest.warns(UserWarning, match=words):
        again = tnt.SGDEngine().train(**job, state=state)
    assert again.t == 14
