"""Laws of all functions of [..., T] with lengths, over one table."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax import speech

T, LENGTH, BANDS = 1400, 1003, 5  # five bins has a transform of 8
SMALL = {"size": 64, "hop": 24}
RATES = {"source_rate": 3, "target_rate": 2}
MOMENTS = speech.FeatureMoments(*map(np.float32, (9, 1, 4)))

WAVES = {
    "frames": functools.partial(speech.frames, **SMALL),
    "frames, zero": functools.partial(speech.frames, pad="zero", **SMALL),
    "frames, reflect": functools.partial(speech.frames, pad="reflect", **SMALL),
    "frames, odd": functools.partial(speech.frames, size=5, hop=7, pad="reflect"),
    "pre_emphasis": speech.pre_emphasis,
    "stft": functools.partial(speech.stft, **SMALL),
    "log_mel, whisper": speech.log_mel,
    "log_mel, kaldi": functools.partial(speech.log_mel, preset="kaldi"),
    "log_mel, librosa": functools.partial(speech.log_mel, preset="librosa"),
    "mfcc": speech.mfcc,
    "resample, down": functools.partial(speech.resample, **RATES),
    "resample, up": functools.partial(speech.resample, source_rate=4, target_rate=5),
}
FEATURES = {
    "istft": lambda x, n: speech.istft(jax.lax.complex(x, -x), n, size=8, hop=3),
    "deltas": speech.deltas,
    "cmvn": speech.cmvn,
    "cmvn, global": functools.partial(speech.cmvn, moments=MOMENTS),
    "cmvn, mean": functools.partial(speech.cmvn, variance=False),
}
RANDOM_WAVES = {
    "dither": functools.partial(speech.dither, scale=0.1),
    "time_shift": functools.partial(speech.time_shift, most=300),
    "add_noise": lambda key, x, n: speech.add_noise(key, x, NOISE, 3.0, n, 500),
}
RANDOM_FEATURES = {
    "spec_augment": functools.partial(
        speech.spec_augment, time_width=400, frequency_width=3
    ),
}
NOISE = np.random.default_rng(9).normal(size=600).astype(np.float32)


def of_waves(rng):
    return rng.normal(size=T).astype(np.float32)


def of_features(rng):
    return rng.normal(size=(T, BANDS)).astype(np.float32)


def with_key(function):
    return lambda x, n: function(jax.random.key(3), x, n)


PLAIN = {
    **{name: (f, of_waves) for name, f in WAVES.items()},
    **{name: (f, of_features) for name, f in FEATURES.items()},
    **{name: (with_key(f), of_waves) for name, f in RANDOM_WAVES.items()},
    **{name: (with_key(f), of_features) for name, f in RANDOM_FEATURES.items()},
}
TABLE = {name: (jax.jit(f), make) for name, (f, make) in PLAIN.items()}
OTHERS = {
    "MelSettings",
    "feature_moments",
    "frame_lengths",
    "mel_filters",
}
"""Public functions of arrays, but not of [..., T] with lengths."""

OF_TIME = {
    name
    for name in speech.__all__
    if name[0].islower() and not name.startswith(("ctc_", "read_", "fold_", "frame_l"))
}


@pytest.fixture(params=TABLE, ids=lambda name: name.replace(" ", ""))
def case(request):
    function, make = TABLE[request.param]
    return function, make(np.random.default_rng(1))


def values_of(result):
    return result.values if isinstance(result, speech.Padded) else result


def real_part(result, length=LENGTH):
    if isinstance(result, speech.Padded):
        return np.asarray(result.values[: int(result.lengths)])
    return np.asarray(result[:length])


def test_each_feature_has_a_row():
    named = {name.split(",")[0] for name in TABLE}
    assert named == OF_TIME - OTHERS


SLOW = [pytest.param(junk, marks=pytest.mark.slow) for junk in (np.inf, 3e38)]


@pytest.mark.parametrize("junk", [np.nan, *SLOW])
def test_padding_never_leaks(case, junk):
    function, x = case
    x[LENGTH:] = junk
    padded, alone = function(x, LENGTH), function(x[:LENGTH], LENGTH)
    expected = real_part(alone)
    np.testing.assert_allclose(real_part(padded), expected, rtol=1e-4, atol=1e-5)
    values = np.asarray(values_of(padded))
    assert np.all(values[len(expected) :] == 0)
    assert np.isfinite(expected).all() and np.abs(expected).sum() > 0


@pytest.mark.slow
def test_no_lengths_are_full_lengths(case):
    function, x = case
    results = function(x, None), function(x, T)
    for whole, full in zip(*map(jax.tree.leaves, results), strict=True):
        np.testing.assert_array_equal(whole, full)


def test_a_row_without_samples_is_zeros(case):
    function, x = case
    values = np.asarray(values_of(function(x, 0)))
    assert np.all(values == 0)


def test_results_have_strong_dtypes(case):
    function, x = case
    for leaf in jax.tree.leaves(function(x, LENGTH)):
        assert not leaf.weak_type
        assert leaf.dtype in (jnp.float32, jnp.int32, jnp.complex64)


@pytest.mark.slow
def test_64_bits_of_jax_change_nothing(case):
    function, x = case
    expected = jax.tree.leaves(function(x, LENGTH))
    jax.config.update("jax_enable_x64", True)
    try:
        found = jax.tree.leaves(function(x, LENGTH))
    finally:
        jax.config.update("jax_enable_x64", False)
    for left, right in zip(found, expected, strict=True):
        assert left.dtype == right.dtype
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_compiled_code_computes_the_same(case):
    function, x = case
    with jax.disable_jit():
        plain = jax.tree.leaves(function(x, LENGTH))
    compiled = jax.tree.leaves(function(x, LENGTH))
    for left, right in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1.0, 0.0])
@pytest.mark.parametrize("length", [LENGTH, 2, 0])
def test_gradients_are_finite(case, scale, length):
    function, x = case
    x *= scale
    x[length:] = np.nan  # whatever lies there

    def total(x):
        leaves = jax.tree.leaves(function(x, length))
        floats = [x for x in leaves if not jnp.issubdtype(x.dtype, jnp.integer)]
        return sum(jnp.sum(jnp.abs(x) ** 2) for x in floats)

    grad = np.asarray(jax.grad(total)(jnp.asarray(x)))
    assert np.isfinite(grad).all()
    assert np.all(grad[length:] == 0)
    assert length < LENGTH or not scale or np.any(grad)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*WAVES, *FEATURES])
@pytest.mark.parametrize("shape", [(0, T), (2, 0), (0, 0)])
def test_no_rows_and_no_samples_have_no_values(name, shape):
    function, make = PLAIN[name]
    x = make(np.random.default_rng(0))
    result = function(np.zeros((*shape, *x.shape[1:]), np.float32), None)
    values = np.asarray(values_of(result))
    assert values.shape[0] == shape[0] and not values.any()
    if isinstance(result, speech.Padded):
        assert result.lengths.shape == shape[:1] and not result.lengths.any()


def test_a_number_that_32_bits_do_not_hold_is_a_length():
    x = of_waves(np.random.default_rng(0))
    long, full = (speech.pre_emphasis(x, length) for length in (2**40, T))
    np.testing.assert_array_equal(long, full)
    assert not speech.pre_emphasis(x, np.array(-(2**40))).any()


@pytest.mark.slow
@pytest.mark.parametrize("name", [*WAVES, *FEATURES])
def test_a_batch_is_its_rows(name):
    function, make = TABLE[name]
    rng = np.random.default_rng(2)
    rows, lengths = np.stack([make(rng) for _ in range(4)]), np.array([LENGTH, 7, T, 0])
    grid = function(rows.reshape(2, 2, *rows.shape[1:]), lengths.reshape(2, 2))
    mapped = jax.vmap(function)(rows, lengths)
    for left, right in zip(*map(jax.tree.leaves, (grid, mapped)), strict=True):
        left = np.asarray(left).reshape(right.shape)
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*RANDOM_WAVES, *RANDOM_FEATURES])
def test_each_example_has_a_key_of_its_own(name):
    function = {**RANDOM_WAVES, **RANDOM_FEATURES}[name]
    shape = (T,) if name in RANDOM_WAVES else (T, BANDS)
    rows = np.ones((6, *shape), np.float32)
    if name == "time_shift":
        rows[:, 500:900] = 0
    if name == "add_noise":
        noise = np.tile(NOISE, (6, 1))
        changed = speech.add_noise(jax.random.key(3), rows, noise, 3.0)
    else:
        changed = function(jax.random.key(3), rows, None)
    assert len({row.tobytes() for row in np.asarray(changed)}) > 3
