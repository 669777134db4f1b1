"""Gradients in pieces: what fires when, and what hooks see."""

import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tests.engine.conftest import criterion, network
from tntjax.engine._hooks import STEP_EVENTS


def fired(problem, accumulate, **how):
    seen = []

    def note(event):
        def hook(state):
            rows = None if state.sample is None else len(state.sample["target"])
            shape = None if state.loss is None else state.loss.shape
            seen.append((event, rows, shape))
            return state

        return hook

    hooks = tnt.Hooks(**{event: note(event) for event in STEP_EVENTS})
    given = {**problem.job(accumulate=accumulate, jit=False, max_epoch=1), **how}
    tnt.SGDEngine(hooks).train(**given)
    return seen


PIECE = ("on_forward", "on_forward_criterion", "on_backward_criterion")


@pytest.mark.slow
def test_what_fires_for_a_piece_and_what_for_a_batch(problem):
    batches = tnt.BatchDataset(problem.dataset(), 7, policy="skip-last")
    seen = fired(problem, 3, iterator=tnt.DatasetIterator(batches))[:12]
    assert [event for event, *_ in seen] == [
        "on_sample",
        *PIECE,
        *PIECE,
        *PIECE,
        "on_backward",
        "on_update",
    ][:12]
    rows = [rows for event, rows, _ in seen if event == "on_forward"]
    assert sorted(rows) == [1, 3, 3]  # 7 rows in three pieces
    assert seen[-2] == ("on_backward", 7, (7,))


def test_losses_are_in_the_order_of_the_rows(problem):
    def keep(state):
        return state.replace(aux={"loss": state.loss})

    def start(state):
        return state.replace(aux={"loss": jnp.zeros(53)})

    hooks = tnt.Hooks(on_start=start, on_backward=keep)
    whole = tnt.DatasetIterator(tnt.BatchDataset(problem.dataset(), 53))
    given = problem.job(
        iterator=whole,
        max_epoch=1,
        params={"weight": jnp.arange(15.0).reshape(5, 3), "bias": jnp.zeros(3)},
    )
    losses = [
        tnt.SGDEngine(hooks).train(**given, accumulate=k).aux["loss"] for k in (1, 4)
    ]
    np.testing.assert_allclose(*losses, rtol=1e-4, atol=1e-5)
    assert len(np.unique(losses[0])) == 53


def test_more_pieces_than_rows(problem):
    whole = tnt.DatasetIterator(tnt.BatchDataset(problem.dataset(), 5))
    given = problem.job(iterator=whole, max_epoch=1)
    one, many = (tnt.SGDEngine().train(**given, accumulate=k) for k in (1, 100))
    np.testing.assert_allclose(one.params["weight"], many.params["weight"], atol=1e-6)
    assert int(many.t) == 11


def test_a_leaf_without_rows_goes_to_every_piece(problem):
    def temperature(state):
        return state.replace(sample={**state.sample, "temperature": jnp.float32(2.0)})

    def divide(state):
        return state.replace(output=state.output / state.sample["temperature"])

    hooks = tnt.Hooks(on_sample=temperature, on_forward=divide)
    one, three = (
        tnt.SGDEngine(hooks).train(**problem.job(accumulate=k)) for k in (1, 3)
    )
    np.testing.assert_allclose(one.params["weight"], three.params["weight"], atol=1e-6)


def test_a_mean_that_hides_a_mask_is_an_error(problem):
    def mean(output, target):
        return criterion(output, target).mean()

    iterator = problem.iterator(policy="pad-last")
    given = problem.job(criterion=mean, iterator=iterator, accumulate=2)
    with pytest.raises(ValueError, match="must return one loss for each row"):
        tnt.SGDEngine().train(**given)


def test_the_network_sees_pieces_only(problem):
    shapes = []

    def noting(params, input):
        shapes.append(input.shape)
        return network(params, input)

    tnt.SGDEngine().train(**problem.job(network=noting, accumulate=4))
    assert set(shapes) == {(2, 5), (1, 5)}  # of batches of 8, and the last of 5
