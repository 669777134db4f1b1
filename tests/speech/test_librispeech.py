"""LibriSpeech, from utterances of its source written in its layout."""

import pickle
import re

import numpy as np
import pytest

import tntjax as tnt

soundfile = pytest.importorskip("soundfile")

SPEAKERS = """;ID  |SEX| SUBSET           |MINUTES| NAME
60   | M | dev-clean        | 20.18 | "Some | One"
1001 | F | dev-clean        | 30.04 | Another
"""


def read_wave(path):
    wave, rate = soundfile.read(path, dtype="int16")
    assert rate == 16000
    return wave


def texts(librivox):
    lines = (librivox / "transcription").read_text().splitlines()
    found = (re.fullmatch(r"<s> (.*) </s> \((.*)\)", line) for line in lines)
    return {match[2]: match[1].upper() for match in found}


@pytest.fixture
def root(librivox, tmp_path):
    """Three chapters whose ids sort otherwise as numbers than as text."""
    names = iter(texts(librivox).items())
    folder = tmp_path / "LibriSpeech"
    for speaker, chapter, count in (
        ("60", "7", 2),
        ("1001", "12", 2),
        ("1001", "3", 1),
    ):
        place = folder / "dev-clean" / speaker / chapter
        place.mkdir(parents=True)
        lines = []
        for number in range(count):
            name, text = next(names)
            stem = f"{speaker}-{chapter}-{number:04}"
            wave = read_wave(librivox / f"{name}.wav")
            soundfile.write(place / f"{stem}.flac", wave, 16000, subtype="PCM_16")
            lines.append(f"{stem} {text}\n")
        (place / f"{speaker}-{chapter}.trans.txt").write_text("".join(lines))
    (folder / "SPEAKERS.TXT").write_text(SPEAKERS)
    return tmp_path


def test_a_sample_is_what_is_in_the_files(root, librivox):
    dataset = tnt.speech.LibriSpeech(root, "dev-clean")
    sample = dataset[0]
    wave = sample.pop("audio")
    assert wave.dtype == np.int16
    name = list(texts(librivox))[2]
    np.testing.assert_array_equal(wave, read_wave(librivox / f"{name}.wav"))
    assert sample == {
        "sample_rate": 16000,
        "text": texts(librivox)[name],
        "speaker_id": 1001,
        "chapter_id": 12,
        "utterance_id": 0,
        "id": "1001-12-0000",
        "sex": "F",
    }


def test_ids_are_sorted_as_text(root):
    dataset = tnt.speech.LibriSpeech(root / "LibriSpeech", ["dev-clean"])
    ids = [sample["id"] for sample in dataset]
    assert ids == sorted(ids) and len(dataset) == 5
    assert [i.rsplit("-", 1)[0] for i in ids[1:4]] == ["1001-12", "1001-3", "60-7"]


def test_a_readers_name_may_hold_the_separator(root):
    assert tnt.speech.LibriSpeech(root, "dev-clean")[4]["sex"] == "M"


def test_sexes_are_unknown_without_the_list_of_speakers(root):
    (root / "LibriSpeech" / "SPEAKERS.TXT").unlink()
    assert tnt.speech.LibriSpeech(root, "dev-clean")[4]["sex"] == ""


def test_lengths_come_from_headers_alone(root, monkeypatch):
    dataset = tnt.speech.LibriSpeech(root, "dev-clean")
    expected = [len(sample["audio"]) for sample in dataset]
    monkeypatch.setattr(soundfile, "SoundFile", None)
    assert dataset.lengths().tolist() == expected


def test_transcripts_are_read_once(root):
    dataset = tnt.speech.LibriSpeech(root, "dev-clean")
    for path in root.rglob("*.trans.txt"):
        path.unlink()
    assert all(sample["text"].isupper() for sample in dataset)


def test_it_is_a_dataset(root):
    dataset = tnt.speech.LibriSpeech(root, "dev-clean")
    copy = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(copy[-5 + 7]["audio"], dataset[2]["audio"])
    with pytest.raises(IndexError):
        dataset[5]
    fields = {"audio": lambda wave: wave[:100], "text": len}
    batch = tnt.take(tnt.TransformDataset(dataset, fields), [[0, 1]])
    assert batch["audio"].shape == (1, 2, 100)
    assert " at 0x" not in repr(dataset)


def test_a_decoder_may_be_ones_own(root):
    def decode(path):
        return tnt.speech.read_audio(path, sample_rate=8000, frames=1600)

    sample = tnt.speech.LibriSpeech(root, "dev-clean", decode=decode)[0]
    assert sample["audio"].shape == (800,) and sample["sample_rate"] == 8000


def test_a_subset_that_is_missing_is_explained(root):
    with pytest.raises(FileNotFoundError, match=r"test-clean.tar.gz from .*openslr"):
        tnt.speech.LibriSpeech(root, ["dev-clean", "test-clean"])


def test_files_and_transcripts_must_agree(root):
    first = root / "LibriSpeech" / "dev-clean" / "60" / "7"
    (first / "60-7-0000.flac").rename(first / "60-7-0005.flac")
    with pytest.raises(FileNotFoundError, match="lacks 60-7-0000.flac"):
        tnt.speech.LibriSpeech(root, "dev-clean")
    (first / "60-7.trans.txt").write_text("60-7-0001 A\n")
    with pytest.raises(ValueError, match="no text of 60-7-0005.flac"):
        tnt.speech.LibriSpeech(root, "dev-clean")
    (first / "60-7.trans.txt").unlink()
    with pytest.raises(FileNotFoundError, match="trans.txt is not there"):
        tnt.speech.LibriSpeech(root, "dev-clean")


def test_files_of_a_macintosh_are_left_out(root):
    chapter = root / "LibriSpeech" / "dev-clean" / "60" / "7"
    (chapter / "._60-7-0000.flac").write_bytes(b"\x00\x05\x16\x07")
    (chapter / "._60-7.trans.txt").write_bytes(b"\x00\x05\x16\x07")
    (chapter.parent / ".hidden").mkdir()
    assert len(tnt.speech.LibriSpeech(root, "dev-clean")) == 5


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("60-7-0000 A\n60-7-0000 B", "trans.txt:2 needs a new id"),
        ("60-7-0000\tA", "trans.txt:1 needs a new id 60-7-NNNN"),
        ("61-7-0000 A", "trans.txt:1 needs a new id 60-7-NNNN"),
        ("words", "trans.txt:1 needs a new id 60-7-NNNN"),
        ("60-7-x A", "trans.txt:1 needs a new id 60-7-NNNN, of numbers"),
        ("60-7-0000 A\xff", "trans.txt:1 needs a new id .* and UTF-8"),
    ],
)
def test_broken_lines_of_transcripts_are_named(root, line, text):
    path = root / "LibriSpeech" / "dev-clean" / "60" / "7" / "60-7.trans.txt"
    path.write_text(line + "\n60-7-0001 C\n", "latin-1")
    with pytest.raises(ValueError, match=text):
        tnt.speech.LibriSpeech(root, "dev-clean")


def test_a_mark_of_byte_order_and_carriage_returns_are_no_text(root):
    path = root / "LibriSpeech" / "dev-clean" / "60" / "7" / "60-7.trans.txt"
    path.write_bytes("\ufeff60-7-0000\r\n60-7-0001 C D\r\n".encode())
    dataset = tnt.speech.LibriSpeech(root, "dev-clean")
    assert [sample["text"] for sample in dataset][-2:] == ["", "C D"]


@pytest.mark.parametrize(
    "subsets",
    [
        [],
        "",
        ".",
        "..",
        None,
        [3],
        ["dev-clean", "dev-clean"],
        ["dev-clean", "dev-clean/"],
        {"dev-clean"},
    ],
)
def test_subsets_are_different_names(root, subsets):
    with pytest.raises(ValueError, match="a list of different ones"):
        tnt.speech.LibriSpeech(root, subsets)


def test_a_decoder_is_a_function(root):
    with pytest.raises(TypeError, match="decode is 'flac'"):
        tnt.speech.LibriSpeech(root, "dev-clean", decode="flac")


def test_a_list_of_speakers_may_be_of_another_encoding(root):
    path = root / "LibriSpeech" / "SPEAKERS.TXT"
    path.write_text("60 | F | dev-clean | 1 | Zoë\n", "latin-1")
    assert tnt.speech.LibriSpeech(root, "dev-clean")[4]["sex"] == "F"


@pytest.mark.parametrize("reader", ["anna", "6(0"])
def test_readers_are_known_by_numbers(root, reader):
    folder = root / "LibriSpeech" / "dev-clean" / reader / "7"
    folder.mkdir(parents=True)
    (folder / f"{reader}-7.trans.txt").write_text(f"{reader}-7-0000 A\n")
    with pytest.raises(ValueError, match="a new id .*-7-NNNN, of numbers"):
        tnt.speech.LibriSpeech(root, "dev-clean")


def test_the_root_is_a_path_of_any_kind(root, monkeypatch):
    monkeypatch.setenv("HOME", str(root))
    count = len(tnt.speech.LibriSpeech(root, "dev-clean"))
    for where in (bytes(root), "~"):
        assert len(tnt.speech.LibriSpeech(where, "dev-clean")) == count
    with pytest.raises(TypeError, match="LibriSpeech: root must be a path, got 5"):
        tnt.speech.LibriSpeech(5, "dev-clean")
