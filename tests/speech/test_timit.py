"""TIMIT, from sentences that flite speaks, with its exact phones, in TIMIT's layout."""

import pickle
import subprocess

import numpy as np
import pytest

import tntjax as tnt
from tntjax.speech import _timit as timit

soundfile = pytest.importorskip("soundfile")

TEXT = "she had your dark suit"
NAMES = {"pau": "h#", "ax": "ax-h", "hh": "hv"}
"""Phones of flite under labels of TIMIT that are folded."""


@pytest.fixture(scope="module")
def spoken(flite, tmp_path_factory):
    """The samples of a sentence, 16 kHz, and lines of its phones."""
    path = tmp_path_factory.mktemp("flite") / "a.wav"
    command = [flite, "-voice", "slt", "-psdur", "-t", TEXT, "-o", path]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    samples, rate = soundfile.read(path, dtype="int16")
    assert rate == 16000
    entries = [entry.rsplit(":", 1) for entry in printed.split() if ":" in entry]
    ends = [round(float(end) * 16000) for _, end in entries]
    ends[-1] += 50  # beyond the audio, as in a few files
    phones = [NAMES.get(phone, phone) for phone, _ in entries]
    phones[3] = "q"
    starts = [0, *ends[:-1]]
    lines = [f"{s} {e} {p}\n" for s, e, p in zip(starts, ends, phones, strict=True)]
    return samples, lines


def write(folder, stem, spoken, upper):
    samples, phones = spoken
    folder.mkdir(parents=True, exist_ok=True)
    words = TEXT.split()
    steps = np.linspace(0, len(samples), len(words) + 1).astype(int)
    texts = {
        "phn": "".join(phones),
        "wrd": "".join(
            f"{s} {e} {w}\n" for s, e, w in zip(steps, steps[1:], words, strict=False)
        ),
        "txt": f"0 {len(samples)} {TEXT.capitalize()}.\n",
    }
    for kind, text in texts.items():
        name = f"{stem}.{kind}"
        (folder / (name.upper() if upper else name)).write_text(text)
    name = f"{stem}.wav"
    path = folder / (name.upper() if upper else name)
    soundfile.write(path, samples, 16000, "PCM_16", format="NIST")
    return path


@pytest.fixture(params=["upper", "lower"])
def root(request, spoken, tmp_path):
    upper = request.param == "upper"
    top = (
        ("TIMIT", "TRAIN", "TEST", "DR{}")
        if upper
        else ("data", "train", "test", "dr{}")
    )
    tree = {
        1: {"fcjf0": top[1], "mdab0": top[2], "faks0": top[2], "mjsw0": top[2]},
        2: {"mabc0": top[1], "fxyz0": top[2]},
    }
    for dialect, speakers in tree.items():
        for speaker, split in speakers.items():
            name = speaker.upper() if upper else speaker
            folder = tmp_path / top[0] / split / top[3].format(dialect) / name
            for stem in ("sa1", "si648", "sx37"):
                path = write(folder, stem, spoken, upper)
    copy = path.with_name(path.name + ".wav")  # the one of Kaggle
    soundfile.write(copy, spoken[0], 16000, format="WAV")
    return tmp_path


def sizes(root, **options):
    return [len(tnt.speech.TIMIT(root, split, **options)) for split in timit.SPLITS]


def test_splits_are_by_lists_of_speakers(root):
    assert sizes(root) == [4, 4, 2, 8]
    assert sizes(root, sa=True) == [6, 6, 3, 12]
    assert {s["speaker"] for s in tnt.speech.TIMIT(root, "dev")} == {"faks0", "mjsw0"}
    assert {s["speaker"] for s in tnt.speech.TIMIT(root, "core-test")} == {"mdab0"}


def test_the_lists_of_speakers_are_whole():
    assert (len(timit.DEV), len(timit.CORE_TEST)) == (50, 24)
    assert not timit.DEV & timit.CORE_TEST
    assert sum(name[0] == "m" for name in timit.CORE_TEST) == 16


def test_a_sample_is_what_is_in_the_files(root, spoken):
    sample = tnt.speech.TIMIT(root, "train")[2]
    samples, lines = spoken
    np.testing.assert_array_equal(sample["audio"], samples)
    assert sample["audio"].dtype == np.int16
    assert sample["phones"] == [line.split()[2] for line in lines]
    assert sample["phone_spans"].dtype == np.int32
    assert sample["phone_spans"][-1, 1] == len(samples)  # not beyond
    assert sample["words"] == TEXT.split() and sample["word_spans"].shape == (5, 2)
    names = ("sample_rate", "text", "speaker", "dialect", "sex", "sentence_id", "kind")
    assert [sample[name] for name in names] == [
        *(16000, "She had your dark suit.", "mabc0", 2, "m", "si648", "SI"),
    ]


def test_phones_are_folded_and_the_time_of_q_goes_to_the_phone_before(root):
    plain, folded = (
        tnt.speech.TIMIT(root, "train", phones=phones)[0] for phones in (61, 39)
    )
    assert plain["phones"][3] == "q" and "q" not in folded["phones"]
    assert folded["phones"] == tnt.speech.fold_phones(plain["phones"])
    assert folded["phones"][0] == "sil"
    spans = folded["phone_spans"]
    assert spans[2, 1] == plain["phone_spans"][3, 1] == spans[3, 0]
    assert np.all(spans[1:, 0] == spans[:-1, 1])


def test_lengths_come_from_headers(root, spoken):
    dataset = tnt.speech.TIMIT(root, "core-test")
    assert dataset.lengths().tolist() == [len(spoken[0])] * 2


def test_it_is_a_dataset(root):
    dataset = tnt.speech.TIMIT(root, "core-test")
    copy = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(copy[1]["audio"], dataset[1]["audio"])
    with pytest.raises(IndexError):
        dataset[2]
    assert tnt.take(dataset, [0, 1])["audio"].shape == (2, len(dataset[0]["audio"]))


def test_the_copy_as_riff_is_read_where_there_is_no_other(root, spoken):
    dataset = tnt.speech.TIMIT(root, "test")
    both = [path for path in root.rglob("*") if path.name.lower().endswith(".wav.wav")]
    original = both[0].with_name(both[0].name[:-4])
    original.unlink()
    again = tnt.speech.TIMIT(root, "test")
    assert len(again) == len(dataset)
    assert all(len(sample["audio"]) == len(spoken[0]) for sample in again)


def test_what_is_missing_is_explained(root, tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder train.*LDC93S1"):
        tnt.speech.TIMIT(tmp_path / "nowhere")
    path = next(path for path in root.rglob("*") if path.name.lower() == "sx37.wrd")
    path.unlink()
    with pytest.raises(FileNotFoundError, match="files of sx37, but no sx37.wrd"):
        [tnt.speech.TIMIT(root, split) for split in ("train", "test")]
    with pytest.raises(ValueError, match="'core-test'"):
        tnt.speech.TIMIT(root, "valid")
    with pytest.raises(ValueError, match="61, 48 or 39"):
        tnt.speech.TIMIT(root, phones=40)


def any_folder(root, speaker):
    return next(path for path in root.rglob("*") if path.name.lower() == speaker)


def test_files_that_are_not_of_a_sentence_are_left_out(root):
    expected = [sample["sentence_id"] for sample in tnt.speech.TIMIT(root, "train")]
    folder = any_folder(root, "fcjf0")
    for name in ("._SX37.PHN", ".DS_Store", "notes.phn"):  # of a Macintosh
        (folder / name).write_bytes(b"\x00\x05\x16\x07")
    other = folder.parent.parent / "DOC" / "X"
    other.mkdir(parents=True)
    (other / "SX1.PHN").write_text("0 1 h#")
    found = [sample["sentence_id"] for sample in tnt.speech.TIMIT(root, "train")]
    assert found == expected


def test_a_sentence_without_its_phones_is_not_left_out(root):
    folder = any_folder(root, "fcjf0")
    next(path for path in folder.iterdir() if path.name.lower() == "sx37.phn").unlink()
    with pytest.raises(FileNotFoundError, match="files of sx37, but no sx37.phn"):
        tnt.speech.TIMIT(root, "train")


def test_two_folders_of_a_split_are_not_told_apart_by_chance(root):
    train = any_folder(root, "fcjf0").parents[1]
    train.with_name(train.name.swapcase()).mkdir()
    with pytest.raises(FileNotFoundError, match="it has several, .*train"):
        tnt.speech.TIMIT(root, "train")


def test_an_unknown_phone_is_told_with_its_file(root):
    folder = any_folder(root, "fcjf0")
    path = next(path for path in folder.iterdir() if path.name.lower() == "si648.phn")
    path.write_text("0 10 zz\n")
    with pytest.raises(ValueError, match=r"(?i)si648.phn: 'zz' is not one of the 39"):
        tnt.speech.TIMIT(root, "train", phones=39)[0]


def test_a_folder_without_sentences_is_explained(tmp_path):
    (tmp_path / "TRAIN").mkdir()
    with pytest.raises(FileNotFoundError, match="has no sentences"):
        tnt.speech.TIMIT(tmp_path)


def test_a_broken_line_is_named(tmp_path):
    path = tmp_path / "a.phn"
    path.write_text("0 10 h#\n\n10 x sh\n")
    with pytest.raises(ValueError, match="a.phn:3 needs 'start end label'"):
        tnt.speech.read_segments(path)


@pytest.mark.parametrize(
    "line", ["-1 10 h#", "9 8 h#", "0 10", "0 1.5 h#", "0 ² h#", "0 99999999999 h#"]
)
def test_spans_that_are_none_are_refused(tmp_path, line):
    path = tmp_path / "a.phn"
    path.write_text(line, "latin-1")
    with pytest.raises(ValueError, match="a.phn:1 needs .* with start <= end"):
        tnt.speech.read_segments(path)


def test_sets_of_phones_have_their_sizes():
    speech = tnt.speech
    sets = speech.PHONES_61, speech.PHONES_48, speech.PHONES_39
    assert [len(set(phones)) for phones in sets] == [61, 48, 39]
    for phones, size in zip(sets, (61, 48, 39), strict=True):
        folded = speech.fold_phones(speech.PHONES_61, size)
        assert sorted(set(folded)) == sorted(phones)
        again = speech.fold_phones(phones, 39)
        assert sorted(set(again)) == sorted(speech.PHONES_39)


@pytest.mark.parametrize(
    ("phones", "to", "expected"),
    [
        (
            "ao ax ax-h axr hv ix el em en nx eng zh ux",
            39,
            "aa ah ah er hh ih l m n n ng sh uw",
        ),
        ("pcl tcl kcl bcl dcl gcl h# pau epi", 39, " ".join(["sil"] * 9)),
        ("ao ax ax-h ix el en zh epi", 48, "ao ax ax ix el en zh epi"),
        ("bcl dcl gcl pcl tcl kcl h# pau q", 48, "vcl vcl vcl cl cl cl sil sil"),
        ("sh sh q sh", 39, "sh sh sh"),
        ("q h#", 61, "q h#"),
    ],
)
def test_phones_fold_as_in_kaldi(phones, to, expected):
    assert tnt.speech.fold_phones(phones.split(), to) == expected.split()


def test_unknown_phones_are_refused():
    with pytest.raises(ValueError, match="'xx' is not one of the 39"):
        tnt.speech.fold_phones(["xx"])
    with pytest.raises(ValueError, match="'cl' is not one of the 61"):
        tnt.speech.fold_phones(["cl"], 61)
    with pytest.raises(ValueError, match="61, 48 or 39"):
        tnt.speech.fold_phones(["aa"], 40)


def test_a_q_at_the_start_gives_its_time_to_the_next():
    segments = tnt.speech.Segments(["q", "q", "aa"], np.array([[0, 2], [2, 5], [5, 9]]))
    labels, spans = timit.fold_segments(segments, 48)
    assert labels == ["aa"] and spans.tolist() == [[0, 9]]


def test_frames_are_labelled_by_their_middle():
    spans, labels = [[0, 200], [150, 400], [500, 900]], [1, 2, 3]
    options = {"size": 100, "hop": 100}
    found = tnt.speech.frame_labels(spans, labels, 10, **options)
    assert found.tolist() == [1, 2, 2, 2, -1, 3, 3, 3, 3, -1]
    found = tnt.speech.frame_labels(spans, labels, 4, center=True, **options)
    assert found.tolist() == [1, 1, 2, 2]
    assert tnt.speech.frame_labels([], [], 2).tolist() == [-1, -1]


@pytest.mark.parametrize("dtype", [np.int16, np.int64, np.uint32])
def test_spans_of_any_dtype_label_the_middles_that_they_hold(dtype):
    rng = np.random.default_rng(0)
    for _ in range(50):
        spans = rng.integers(0, 200, (4, 2)).astype(dtype)  # some end before they begin
        size, hop, count = rng.integers(1, 30, 3).tolist()
        expected = np.full(count, -1)
        for row in np.argsort(spans[:, 0], kind="stable"):
            for frame in range(count):
                if spans[row, 0] <= frame * hop + size // 2 < spans[row, 1]:
                    expected[frame] = row
        options = {"size": size, "hop": hop}
        found = tnt.speech.frame_labels(spans, range(4), count, **options)
        np.testing.assert_array_equal(found, expected)


def test_a_span_within_another_leaves_the_rest_of_it():
    spans, labels = [[100, 300], [0, 900]], [2, 1]  # in any order
    found = tnt.speech.frame_labels(spans, labels, 5, size=100, hop=100)
    assert found.tolist() == [1, 2, 2, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        (([[0, 9]], [1.5], 2), {}, TypeError, "integer labels"),
        (([[0.0, 9.0]], [1], 2), {}, TypeError, "integer spans"),
        (([[0, 9]], [1, 2], 2), {}, ValueError, r"spans \[N, 2\] and labels \[N\]"),
        (([[0, 9], [9, 12]], [1], 2), {}, ValueError, r"spans \[N, 2\] and labels"),
        (([[0, 9]], [2**32], 2), {}, ValueError, "labels that int32 holds"),
        (([[0, 9]], [2**70], 2), {}, ValueError, "labels that int32 holds"),
        (([[0, 9]], [1], -1), {}, ValueError, "count must be at least 0"),
        (([[0, 9]], [1], 2), {"hop": 0}, ValueError, "hop must be at least 1"),
    ],
)
def test_labels_of_frames_check_their_arguments(arguments, options, error, text):
    with pytest.raises(error, match=text):
        tnt.speech.frame_labels(*arguments, **options)


@pytest.mark.parametrize("phones", [None, 3, {"aa"}, b"aa", np.array("aa")])
def test_phones_are_a_list(phones):
    with pytest.raises(TypeError, match="a list of phones, such as .*, got"):
        tnt.speech.fold_phones(phones)
    with pytest.raises(ValueError, match="is not one of the 39 phones"):
        tnt.speech.fold_phones([["aa"]])


def test_a_string_of_phones_is_not_a_list_of_letters():
    with pytest.raises(TypeError, match="such as text.split"):
        tnt.speech.fold_phones("h# ix")


def test_spans_may_overlap_and_leave_gaps(tmp_path):
    path = tmp_path / "a.phn"
    path.write_text("0 100 h#\n90 300 q\n250 400 iy\n500 600 h#\n")
    segments = tnt.speech.read_segments(path)
    assert segments.spans.tolist() == [[0, 100], [90, 300], [250, 400], [500, 600]]
    labels, spans = timit.fold_segments(segments, 39)
    assert labels == ["sil", "iy", "sil"]
    assert spans.tolist() == [[0, 300], [250, 400], [500, 600]]
    frames = tnt.speech.frame_labels(spans, [0, 1, 2], 6, size=100, hop=100)
    assert frames.tolist() == [0, 0, 1, 1, -1, 2]
