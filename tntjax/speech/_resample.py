"""Changing the sample rate by a polyphase filter."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax.speech._lengths import Lengths, Padded, as_wave, check_sizes, cut
from tntjax.speech._stft import split_blocks

PASS = 0.913
"""The share of the band that is kept as it is; soxr's high quality keeps as much."""

ATTENUATION = 125.0
"""Decibels by which what would be folded into the band is damped."""

MOST_WEIGHTS = 1 << 22
"""The largest product of the terms of a ratio; that of 44,100 to 8,000 is 35,280."""


def resample(
    wave: ArrayLike, lengths: Lengths = None, *, source_rate: int, target_rate: int
) -> Padded:
    """Changes the sample rate.

    Frequencies up to 91 % of half the lower rate are kept; what would be folded is
    damped by 125 dB. The signal is zero before its start and behind its end.

    Args:
      wave: [..., T] samples, floats or int16.
      lengths: [...] how many samples are real, None for all.
      source_rate: Hz, an integer.
      target_rate: Hz, an integer. Compute and memory grow with the rates divided by
        their greatest common divisor.

    Returns:
      [..., ceil(T * target / source)] float32 or wider, zeros past the ends; [...] the
      numbers of samples.

    Raises:
      ValueError: if a rate is below 1, or both divided so are large.

    Example:
      >>> resample(np.zeros(441), source_rate=44100, target_rate=16000).values.shape
      (160,)

    Kaiser's window; Crochiere and Rabiner, Multirate digital signal processing (1983).
    """
    rates = check_sizes("resample", 1, target_rate=target_rate, source_rate=source_rate)
    wave, lengths = as_wave(wave, lengths, "resample")
    up, down = (rate // math.gcd(*rates) for rate in rates)
    if up * down > MOST_WEIGHTS:
        raise ValueError(
            f"resample needs rates of a simple ratio, got {up}/{down}, whose filter"
            " would fill the memory. Read files at the rate:"
            " read_audio(path, sample_rate=...)."
        )
    if up == down:
        return Padded(wave, lengths)
    # n * up would run over 32 bits.
    whole, rest = lengths // down, lengths % down
    totals = whole * up + -(-rest * up // down)
    size = -(-wave.shape[-1] * up // down)
    return Padded(cut(_filter(wave, up, down, size), totals), totals)


@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def _filter(wave: jax.Array, up: int, down: int, size: int) -> jax.Array:
    """Computes `up` samples of each `down` by a convolution over whole blocks."""
    # Short blocks are grouped, so that the products of matrices are worth it.
    group = max(1, -(-64 // max(up, down)))
    up, down = up * group, down * group
    kernel, before = _kernel(up, down)  # [parts, down, up]
    count = -(-size // up)
    wave = jnp.pad(wave, [(0, 0)] * (wave.ndim - 1) + [(before, 0)])
    blocks = split_blocks(wave, count + len(kernel) - 1, down)
    values = jax.lax.conv_general_dilated(
        blocks.reshape(math.prod(wave.shape[:-1]), *blocks.shape[-2:]),
        jnp.asarray(kernel, wave.dtype),
        window_strides=(1,),
        padding="VALID",
        dimension_numbers=("NWC", "WIO", "NWC"),
        precision="highest",
    )
    return values.reshape(*wave.shape[:-1], count * up)[..., :size]


@functools.lru_cache(maxsize=16)
def _kernel(up: int, down: int) -> tuple[np.ndarray, int]:
    """Returns weights [parts, down, up], and how many samples they look back."""
    ratio = min(1.0, up / down)  # the band that is kept, of the source's
    transition = np.pi * (1 - PASS) * ratio
    half = (ATTENUATION - 8) / (2.285 * transition) / 2  # source samples
    before = math.ceil(half)
    parts = -(-(2 * before + down + 1) // down)
    taps = parts * down
    times = np.arange(up) * (down / up)  # [up] where the targets lie
    away = np.arange(taps)[:, None] - before - times  # [taps, up] from them
    band = ratio * (1 + PASS) / 2  # the middle of the transition
    inside = np.clip(1 - (away / half) ** 2, 0, None)
    beta = 0.1102 * (ATTENUATION - 8.7)
    window = np.where(inside > 0, np.i0(beta * np.sqrt(inside)) / np.i0(beta), 0)
    weights = band * np.sinc(band * away) * window
    return weights.reshape(parts, down, up), before
