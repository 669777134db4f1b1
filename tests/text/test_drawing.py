"""mask_tokens and sample: how often what is drawn, and of which key."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax import text

KEY = jax.random.key(0)


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


def test_tokens_are_hidden_as_often_as_bert_does():
    ids = jnp.full((200, 100), 5, jnp.int32)
    masked = jax.jit(lambda k: text.mask_tokens(k, ids, 1, 1000))(KEY)
    chosen = np.asarray(masked.mask)
    assert abs(chosen.mean() - 0.15) < 0.01
    inside = np.asarray(masked.input)[chosen]
    assert abs((inside == 1).mean() - 0.8) < 0.03
    assert abs((inside == 5).mean() - 0.1) < 0.03
    assert (np.asarray(masked.input)[~chosen] == 5).all()
    assert masked.input.dtype == jnp.int32
    assert len({row.tobytes() for row in chosen}) == 200  # each row of its own


def test_the_same_tokens_are_hidden_where_jax_has_64_bits():
    ids = np.arange(40, dtype=np.int32).reshape(2, 20)
    expected = text.mask_tokens(KEY, ids, 1, 1000, rate=0.5)
    jax.config.update("jax_enable_x64", True)
    try:
        found = text.mask_tokens(KEY, ids, 1, 1000, rate=0.5)
    finally:
        jax.config.update("jax_enable_x64", False)
    assert found.input.tolist() == expected.input.tolist()
    assert found.mask.tolist() == expected.mask.tolist()


def test_padding_is_never_chosen():
    allowed = np.arange(50) < 20
    ids = np.zeros((4, 50), np.uint16)
    masked = text.mask_tokens(KEY, ids, 1, 9, rate=1.0, mask=np.tile(allowed, (4, 1)))
    assert (np.asarray(masked.mask) == allowed).all()
    assert masked.input.dtype == np.uint16


def test_the_best_is_drawn_at_temperature_0_and_with_one_to_draw_from():
    logits = np.random.default_rng(0).normal(size=(6, 9)).astype(np.float32)
    best = logits.argmax(1).tolist()
    assert text.sample(KEY, logits, temperature=0).tolist() == best
    assert text.sample(KEY, logits, top_k=1).tolist() == best
    assert text.sample(KEY, logits, top_p=1e-6).tolist() == best
    assert text.sample(KEY, logits, temperature=1e-4).tolist() == best
    assert text.sample(KEY, logits[0]).shape == ()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        slow({}, [0.05, 0.5, 0.15, 0.3]),
        slow({"top_k": 2}, [0, 0.625, 0, 0.375]),
        slow({"top_k": 9}, [0.05, 0.5, 0.15, 0.3]),
        slow({"top_p": 0.75}, [0, 0.625, 0, 0.375]),
        slow({"top_p": 0.85}, [0, 0.5 / 0.95, 0.15 / 0.95, 0.3 / 0.95]),
        ({"top_k": 3, "top_p": 0.8}, [0, 0.625, 0, 0.375]),
        slow({"temperature": 0.5}, np.array([25, 2500, 225, 900]) / 3650),
    ],
)
def test_ids_are_drawn_as_often_as_is_likely(options, expected):
    logits = jnp.tile(jnp.log(jnp.array([0.05, 0.5, 0.15, 0.3])), (20_000, 1))
    drawn = jax.jit(lambda key: text.sample(key, logits, **options))(KEY)
    assert drawn.dtype == jnp.int32
    found = np.bincount(drawn, minlength=4) / len(drawn)
    np.testing.assert_allclose(found, expected, atol=0.015)
    assert (found[np.asarray(expected) == 0] == 0).all()


def test_of_equal_ones_the_lower_ids_are_kept():
    drawn = text.sample(KEY, jnp.zeros((500, 5)), top_k=2)
    assert set(drawn.tolist()) == {0, 1}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": -1}, "temperature >= 0, finite, got -1"),
        ({"top_k": 0}, "top_k must be at least 1"),
        ({"top_p": 0}, "0 < top_p <= 1, got 0"),
        ({"logits": np.ma.zeros(3)}, "masked array"),
        ({"logits": jnp.zeros(3, int)}, "sample needs float logits, got int32"),
        ({"logits": None}, "sample needs float logits, got object"),
    ],
)
def test_bad_settings_are_told(options, words):
    with pytest.raises((ValueError, TypeError), match=words):
        text.sample(KEY, **{"logits": jnp.zeros(3), **options})
    with pytest.raises(ValueError, match=r"rate in \[0, 1\], got 2"):
        text.mask_tokens(KEY, [1], 0, 3, rate=2)


def test_a_tiny_temperature_is_the_best_id():
    logits = jnp.log(jnp.array([[0.1, 0.6, 0.3]]))
    for temperature in (1e-40, 1e-30, 1e-5):
        drawn = text.sample(jax.random.key(0), logits, temperature=temperature)
        assert drawn.tolist() == [1]


def test_sequences_of_no_tokens_are_masked_too():
    masked = text.mask_tokens(jax.random.key(0), jnp.zeros((2, 0), int), 1, 9)
    assert masked.input.shape == masked.mask.shape == (2, 0)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"hidden": 300}, ValueError, "hidden must be one id of int8, got 300"),
        ({"hidden": 1.5}, TypeError, "hidden must be an integer"),
        ({"vocabulary": 300}, ValueError, "vocabulary - 1 must be one id of int8"),
    ],
)
def test_ids_that_the_dtype_does_not_hold_are_told(options, error, words):
    ids = jnp.zeros(3, jnp.int8)
    with pytest.raises(error, match=words):
        text.mask_tokens(
            jax.random.key(0), ids, **{"hidden": 1, "vocabulary": 9, **options}
        )


@pytest.mark.parametrize("shape", [(2, 0), ()])
def test_logits_are_of_some_ids(shape):
    with pytest.raises(ValueError, match=r"logits \[..., V\], V > 0, got float32"):
        text.sample(jax.random.key(0), np.zeros(shape, np.float32))


@pytest.mark.parametrize("key", [0, None, jax.random.split(jax.random.key(0), 2)])
def test_what_is_not_one_key_is_told(key):
    words = "must be (a|one) PRNG key, got .* Write key="
    with pytest.raises(TypeError, match=f"sample: key {words}"):
        text.sample(key, jnp.zeros((2, 3)))
    with pytest.raises(TypeError, match=f"mask_tokens: key {words}"):
        text.mask_tokens(key, jnp.zeros((2, 3), int), 1, 9)


NOTHING = [
    [-np.inf] * 3,
    [0.0, np.nan, 1.0],
    [-np.inf, 2.0, -np.inf],
    [0.0, np.inf, 1.0],
]


@pytest.mark.parametrize(
    "options", [{}, {"temperature": 0}, {"top_k": 1}, {"top_p": 0.5}, {"top_k": 2}]
)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_no_id_is_drawn_of_a_row_of_nothing(options, dtype):
    logits = jnp.array(NOTHING, dtype)
    draw = lambda key: text.sample(key, logits, **options)  # noqa: E731
    for drawn in (draw(KEY), jax.jit(draw)(KEY)):
        assert drawn.dtype == jnp.int32 and not drawn.weak_type
        assert drawn.tolist() == [-1, -1, 1, 1]


def test_an_id_of_nothing_is_told_when_it_is_read():
    vocab = text.Vocab(["a", "b", "c"], unknown=None)
    ids = text.sample(KEY, jnp.full((2, 3), jnp.nan))
    with pytest.raises(ValueError, match="-1"):
        vocab.decode(ids)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda n: text.causal_mask(n), r"causal_mask: length .* than 2\*\*30, got"),
        (
            lambda n: text.length_mask(jnp.array([2]), n),
            "length_mask: size must be less",
        ),
        (lambda n: search(width=n), "beam_search: width must be less than"),
        (lambda n: search(length=n), "beam_search: length must be less than"),
    ],
)
@pytest.mark.parametrize("size", [2**31, 2**63, np.uint64(2**63)])
def test_sizes_beyond_those_of_arrays_are_told(make, words, size):
    with pytest.raises(ValueError, match=words):
        make(size)
    with pytest.raises(ValueError, match=words):
        jax.jit(lambda: make(size))()


def search(**sizes):
    def step(state, ids):
        return jnp.zeros((len(ids), 3)), state

    return text.beam_search(
        step, (), jnp.array([0]), **{"width": 2, "length": 2, "end": 0, **sizes}
    )
