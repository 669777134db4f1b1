"""beam_search: against all continuations, one by one."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.text import beam_search

SIZE, LENGTH, END = 3, 4, 0


@pytest.fixture(scope="module")
def tables():
    """For two rows the log probabilities after two tokens: [2, V, V, V]."""
    logits = np.random.default_rng(0).normal(size=(2, SIZE, SIZE, SIZE)) * 2
    return np.asarray(jax.nn.log_softmax(logits), np.float32)


def step(state, ids):  # carries the token before, which a wrong parent would spoil
    logits = jax.vmap(lambda t, b, i: t[b, i])(state["table"], state["before"], ids)
    return logits, {"table": state["table"], "before": ids}


def search(tables, **options):
    state = {"table": jnp.asarray(tables), "before": jnp.zeros(2, jnp.int32)}
    start = jnp.array([1, 2])
    return beam_search(step, state, start, length=LENGTH, end=END, **options)


def enumerate_all(table, start, penalty):
    """All continuations with their scores, the best first."""
    found = {}
    for ids in itertools.product(range(SIZE), repeat=LENGTH):
        count = ids.index(END) + 1 if END in ids else LENGTH
        own = ids[:count] + (END,) * (LENGTH - count)
        before, last, total = 0, start, 0.0
        for token in ids[:count]:
            total += table[before, last, token]
            before, last = last, token
        found[own] = total / ((5 + count) / 6) ** penalty, count
    return sorted(found.items(), key=lambda item: -item[1][0])


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_of_all(tables, penalty):
    width = SIZE**LENGTH
    beams = jax.jit(lambda t: search(t, width=width, penalty=penalty))(tables)
    for row, start in enumerate((1, 2)):
        expected = enumerate_all(tables[row], start, penalty)
        for place, (ids, (score, count)) in enumerate(expected[:10]):
            assert tuple(beams.ids[row, place].tolist()) == ids
            assert float(beams.score[row, place]) == pytest.approx(score, abs=1e-4)
            assert int(beams.length[row, place]) == count
        assert (np.asarray(beams.score[row, len(expected) :]) == -np.inf).all()


def test_a_beam_of_one_is_greedy(tables):
    beams = search(tables, width=1)
    for row, start in enumerate((1, 2)):
        before, last, ids = 0, start, []
        while len(ids) < LENGTH:
            token = END if END in ids else int(tables[row, before, last].argmax())
            before, last = last, token
            ids.append(token)
        assert beams.ids[row, 0].tolist() == ids


@pytest.mark.slow
def test_the_same_without_jit_and_a_narrow_beam_is_never_better(tables):
    narrow, wide = search(tables, width=2), search(tables, width=20)
    assert (narrow.score[:, 0] <= wide.score[:, 0] + 1e-6).all()
    with jax.disable_jit():
        eager = search(tables, width=2)
    np.testing.assert_array_equal(eager.ids, narrow.ids)
    np.testing.assert_allclose(eager.score, narrow.score, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"start": 1}, ValueError, r"start of shape \[B\], got"),
        ({"start": [1.0]}, TypeError, "integers as start"),
        ({"width": 0}, ValueError, "width must be at least 1"),
        ({"length": 0}, ValueError, "length must be at least 1"),
        ({"step": None}, TypeError, "a function as step, but it is None"),
    ],
)
def test_bad_settings_are_told(changes, error, words):
    job = {"start": [1], "width": 2, "length": 2, "end": 0, "step": step, **changes}
    with pytest.raises(error, match=words):
        beam_search(state=(), **job)


SMALL = jnp.log(jnp.array([[0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1]]))


def small(step=lambda state, ids: (SMALL[ids], state), state=(), start=(0,), **options):
    options = {"width": 2, "length": 3, "end": 0, **options}
    return beam_search(step, state, jnp.array(start, int), **options)


def test_a_continuation_without_a_next_token_is_given_up_and_spoils_no_other():
    def dead_end(state, ids):  # nothing follows token 2, and NaN follows token 1
        logits = jnp.where((ids == 2)[:, None], -jnp.inf, SMALL[ids])
        return jnp.where((ids == 1)[:, None], jnp.nan, logits), state

    beams = small(dead_end, width=4)
    assert beams.ids[0, 0].tolist() == [0, 0, 0]
    assert np.isinf(beams.score[0, 1:]).all()
    assert beams.length[0].tolist() == [1, 0, 0, 0] and not beams.ids[0, 1:].any()
    np.testing.assert_allclose(beams.score[0, 0], np.log(0.2), rtol=1e-6)
    assert np.isneginf(beams.score[0, 1:]).all()


def test_no_rows_have_no_continuations():
    assert small(start=()).ids.shape == (0, 2, 3)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"end": 1.5}, TypeError, "end must be an integer"),
        ({"end": 2**31}, ValueError, "end must be one id of int32, got 2147483648"),
        ({"penalty": float("nan")}, ValueError, "a finite penalty, got nan"),
        ({"state": jnp.zeros(5)}, ValueError, r"leaves \[B, ...\], B = 1, got"),
        ({"step": lambda s, i: SMALL[i]}, TypeError, r"returns \(logits, state\), got"),
        ({"step": lambda s, i: (SMALL[i][None], s)}, ValueError, r"B \* W = 2, got"),
        ({"step": lambda s, i: (None, s)}, ValueError, r"B \* W = 2, got object\[\]"),
        (
            {"state": jnp.zeros(1), "step": lambda s, i: (SMALL[i], (s > 0))},
            TypeError,
            "a state like the one it got, float32.*, got bool",
        ),
    ],
)
def test_a_step_or_a_state_of_another_form_is_told(options, error, words):
    with pytest.raises(error, match=words):
        small(**options)
