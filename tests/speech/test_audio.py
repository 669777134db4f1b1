"""Reading audio files, SPHERE among them."""

import os
import sys

import numpy as np
import pytest

from tests.required import leave_out
from tntjax import speech

soundfile = pytest.importorskip("soundfile")


@pytest.fixture(scope="module")
def wave(librivox):
    samples, _ = soundfile.read(next(librivox.glob("*0880.wav")), dtype="int16")
    return samples


def sphere(path, samples, subtype="PCM_16", endian="FILE", rate=16000):
    soundfile.write(path, samples, rate, subtype, endian, format="NIST")
    return path


def change(path, old, new):
    """Replaces text in a header of fixed size."""
    content = path.read_bytes()
    head = content[:1024].replace(old, new)
    path.write_bytes(head.ljust(1024)[:1024] + content[1024:])
    return path


@pytest.mark.parametrize("endian", ["LITTLE", "BIG"])
def test_sphere_is_read_in_both_byte_orders(tmp_path, wave, endian):
    path = sphere(tmp_path / "a.wav", wave, endian=endian)
    samples, header = speech.read_sphere(path)
    assert samples.dtype == np.int16
    np.testing.assert_array_equal(samples, wave)
    order = {"LITTLE": "01", "BIG": "10"}[endian]
    assert header["sample_byte_format"] == order
    assert (header["sample_rate"], header["sample_count"]) == (16000, len(wave))


def test_sphere_of_mu_law_is_that_of_soundfile(tmp_path):
    path = sphere(
        tmp_path / "a.wav", np.arange(-32768, 32767, 16, dtype=np.int16), "ULAW"
    )
    expected, _ = soundfile.read(path, dtype="int16")
    np.testing.assert_array_equal(speech.read_sphere(path).samples, expected)


def test_sphere_of_two_channels(tmp_path, wave):
    path = sphere(tmp_path / "a.wav", np.stack([wave, -wave], 1))
    samples = speech.read_sphere(path).samples
    np.testing.assert_array_equal(samples, np.stack([wave, -wave], 1))
    assert speech.read_audio_header(path) == (len(wave), 16000)


def test_a_truncated_sphere_is_refused(tmp_path, wave):
    path = sphere(tmp_path / "a.wav", wave)
    path.write_bytes(path.read_bytes()[: 1024 + 1000])
    assert soundfile.info(path).frames == 500  # which is what others return
    for read in (speech.read_sphere, speech.read_audio):
        with pytest.raises(
            ValueError, match=f"promises {len(wave)} samples, it has 500"
        ):
            read(path)
    assert speech.read_audio_header(path).samples == len(wave)


def test_spare_bytes_behind_a_sphere_are_left_out(tmp_path, wave):
    path = sphere(tmp_path / "a.wav", wave)
    path.write_bytes(path.read_bytes() + bytes(7))
    np.testing.assert_array_equal(speech.read_sphere(path).samples, wave)
    assert len(speech.read_audio(path).wave) == len(wave)


def test_shorten_is_refused_by_name(tmp_path, wave):
    path = sphere(tmp_path / "a.sph", wave)
    coding = b"sample_coding -s26 pcm,embedded-shorten-v2.00"
    change(path, b"end_head", coding + b"\nend_head")
    change(path, b"sample_coding -s3 pcm\n", b"")
    with pytest.raises(ValueError, match="embedded-shorten-v2.00.*sph2pipe"):
        speech.read_sphere(path)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (b"NIST_1A", b"RIFF_1A", "not a SPHERE file"),
        (b"   1024", b"    ten", "not a SPHERE file"),
        (
            b"sample_byte_format -s2",
            b"sample_byte_orders -s2",
            "sample_byte_format None",
        ),
        (b"sample_count", b"sample_total", "without sample_count"),
        (b"sample_n_bytes -i 2", b"sample_n_bytes -i 3", "of 3 bytes"),
        (b"sample_n_bytes -i 2", b"sample_n_bytes -i 0", "sample_n_bytes 0"),
        (b"channel_count -i 1", b"channel_count -i 0", "channel_count 0"),
        (b"sample_rate -i 16000", b"sample_rate -i -1", "sample_rate -1"),
        (b"sample_rate -i 16000", b"sample_rate -i ten", "sample_rate 'ten'"),
        (b"sample_count -i ", b"sample_count -i -", "sample_count -"),
        (b"sample_coding -s3 pcm", b"sample_coding -s4 alaw", "got alaw.*sph2pipe"),
    ],
)
def test_headers_that_do_not_tell_are_refused(tmp_path, wave, old, new, text):
    path = change(sphere(tmp_path / "a.wav", wave), old, new)
    with pytest.raises(ValueError, match=text):
        speech.read_sphere(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"sample_rate -i 16000", b"sample_rate -r 16000.0"),
        (b"sample_coding -s3 pcm", b"sample_coding -s3 PCM"),
        (b"end_head", b"speaker_age -i unknown\nend_head"),
        (b"channel_count -i 1\n", b""),
    ],
)
def test_headers_may_be_written_otherwise(tmp_path, wave, old, new):
    path = change(sphere(tmp_path / "a.wav", wave), old, new)
    samples, header = speech.read_sphere(path)
    np.testing.assert_array_equal(samples, wave)
    assert header["sample_rate"] == 16000 and header["channel_count"] == 1


def test_a_header_may_be_long(tmp_path, wave):
    path = sphere(tmp_path / "a.wav", wave)
    content = path.read_bytes()
    note, size = b"note -s9 something\n" * 2000, 65536
    start = b"NIST_1A\n%7d\n" % size
    head = start + note + content[16:1024].replace(b"end_head", b"end_head")
    path.write_bytes(head.ljust(size) + content[1024:])
    np.testing.assert_array_equal(speech.read_sphere(path).samples, wave)
    assert speech.read_audio_header(path) == (len(wave), 16000)


@pytest.mark.parametrize(("subtype", "channels"), [("PCM_16", 2), ("ULAW", 1)])
def test_a_part_of_a_sphere_is_of_its_channels(tmp_path, wave, subtype, channels):
    samples = wave if channels == 1 else np.stack([wave, -wave // 2], 1)
    path = sphere(tmp_path / "a.sph", samples, subtype)
    whole = speech.read_audio(path, dtype="int16").wave
    part = speech.read_audio(path, dtype="int16", start=501, frames=100).wave
    np.testing.assert_array_equal(part, whole[501:601])
    assert speech.read_audio(path, start=len(wave) + 5).wave.shape == whole[:0].shape


def test_a_part_of_a_sphere_is_not_read_by_reading_all(tmp_path, wave):
    path = sphere(tmp_path / "a.sph", wave)
    count = 2**36  # samples of a file with holes, more than memory holds
    change(path, b"sample_count -i %d" % len(wave), b"sample_count -i %d" % count)
    os.truncate(path, 1024 + 2 * count)
    part = speech.read_audio(path, dtype="int16", start=100, frames=50).wave
    np.testing.assert_array_equal(part, wave[100:150])
    assert not speech.read_audio(path, start=count - 9).wave.any()


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_floats_become_int16_by_their_scale(tmp_path, wave, subtype):
    path = tmp_path / "a.wav"
    soundfile.write(path, wave / 32768, 16000, subtype)
    np.testing.assert_array_equal(speech.read_audio(path, dtype="int16").wave, wave)
    soundfile.write(path, np.array([-3, 3, np.nan, 0.5]), 16000, subtype)
    found = speech.read_audio(path, dtype="int16").wave
    assert found.tolist() == [-32768, 32767, 0, 16384]


@pytest.mark.parametrize("name", ["a.wav", "a.mp3"])
def test_truncated_files_are_refused(tmp_path, wave, name):
    path = tmp_path / name
    if name.endswith("mp3") and "MP3" not in soundfile.available_formats():
        leave_out("this libsndfile has no MP3")
    soundfile.write(path, wave / 32768, 16000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match="is truncated.*Copy it again"):
        speech.read_audio(path)


def test_a_wave_that_was_written_to_a_pipe_has_no_length(tmp_path, wave):
    path = tmp_path / "a.wav"
    soundfile.write(path, wave, 16000)
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff" * 4
    path.write_bytes(content)
    np.testing.assert_array_equal(speech.read_audio(path, dtype="int16").wave, wave)
    content[4:8] = (3 << 29).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ValueError, match="promises 1610612744 bytes, it has"):
        speech.read_audio(path)


@pytest.mark.parametrize("riff", [0, 36])  # of Python's wave module 36
def test_a_wave_that_was_left_open_is_not_empty(tmp_path, wave, riff):
    path = tmp_path / "a.wav"
    soundfile.write(path, wave[:0], 16000)
    assert len(speech.read_audio(path).wave) == 0
    soundfile.write(path, wave, 16000)
    content = bytearray(path.read_bytes())
    content[4:8], content[40:44] = riff.to_bytes(4, "little"), bytes(4)
    path.write_bytes(content)
    for read in (speech.read_audio, speech.read_audio_header):
        with pytest.raises(ValueError, match="left open.*promises no samples"):
            read(path)


def test_a_flac_that_was_written_to_a_pipe_has_no_length(tmp_path, wave):
    path = tmp_path / "a.flac"
    soundfile.write(path, wave, 16000)
    content = bytearray(path.read_bytes())
    content[21:26] = bytes([content[21] & 240, 0, 0, 0, 0])  # the number of samples
    path.write_bytes(content)
    for read in (speech.read_audio, speech.read_audio_header):
        with pytest.raises(ValueError, match="a.flac does not tell how long it is"):
            read(path)
    part = speech.read_audio(path, start=9, frames=50, dtype="int16").wave
    np.testing.assert_array_equal(part, wave[9:59])


@pytest.mark.skipif(sys.platform == "darwin", reason="names are UTF-8 there")
@pytest.mark.parametrize("name", [b"\xe9.flac", b"\xe9.wav", b"\xe9.sph"])
def test_names_need_not_be_utf_8(tmp_path, wave, name):
    path = sphere(tmp_path / "a", wave)
    if not name.endswith(b"sph"):
        soundfile.write(path, wave, 16000, format=name[-4:].strip(b".").decode())
    named = os.path.join(bytes(tmp_path), name)
    os.rename(path, named)
    np.testing.assert_array_equal(speech.read_audio(named, dtype="int16").wave, wave)
    assert speech.read_audio_header(named) == (len(wave), 16000)


@pytest.mark.parametrize("size", [0, 4, 20])
def test_headers_that_are_cut_are_refused(tmp_path, wave, size):
    path = tmp_path / "a.flac"
    soundfile.write(path, wave, 16000)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match="not an audio file"):
        speech.read_audio_header(path)


def test_sphere_needs_no_extra(tmp_path, wave, monkeypatch):
    path = sphere(tmp_path / "a.wav", wave)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    samples, rate = speech.read_audio(path, dtype="int16", start=100, frames=50)
    np.testing.assert_array_equal(samples, wave[100:150])
    assert rate == 16000 and speech.read_audio_header(path).samples == len(wave)
    floats = speech.read_audio(path).wave
    np.testing.assert_array_equal(floats, wave.astype(np.float32) / 32768)
    (tmp_path / "a.flac").write_bytes(b"fLaC" + bytes(60))
    for read in (speech.read_audio, speech.read_audio_header):
        with pytest.raises(ImportError, match=r"tntjax\[speech\]"):
            read(tmp_path / "a.flac")


@pytest.mark.parametrize("name", ["a.flac", "a.wav", "a.sph"])
def test_files_are_read_whole_or_in_part(tmp_path, wave, name):
    path = tmp_path / name
    soundfile.write(path, wave, 16000, format="NIST" if name == "a.sph" else None)
    whole, rate = speech.read_audio(path, dtype="int16")
    np.testing.assert_array_equal(whole, wave)
    part = speech.read_audio(path, start=1000, frames=500).wave
    np.testing.assert_array_equal(part, wave[1000:1500].astype(np.float32) / 32768)
    end = len(wave) - 3
    assert len(speech.read_audio(path, start=end, frames=9).wave) == 3
    assert len(speech.read_audio(path, start=end + 9).wave) == 0
    assert speech.read_audio_header(path) == (len(wave), 16000) and rate == 16000


def test_the_rate_may_be_another(prompts):
    pytest.importorskip("soxr")
    path = prompts / "Front_Center.wav"
    wave, rate = speech.read_audio(path, sample_rate=16000)
    original, before = speech.read_audio(path)
    assert (rate, before) == (16000, 48000)
    assert abs(len(wave) - len(original) / 3) < 1
    ours = speech.resample(original, source_rate=48000, target_rate=16000).values
    difference = np.asarray(ours)[: len(wave)] - wave
    level = 20 * np.log10(np.sqrt(np.mean(difference**2) / np.mean(wave**2)))
    assert level < -60  # they differ above the pass band


def test_what_is_no_audio_is_refused(tmp_path):
    path = tmp_path / "a.flac"
    path.write_text("not audio")
    with pytest.raises(ValueError, match="cannot be decoded"):
        speech.read_audio(path)
    with pytest.raises(ValueError, match="not an audio file"):
        speech.read_audio_header(path)
    with pytest.raises(FileNotFoundError):
        speech.read_audio(tmp_path / "b.flac")
    with pytest.raises(ValueError, match="'int16'"):
        speech.read_audio(path, dtype="float64")
    with pytest.raises(ValueError, match="at least 0"):
        speech.read_audio(path, start=-1)
    with pytest.raises(ValueError, match="at least 0"):
        speech.read_audio(path, frames=-1)
    with pytest.raises(ValueError, match="sample_rate must be at least 1"):
        speech.read_audio(path, sample_rate=0)
    with pytest.raises(TypeError, match="sample_rate must be an integer"):
        speech.read_audio(path, sample_rate=8000.0)


@pytest.mark.parametrize("name", ["read_audio", "read_audio_header", "read_sphere"])
def test_paths_are_of_any_kind(tmp_path, wave, monkeypatch, name):
    read = getattr(speech, name)
    path = sphere(tmp_path / "a.sph", wave)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert repr(read(bytes(path))) == repr(read("~/a.sph")) == repr(read(path))
    with pytest.raises(TypeError, match=f"{name}: path must be a path, got 5"):
        read(5)
