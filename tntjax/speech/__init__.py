"""Speech: readers, features and meters that know the lengths of signals."""

from tntjax.speech._augment import add_noise, spec_augment, time_shift
from tntjax.speech._cmvn import FeatureMoments, cmvn, feature_moments
from tntjax.speech._frames import dither, frames, pre_emphasis
from tntjax.speech._lengths import Padded, frame_lengths, length_mask
from tntjax.speech._log_mel import MEL_PRESETS, MelSettings, log_mel
from tntjax.speech._mel import mel_filters
from tntjax.speech._mfcc import deltas, mfcc
from tntjax.speech._resample import resample
from tntjax.speech._stft import istft, stft

__all__ = [
    "FeatureMoments",
    "MEL_PRESETS",
    "MelSettings",
    "Padded",
    "add_noise",
    "cmvn",
    "deltas",
    "dither",
    "feature_moments",
    "frame_lengths",
    "frames",
    "istft",
    "length_mask",
    "log_mel",
    "mel_filters",
    "mfcc",
    "pre_emphasis",
    "resample",
    "spec_augment",
    "stft",
    "time_shift",
]
