"""Features beside those of Whisper, librosa and Kaldi, and their own laws."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.required import needs
from tntjax import speech

KEYS, SPECTRUM = jax.random.split(jax.random.key(0)), np.zeros((3, 3), complex)
needs_kaldi = needs("kaldi_native_fbank")


def pick(array, entry):
    return np.asarray(array)[np.ix_(entry["rows"], entry["columns"])]


def read(folder, name):
    import wave

    with wave.open(str(next(folder.glob(f"*{name}*.wav")))) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_log_mel_is_whispers(golden, signal):
    found = pick(speech.log_mel(signal()).values, golden["whisper"])
    np.testing.assert_allclose(found, golden["whisper"]["values"], atol=1e-4)


def test_log_mel_of_an_utterance_is_whispers(golden, librivox):
    features, count = speech.log_mel(read(librivox, "0880"))
    entry = golden["whisper_librivox"]
    assert features.shape == (299, 80) and count == 299
    np.testing.assert_allclose(pick(features, entry), entry["values"], atol=1e-4)


def test_log_mel_is_librosas(golden, signal):
    features = speech.log_mel(signal(11025, 22050), preset="librosa").values
    found, entry = pick(features, golden["librosa"]), golden["librosa"]
    np.testing.assert_allclose(found, entry["values"], atol=1e-3)


def test_mfcc_is_librosas(golden, signal):
    y, entry = signal(11025, 22050), golden["librosa_mfcc"]
    found = speech.mfcc(y, preset="librosa", num_coefficients=20).values
    np.testing.assert_allclose(pick(found, entry), entry["values"], atol=1e-3)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("filters_whisper", {"num_mels": 80, "size": 400, "sample_rate": 16000}),
        ("filters_slaney", {"num_mels": 128, "size": 2048, "sample_rate": 22050}),
        (
            "filters_htk",
            dict(
                num_mels=40, size=512, sample_rate=16000, scale="htk", low=20, high=7600
            ),
        ),
    ],
)
def test_mel_filters_are_those_of_others(golden, name, arguments):
    found, entry = speech.mel_filters(**arguments), golden[name]
    np.testing.assert_allclose(pick(found, entry), entry["values"], atol=1e-7)


def test_a_band_without_a_bin_is_told():
    with pytest.warns(UserWarning, match="32 of 80 mel bands have no bin .* of 64 s"):
        filters = speech.mel_filters(80, 64, 16000)
    assert (filters.max(0) == 0).sum() == 32


def test_mel_filters_are_normalized_if_asked():
    plain, same_area = (
        speech.mel_filters(20, 512, 16000, normalized=choice)
        for choice in (False, True)
    )
    assert plain.max() <= 1 and np.ptp(same_area.sum(0)) < 0.1 * same_area.sum(0)[0]


@needs_kaldi
@pytest.mark.parametrize("bands", [80, 40])
def test_log_mel_is_kaldis_filter_bank(librivox, bands):
    import kaldi_native_fbank as kaldi

    options = kaldi.FbankOptions()
    options.frame_opts.dither, options.mel_opts.num_bins = 0, bands
    samples = read(librivox, "0880")
    settings = dataclasses.replace(speech.MEL_PRESETS["kaldi"], num_mels=bands)
    features, count = speech.log_mel(samples, preset=settings)
    expected = kaldi_frames(kaldi.OnlineFbank(options), samples)
    assert count == len(expected) == 297
    np.testing.assert_allclose(features, expected, atol=5e-3)


@needs_kaldi
def test_mfcc_is_kaldis(librivox):
    import kaldi_native_fbank as kaldi

    options = kaldi.MfccOptions()
    options.frame_opts.dither, options.use_energy = 0, False
    samples = read(librivox, "0930")
    settings = dataclasses.replace(speech.MEL_PRESETS["kaldi"], num_mels=23)
    features = speech.mfcc(samples, preset=settings, lifter=22).values
    expected = kaldi_frames(kaldi.OnlineMfcc(options), samples)
    np.testing.assert_allclose(features, expected, atol=5e-3)


def kaldi_frames(computer, samples):
    computer.accept_waveform(16000, samples.astype(np.float32).tolist())
    computer.input_finished()
    count = computer.num_frames_ready
    return np.stack([computer.get_frame(i) for i in range(count)])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pad", "window"), [("reflect", "hann"), ("zero", "hamming"), ("zero", "ones")]
)
def test_istft_inverts_stft(signal, pad, window):
    x, options = signal(1600), {"size": 128, "hop": 32, "pad": pad, "window": window}
    back, count = speech.istft(speech.stft(x, **options).values, **options)
    assert back.shape == (1600,) and count == 1600
    np.testing.assert_allclose(back, x, atol=1e-5)


@pytest.mark.slow
def test_stft_is_that_of_scipy(signal):
    x, hann = signal(800), np.hanning(65)[:-1]
    _, _, expected = jax.scipy.signal.stft(
        x,
        nperseg=64,
        noverlap=40,
        window=jnp.asarray(hann),
        boundary=None,
        padded=False,
    )
    found = speech.stft(x, size=64, hop=24, pad="none").values / hann.sum()
    np.testing.assert_allclose(found, expected.T, atol=1e-6)


def test_deltas_of_a_parabola_are_its_slope():
    x = (np.arange(20.0, dtype=np.float32) ** 2)[:, None]
    slope = speech.deltas(x, width=3)
    np.testing.assert_allclose(slope[3:-3, 0], 2 * np.arange(20)[3:-3], rtol=1e-5)
    assert speech.deltas(slope)[8, 0] == pytest.approx(2)


def test_cmvn_makes_mean_zero_and_variance_one():
    x = np.random.default_rng(0).normal(5, 3, (2, 50, 4)).astype(np.float32)
    normal = np.asarray(speech.cmvn(x, [50, 20]))
    assert abs(normal[1, :20].mean(0)).max() < 1e-5
    assert abs(normal[1, :20].std(0) - 1).max() < 1e-4
    assert np.all(np.asarray(speech.cmvn(np.full((1, 9, 2), 3.0))) == 0)


def test_moments_of_batches_are_those_of_all():
    x = np.random.default_rng(0).normal(1000, 1, (3, 2, 50, 4)).astype(np.float32)
    lengths, moments = np.array([[50, 20], [0, 0], [7, 1]]), None
    for batch, length in zip(x, lengths, strict=True):
        moments = speech.feature_moments(batch, length, moments)
    real = np.concatenate(
        [a[:n] for a, n in zip(x.reshape(6, 50, 4), lengths.ravel(), strict=True)]
    )
    assert moments.n == 78
    np.testing.assert_allclose(moments.mean, real.mean(0), rtol=1e-6)
    np.testing.assert_allclose(moments.squares / 78, real.var(0), rtol=1e-3)
    normal = speech.cmvn(x[0, :1], [50], moments=moments)
    expected = (x[0, :1] - real.mean(0)) / real.std(0)
    np.testing.assert_allclose(normal, expected, atol=1e-3)


def test_16_bit_floats_do_not_overflow():
    x = np.random.default_rng(0).normal(1000, 50, (1, 2000, 3)).astype(np.float16)
    for function in (speech.cmvn, functools.partial(speech.deltas, width=9)):
        found, expected = function(30 * x), function((30 * x).astype(np.float32))
        assert found.dtype == np.float16
        np.testing.assert_allclose(found, expected, rtol=1e-2, atol=2e-2)


@pytest.mark.parametrize("center", [True, False])
def test_frames_of_long_signals_are_counted(center):
    count = speech.frame_lengths([2**31 - 1, 2**33], size=400, hop=160, center=center)
    rest = 0 if center else 400
    assert count.tolist() == [1 + (n - rest) // 160 for n in (2**31 - 1, 2**33)]


def test_a_frame_may_be_one_sample():
    x = np.arange(1.0, 6.0, dtype=np.float32)
    for pad in ("none", "reflect", "zero"):
        found = speech.stft(x, size=1, hop=2, pad=pad, window="ones").values
        assert found.real[:, 0].tolist() == [1, 3, 5]


def test_int16_and_floats_are_one_signal(signal):
    x = np.round(signal() * 32767).astype(np.int16)
    left, right = (speech.log_mel(y).values for y in (x, x.astype(np.float32) / 32768))
    np.testing.assert_array_equal(left, right)


def test_either_order_of_bytes_is_read():
    wave = np.sin(np.arange(800.0)).astype(np.float32)
    short, labels = (wave * 9999).astype(np.int16), np.array([[1, 2]])
    for call, *arrays in (
        (speech.log_mel, wave),
        (speech.log_mel, short),
        (speech.resample, short),
        (speech.cmvn, wave.reshape(1, 80, 10), np.array([50])),
        (speech.ctc_loss, wave.reshape(1, 80, 10), np.array([50]), labels),
    ):
        rates = {"source_rate": 2, "target_rate": 3} if call is speech.resample else {}
        swapped = [array.astype(array.dtype.newbyteorder()) for array in arrays]
        for one, other in zip(
            jax.tree.leaves(call(*arrays, **rates)),
            jax.tree.leaves(call(*swapped, **rates)),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: speech.log_mel(np.zeros(9, np.int32)), TypeError, "int16"),
        (lambda: speech.log_mel(np.zeros(9), 9.0), TypeError, "mask.sum"),
        (
            lambda: speech.log_mel(np.zeros((2, 9)), [9]),
            ValueError,
            r"shape \[2\], one",
        ),
        (lambda: speech.log_mel(np.float32(0)), ValueError, r"\[\.\.\., T\]"),
        (lambda: speech.log_mel(np.zeros(9), preset="htk"), ValueError, "'whisper'"),
        (lambda: speech.MelSettings(logarithm="db"), ValueError, "'decibel'"),
        (lambda: speech.MelSettings(fft_size=256), ValueError, "at least 400"),
        (lambda: speech.mel_filters(8, 64, 8000, high=5000), ValueError, "4000 Hz"),
        (lambda: speech.mel_filters(8, 64, 8000, scale="bark"), ValueError, "'htk'"),
        (lambda: speech.mfcc(np.zeros(9), num_coefficients=81), ValueError, "80 bands"),
        (lambda: speech.stft(np.zeros(9), window="kaiser"), ValueError, "'povey'"),
        (lambda: speech.frames(np.zeros(9), size=0, hop=1), ValueError, "at least 1"),
        (
            lambda: speech.frames(np.zeros(9), size=1, hop=1, pad="wrap"),
            ValueError,
            "'reflect'",
        ),
        (lambda: speech.istft(np.zeros((3, 9), complex)), ValueError, "201"),
        (lambda: speech.istft(np.zeros((3, 201))), TypeError, "complex"),
        (lambda: speech.istft(SPECTRUM, size=4, hop=5), ValueError, "that overlap"),
        (lambda: speech.istft(SPECTRUM, size=4, hop=4), ValueError, "that overlap"),
        (lambda: speech.istft(SPECTRUM, size=4, hop=0), ValueError, "at least 1"),
        (lambda: speech.istft(SPECTRUM, size=4, pad="wrap"), ValueError, "'reflect'"),
        (lambda: speech.stft(np.zeros(9, np.int32)), TypeError, "^stft needs"),
        (lambda: speech.mfcc(np.zeros(9, np.int32)), TypeError, "^mfcc needs"),
        (lambda: speech.log_mel(None), TypeError, "log_mel needs samples"),
        (lambda: speech.log_mel("abc"), TypeError, "log_mel needs samples"),
        (lambda: speech.log_mel([np.zeros(3), np.zeros(4)]), ValueError, "one shape"),
        (lambda: speech.log_mel(np.zeros(9), True), TypeError, "got bool"),
        (lambda: speech.MelSettings(size=400.0), TypeError, "MelSettings: size"),
        (lambda: speech.MelSettings(size=None), TypeError, "MelSettings: size"),
        (lambda: speech.MelSettings(num_mels=0), ValueError, "MelSettings: num_mels"),
        (lambda: speech.MelSettings(gain="3"), TypeError, "MelSettings: gain"),
        (lambda: speech.MelSettings(pad="wrap"), ValueError, "MelSettings needs pad"),
        (lambda: speech.MelSettings(window=None), ValueError, "'povey'"),
        (lambda: speech.MelSettings(high=9000), ValueError, "8000 Hz"),
        (lambda: speech.MelSettings(last_frame=1), TypeError, "True or False"),
        (lambda: speech.mel_filters(8, 0, 8000), ValueError, "size must be at least 2"),
        (lambda: speech.mel_filters(8, 64, "8"), TypeError, "sample_rate must be a"),
        (lambda: speech.mfcc(np.zeros(9), lifter="x"), TypeError, "lifter must be a"),
        (lambda: speech.frame_lengths(1.5, size=4, hop=1), TypeError, "integers"),
        (lambda: speech.dither(0, np.zeros(4)), TypeError, r"random.key\(0\)"),
        (
            lambda: speech.dither(KEYS, np.zeros((2, 4))),
            TypeError,
            "must be one PRNG key",
        ),
        (lambda: speech.deltas(np.zeros(9)), ValueError, "features"),
        (lambda: speech.deltas(np.zeros((3, 9)), width=0), ValueError, "at least 1"),
        (lambda: speech.deltas(np.zeros((3, 9)), width=[[1], 2]), TypeError, "integer"),
        (lambda: speech.stft(np.zeros(9), pad=np.zeros(2)), ValueError, "'reflect'"),
        (
            lambda: speech.mel_filters(8, 64, 800, scale=np.zeros(2)),
            ValueError,
            "'htk'",
        ),
        (lambda: speech.mel_filters(8, 64, np.inf), ValueError, "high <= inf Hz"),
        (lambda: speech.mel_filters(8, 64, 9, normalized="no"), TypeError, "or False"),
        (lambda: speech.cmvn(np.zeros((3, 9)), variance="no"), TypeError, "or False"),
        (lambda: speech.cmvn(np.zeros((3, 9)), moments=5), TypeError, "moments must"),
        (
            lambda: speech.cmvn(
                np.zeros((3, 9)), moments=speech.feature_moments(np.zeros((3, 8)))
            ),
            TypeError,
            r"of features \[..., 9\], got .*float32\[8\]",
        ),
        (
            lambda: speech.feature_moments(np.zeros((3, 9)), before=(1, 0, 0)),
            TypeError,
            "before must be of feature_moments",
        ),
        (
            lambda: speech.pre_emphasis(np.zeros(9), coefficient=[0.9]),
            TypeError,
            "coefficient must be a number, got",
        ),
        (
            lambda: speech.spec_augment(KEYS[0], np.zeros((3, 9)), fill=True),
            TypeError,
            "fill must be a number, got True",
        ),
        (
            lambda: speech.dither(KEYS[0], np.zeros(9), scale=[1.0]),
            TypeError,
            "scale must be a number, got",
        ),
    ],
)
def test_bad_arguments_are_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda n: speech.frames(np.zeros(9, np.float32), size=n, hop=2),
        lambda n: speech.frames(np.zeros(9, np.float32), size=2, hop=n),
        lambda n: speech.ctc_beam(np.zeros((1, 5, 3), np.float32), width=n),
    ],
)
@pytest.mark.parametrize("size", [2**31, 2**64])
def test_sizes_of_more_bits_than_axes_have_are_refused(call, size):
    with pytest.raises(ValueError, match=rf"must be less than 2\*\*31, got {size}"):
        call(size)
