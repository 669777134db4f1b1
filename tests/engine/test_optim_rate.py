"""An optimizer that is given as a function, and its learning rate beside it."""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt

ADAMW = functools.partial(optax.adamw, weight_decay=0.1)
COSINE = optax.cosine_decay_schedule(0.1, 14)


def clipped(rate):
    return optax.chain(optax.clip(1.0), optax.sgd(rate))


def train(problem, *hooks, **changes):
    return tnt.OptimEngine(tnt.chain(*hooks)).train(**problem.job(**changes))


def same(one, other):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7), one, other
    )


@pytest.mark.parametrize("optimizer", [optax.adam, ADAMW, clipped, optax.adabelief])
@pytest.mark.parametrize("lr", [0.1, np.float32(0.1), COSINE])
def test_it_is_the_optimizer_with_that_rate(problem, optimizer, lr):
    made = problem.job(optimizer=optimizer(lr))
    del made["lr"]
    beside = train(problem, optimizer=optimizer, lr=lr)
    same(beside.params, tnt.OptimEngine().train(**made).params)


@pytest.mark.parametrize("jit", [True, False])
def test_the_history_has_the_rate_of_each_row(problem, jit):
    record = tnt.hooks.record(every=2)
    state = train(problem, record, optimizer=optax.adam, lr=COSINE, jit=jit)
    done = state.history["t"]
    assert done == [2, 4, 6, 7, 8, 10, 12, 14, 14]
    expected = [float(COSINE(t - 1)) for t in done]
    assert state.history["lr"] == pytest.approx(expected, rel=1e-5)


def test_the_history_has_the_rate_of_the_epoch_whatever_is_chained_before(problem):
    def halve(state):
        kept = state.opt_state.hyperparams
        halved = {**kept, "learning_rate": kept["learning_rate"] / 2}
        return state.replace(opt_state=state.opt_state._replace(hyperparams=halved))

    hooks = tnt.Hooks(on_end_epoch=halve), tnt.hooks.record()
    state = train(problem, *hooks, optimizer=optax.sgd, lr=0.4, max_epoch=3)
    assert state.history["lr"] == pytest.approx([0.4, 0.2, 0.1])


def test_another_number_compiles_nothing(problem, compiles):
    train(problem, optimizer=optax.adam, lr=0.1)
    first = len(compiles)
    train(problem, optimizer=optax.adam, lr=0.2)
    assert len(compiles) == first


def test_hooks_change_it(problem):
    table = tnt.hooks.learning_rate({0: 0.1, 1: 0.01}, by="epoch")
    falls = tnt.hooks.plateau(lambda state: 1.0, factor=0.5, patience=1)
    for hook, rates in ((table, [0.1, 0.01, 0.01]), (falls, [0.4, 0.4, 0.2])):
        hooks = hook, tnt.hooks.record()
        state = train(problem, *hooks, optimizer=optax.adam, lr=0.4, max_epoch=3)
        assert state.history["lr"] == pytest.approx(rates)


@pytest.mark.parametrize("lr", [[0.1, 0.02, 0.3], 0.1, COSINE])
def test_each_member_has_its_own(problem, lr):
    given = lr if callable(lr) else np.array(lr)
    params = jax.tree.map(lambda leaf: jnp.stack([leaf] * 3), problem.params)
    how = {"optimizer": optax.adam, "params": params, "members": 3}
    record = tnt.hooks.record(every=3)
    state = train(problem, record, lr=given, **how)
    for member, rate in enumerate(lr if isinstance(lr, list) else [lr] * 3):
        record = tnt.hooks.record(every=3)
        alone = train(problem, record, optimizer=optax.adam, lr=rate)
        mine = jax.tree.map(lambda leaf, member=member: leaf[member], state.params)
        same(mine, alone.params)
        rates = [row[member] for row in state.history["lr"]]
        assert rates == pytest.approx(alone.history["lr"], rel=1e-6)


def test_a_criterion_has_the_same_rate_or_an_optimizer_of_its_own(problem):
    def criterion(scale, output, target):
        return (output.sum(-1) - scale * target) ** 2

    how = {"criterion": criterion, "criterion_params": jnp.float32(1), "lr": 0.01}
    both = train(problem, optimizer=optax.sgd, **how)
    plain = tnt.SGDEngine().train(**problem.job(**how))
    same((both.params, both.criterion_params), (plain.params, plain.criterion_params))
    made = train(
        problem, optimizer=optax.sgd, criterion_optimizer=optax.sgd(0.0), **how
    )
    assert made.criterion_params == 1
    own = {"optimizer": optax.sgd(0.01), "criterion_optimizer": optax.sgd}
    same(train(problem, **own, **how).params, both.params)


@pytest.mark.parametrize("lr", [0.1, COSINE])
def test_it_goes_on_from_a_state_and_from_the_disk(problem, tmp_path, lr):
    pytest.importorskip("orbax.checkpoint")
    how = {"optimizer": optax.adam, "lr": lr}
    whole = train(problem, tnt.hooks.record(every=2), **how)
    hooks = tnt.hooks.record(every=2), tnt.hooks.checkpoint(tmp_path)
    part = train(problem, *hooks, **how, max_steps=4)
    on = {**problem.job(state=part, **how)}
    del on["params"]
    if not callable(lr):  # the State has it
        del on["lr"]
    ends = (
        tnt.OptimEngine(tnt.hooks.record(every=2)).train(**on),
        train(problem, *hooks, **how, resume=tmp_path),
    )
    for end in ends:
        for name in ("params", "opt_state"):
            one, other = (jax.tree.leaves(getattr(x, name)) for x in (whole, end))
            assert all(map(np.array_equal, one, other))
        assert end.history["lr"] == whole.history["lr"]


def test_it_is_float32_whatever_the_parameters_are(problem):
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), problem.params)
    state = train(problem, tnt.hooks.record(), optimizer=optax.sgd, params=params)
    assert state.history["lr"] == [0.1, 0.1]  # 0.10009765625 in bfloat16
    assert state.params["weight"].dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"lr": None}, TypeError, r"=adam is a function .* Pass lr=1e-3 or a schedule"),
        ({"lr": -0.1}, ValueError, "lr must be at least 0, got -0.1"),
        ({"lr": "0.1"}, TypeError, "lr must be a number, got '0.1'"),
        ({"lr": np.ones(2)}, TypeError, "lr must be a number, got float64"),
        ({"lr": lambda t: np.nan}, ValueError, "what the schedule returned must be"),
        ({"lr": lambda t: None}, TypeError, "what the schedule returned must be a num"),
        ({"optimizer": optax.adam(0.1)}, TypeError, "made with its rate.*Leave out lr"),
        ({"optimizer": "adam"}, TypeError, "must be an optimizer of optax.*'adam'"),
        ({"optimizer": optax.set_to_zero}, TypeError, "must be an optimizer of optax"),
        (
            {"optimizer": functools.partial(optax.adam, 1e-3)},
            TypeError,
            "must be an optimizer of optax",
        ),
        ({"optimizer": SimpleNamespace(init=dict)}, TypeError, "must be an optimizer"),
        ({"optimizer": lambda *, rate: 3}, TypeError, "must be an optimizer of optax"),
        ({"optimizer": lambda lr: 3}, TypeError, "what .* makes of lr must be .*got 3"),
    ],
)
def test_bad_arguments(problem, change, error, words):
    with pytest.raises(error, match=words):
        train(problem, **{"optimizer": optax.adam, **change})


def test_a_number_does_not_replace_the_rate_of_a_state(problem):
    state = train(problem, optimizer=optax.adam)
    job = problem.job(optimizer=optax.adam, state=state)
    del job["params"]
    with pytest.raises(TypeError, match="goes on with the learning rate of that State"):
        tnt.OptimEngine().train(**job)
