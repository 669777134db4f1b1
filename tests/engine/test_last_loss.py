"""The mean loss of the last update, which hooks of the host see as a number."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt


def network(params, input):
    return input * params


def squares(output, target):
    return (output - target) ** 2


def mean_square(output, target):
    return jnp.mean((output - target) ** 2)


ROWS = [
    {"input": np.full(4, k, np.float32), "target": np.arange(4.0)} for k in range(7)
]


def losses_by_hand(rows=ROWS):
    """Returns the loss of each update of gradient descent from 0 with the rate 0.01."""
    params, losses = 0.0, []
    for row in rows:
        kept = row.get("mask", np.ones(4, bool))
        error = (row["input"] * params - row["target"])[kept]
        losses.append(np.mean(error**2))
        params -= 0.01 * np.mean(2 * error * row["input"][kept])
    return losses


def run(rows=ROWS, hooks=None, criterion=squares, **changes):
    return tnt.SGDEngine(hooks or tnt.Hooks()).train(
        network=network,
        criterion=criterion,
        iterator=tnt.DatasetIterator(rows),
        params=jnp.zeros(()),
        lr=0.01,
        max_epoch=1,
        **changes,
    )


@pytest.mark.parametrize("criterion", [squares, mean_square])
@pytest.mark.parametrize("more", [{}, {"jit": False}, {"accumulate": 2}])
def test_watch_every_and_the_end_see_it(criterion, more):
    seen = {}

    def note(state):
        assert type(state.loss) is float
        seen[state.t] = state.loss
        return state

    state = run(
        hooks=tnt.chain(tnt.watch(2, note), tnt.every(3, note)),
        criterion=criterion,
        **more,
    )
    wanted = losses_by_hand()
    for t in (2, 3, 4, 6):
        assert seen[t] == pytest.approx(wanted[t - 1], rel=1e-5)
    assert state.loss == pytest.approx(wanted[-1], rel=1e-5)


def test_hidden_rows_do_not_count():
    mask = np.array([True, False, True, True])
    rows = [{**row, "mask": mask} for row in ROWS]
    assert run(rows).loss == pytest.approx(losses_by_hand(rows)[-1], rel=1e-5)


def test_a_loss_of_a_skipped_update_is_seen():
    rows = [*ROWS, {"input": np.full(4, np.nan, np.float32), "target": np.zeros(4)}]

    def skip_what_is_not_finite(state):
        return state.replace(skip=~jnp.isfinite(state.grads))

    state = run(rows, tnt.Hooks(on_backward=skip_what_is_not_finite))
    assert math.isnan(state.loss) and math.isfinite(state.params)


def test_hooks_may_compile_but_not_change_it():
    assert run(hooks=tnt.every(2, jax.jit(lambda state: state))).loss > 0
    with pytest.raises(TypeError, match=r"state\.loss\. The engine measures it"):
        run(hooks=tnt.every(2, lambda state: state.replace(loss=0.0)))


def test_of_half_precision_it_is_a_number():
    def half(output, target):
        return squares(output, target).astype(jnp.bfloat16)

    assert run(criterion=half).loss == pytest.approx(losses_by_hand()[-1], rel=0.02)


def test_going_on_and_testing():
    state = run()
    with pytest.warns(UserWarning, match="nothing was left to train"):
        more = tnt.SGDEngine().train(
            network=network,
            criterion=squares,
            iterator=tnt.DatasetIterator(ROWS),
            state=state,
            max_epoch=1,
        )
    assert more.loss == state.loss
    tested = tnt.SGDEngine().test(
        network=network,
        criterion=squares,
        iterator=tnt.DatasetIterator(ROWS),
        params=state.params,
    )
    assert tested.loss is None
