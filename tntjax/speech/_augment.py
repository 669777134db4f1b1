"""Random changes of signals and features, each with a key for each example."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jax.typing import ArrayLike

from tntjax._array import as_array
from tntjax._check import require
from tntjax._numbers import check_at_least, is_number
from tntjax.speech._lengths import (
    Lengths,
    as_features,
    as_wave,
    check_scalar,
    cut,
    map_keys,
)


def spec_augment(
    key: jax.Array,
    features: ArrayLike,
    lengths: Lengths = None,
    *,
    num_frequency_masks: int = 2,
    frequency_width: int = 27,
    num_time_masks: int = 2,
    time_width: int = 100,
    time_rate: float = 1.0,
    fill: float = 0.0,
) -> jax.Array:
    """Hides bands of frequencies and spans of time.

    Args:
      key: a key of `jax.random`, which is consumed: a part of it for each example.
      features: [..., F, D] floating, best normalized so that `fill` is the mean.
      lengths: [...] how many frames are real, None for all. Spans lie within them.
      num_frequency_masks: how many bands.
      frequency_width: the widest band, of the D features.
      num_time_masks: how many spans.
      time_width: the longest span, in frames.
      time_rate: the longest span, as a share of the example's frames.
      fill: what stands in hidden places.

    Returns:
      [..., F, D] of the dtype of the features, zeros past `lengths`.

    Raises:
      ValueError: if a number or width is negative, or the rate not from 0 to 1.

    Example:
      >>> x = jnp.ones((4, 200, 80), jnp.float32)
      >>> spec_augment(jax.random.key(0), x, [200, 200, 100, 50]).shape
      (4, 200, 80)

    Park et al., SpecAugment (2019), policy LD without warping; `time_rate` is their p.
    """
    for size in (num_frequency_masks, frequency_width, num_time_masks, time_width):
        check_at_least("spec_augment: a number or width of masks", size, 0)
    traced = isinstance(time_rate, Tracer)
    fits = is_number(time_rate) and (traced or 0 <= time_rate <= 1)
    require(fits, "spec_augment needs time_rate from 0 to 1", time_rate)
    check_scalar("spec_augment: fill", fill)
    features, lengths = as_features(features, lengths, "spec_augment")
    size, bands = features.shape[-2:]
    widest = min(frequency_width, bands)

    def hide(key: jax.Array, example: jax.Array, length: jax.Array) -> jax.Array:
        keys = jax.random.split(key)
        longest = (time_rate * length).astype(jnp.int32)
        longest = jnp.minimum(min(time_width, size), longest)
        in_bands = _draw_spans(keys[0], num_frequency_masks, widest, bands, bands)
        in_spans = _draw_spans(keys[1], num_time_masks, longest, length, size)
        hidden = in_bands | in_spans[:, None]  # [F, D]
        return jnp.where(hidden, jnp.asarray(fill, example.dtype), example)

    hidden = map_keys(hide, key, lengths.shape, features, lengths)
    return cut(hidden, lengths)


def _draw_spans(
    key: jax.Array, count: int, widest: ArrayLike, length: ArrayLike, size: int
) -> jax.Array:
    """Draws spans of 0 to `widest` places that lie below `length`: [size] bool."""
    width, place = jax.random.uniform(key, (2, count), jnp.float32)
    width = jnp.floor(width * (jnp.asarray(widest) + 1)).astype(jnp.int32)
    start = jnp.floor(place * (jnp.asarray(length) - width + 1)).astype(jnp.int32)
    steps = jnp.arange(size)[:, None]
    return jnp.any((start <= steps) & (steps < start + width), -1)


def add_noise(
    key: jax.Array,
    wave: ArrayLike,
    noise: ArrayLike,
    snr: ArrayLike,
    lengths: Lengths = None,
    noise_lengths: Lengths = None,
) -> jax.Array:
    """Mixes noise in, from a random place on and over again, so much below the signal.

    The powers are means over the real samples of each signal and of the noise in it.

    Args:
      key: a key of `jax.random`, which is consumed: a part of it for each example.
      wave: [..., T] samples, floats or int16.
      noise: [..., N] samples, one noise for each signal.
      snr: decibels that the signal is above the noise; [] or [...].
      lengths: [...] how many samples are real, None for all.
      noise_lengths: [...] how many samples of noise are real, None for all.

    Returns:
      [..., T] float32 or wider, zeros past `lengths`; it may go beyond -1 and 1. A
      silent signal stays silent.

    Raises:
      ValueError: if there is not one noise for each signal.

    Example:
      >>> mixed = add_noise(jax.random.key(0), jnp.ones((1, 4)), jnp.ones((1, 2)), 20.0)
      >>> mixed[0, 0].item() - 1 < 0.1001
      True
    """
    wave, lengths = as_wave(wave, lengths, "add_noise")
    noise, sizes = as_wave(noise, noise_lengths, "add_noise", "noise_lengths")
    decibels: Any = as_array(snr)
    same = wave.shape[:-1] == noise.shape[:-1]
    require(same, "add_noise needs a noise for each signal", wave, noise)
    fits = decibels.shape in ((), lengths.shape)
    kinds = (jnp.integer, jnp.floating)
    fits &= any(jnp.issubdtype(decibels.dtype, kind) for kind in kinds)
    needs = f"add_noise needs snr of shape [] or {list(lengths.shape)}, decibels"
    require(fits, needs, snr)
    level = 10 ** (-jnp.asarray(decibels, wave.dtype) / 20)
    level = jnp.broadcast_to(level, lengths.shape)[..., None]
    noise = jnp.pad(noise, [(0, 0)] * lengths.ndim + [(0, not noise.shape[-1])])

    def draw(
        key: jax.Array, wave: jax.Array, n: jax.Array, noise: jax.Array, m: jax.Array
    ) -> jax.Array:
        share = jax.random.uniform(key, dtype=jnp.float32)
        start = jnp.floor(share * m).astype(jnp.int32)
        places = start + jnp.arange(wave.size)
        chosen = noise[places % jnp.maximum(m, 1)]
        power, of_noise = jnp.sum(wave**2), jnp.sum(cut(chosen, n) ** 2)
        heard = (power > 0) & (of_noise > 0)
        # The root has no gradient at 0, so silence is left out before and after.
        share = jnp.where(heard, power / jnp.where(heard, of_noise, 1), 1)
        return chosen * jnp.where(heard, jnp.sqrt(share), 0)

    added = map_keys(draw, key, lengths.shape, wave, lengths, noise, sizes)
    return cut(wave + level * added, lengths)


def time_shift(
    key: jax.Array, wave: ArrayLike, lengths: Lengths = None, *, most: int
) -> jax.Array:
    """Moves each signal in time within its length, with zeros where it was.

    Args:
      key: a key of `jax.random`, which is consumed: a part of it for each example.
      wave: [..., T] samples, floats or int16.
      lengths: [...] how many samples are real, None for all.
      most: samples that a signal is moved at most, to either side.

    Returns:
      [..., T] float32 or wider, zeros past `lengths`.

    Raises:
      ValueError: if `most` is negative.

    Example:
      >>> time_shift(jax.random.key(0), jnp.ones((2, 5)), most=0).sum().item()
      10.0
    """
    most = min(check_at_least("time_shift: most", most, 0), 1 << 30)  # of 32 bits
    wave, lengths = as_wave(wave, lengths, "time_shift")

    def move(key: jax.Array, wave: jax.Array) -> jax.Array:
        shift = jax.random.randint(key, (), -most, most + 1, jnp.int32)
        places = jnp.arange(wave.size) - shift
        inside = (places >= 0) & (places < wave.size)
        return jnp.where(inside, wave[jnp.clip(places, 0, wave.size - 1)], 0)

    return cut(map_keys(move, key, lengths.shape, wave), lengths)


def dither(
    key: jax.Array,
    wave: ArrayLike,
    lengths: Lengths = None,
    *,
    scale: float = 1 / 32768,
) -> jax.Array:
    """Adds normal noise, so that digital silence has a logarithm.

    Args:
      key: a key of `jax.random`, which is consumed: a part of it for each signal.
      wave: [..., T] samples, floats or int16.
      lengths: [...] how many samples are real, None for all.
      scale: standard deviation; the default is Kaldi's 1 of a 16-bit sample.

    Returns:
      [..., T] float32 or wider, zeros past `lengths`.

    Example:
      >>> dither(jax.random.key(0), [[0.0, 0.0, 0.0]], [2])[0, 2].tolist()
      0.0
    """
    check_scalar("dither: scale", scale)
    wave, lengths = as_wave(wave, lengths, "dither")
    normal = partial(jax.random.normal, shape=wave.shape[-1:], dtype=wave.dtype)
    noise = map_keys(normal, key, lengths.shape)
    return cut(wave + jnp.asarray(scale, wave.dtype) * noise, lengths)
