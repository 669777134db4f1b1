"""Speech: readers, features and meters that know the lengths of signals."""

from tntjax.speech._audio import Audio, AudioHeader, read_audio, read_audio_header
from tntjax.speech._augment import add_noise, dither, spec_augment, time_shift
from tntjax.speech._cer import CERMeter
from tntjax.speech._ctc import ctc_beam, ctc_greedy, ctc_loss, ctc_valid
from tntjax.speech._features import FeatureMoments, cmvn, deltas, feature_moments
from tntjax.speech._lengths import Padded, frame_lengths
from tntjax.speech._libri_speech import LibriSpeech
from tntjax.speech._log_mel import MEL_PRESETS, MelSettings, log_mel, mfcc
from tntjax.speech._mel import mel_filters
from tntjax.speech._per import PERMeter
from tntjax.speech._phones import (
    PHONES_39,
    PHONES_48,
    PHONES_61,
    fold_phones,
    frame_labels,
)
from tntjax.speech._resample import resample
from tntjax.speech._sphere import Sphere, read_sphere
from tntjax.speech._stft import frames, istft, pre_emphasis, stft
from tntjax.speech._timit import TIMIT, Segments, read_segments
from tntjax.speech._wer import WERMeter

__all__ = [
    "Audio",
    "AudioHeader",
    "CERMeter",
    "FeatureMoments",
    "LibriSpeech",
    "MEL_PRESETS",
    "MelSettings",
    "PERMeter",
    "PHONES_39",
    "PHONES_48",
    "PHONES_61",
    "Padded",
    "Segments",
    "Sphere",
    "TIMIT",
    "WERMeter",
    "add_noise",
    "cmvn",
    "ctc_beam",
    "ctc_greedy",
    "ctc_loss",
    "ctc_valid",
    "deltas",
    "dither",
    "feature_moments",
    "fold_phones",
    "frame_labels",
    "frame_lengths",
    "frames",
    "istft",
    "log_mel",
    "mel_filters",
    "mfcc",
    "pre_emphasis",
    "read_audio",
    "read_audio_header",
    "read_segments",
    "read_sphere",
    "resample",
    "spec_augment",
    "stft",
    "time_shift",
]
