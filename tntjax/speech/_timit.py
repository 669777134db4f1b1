"""TIMIT: read sentences with the spans of their phones and words."""

import os
import re
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tntjax._check import check_choice
from tntjax._files import as_place
from tntjax._struct import flag, pytree, static
from tntjax._types import Sample
from tntjax.dataset._index_map import IndexMap
from tntjax.speech._audio import read_audio, read_audio_header
from tntjax.speech._phones import check_fold, fold_phones

CORE_TEST = frozenset(
    "mdab0 mwbt0 felc0 mtas1 mwew0 fpas0 mjmp0 mlnt0 fpkt0 mlll0 mtls0 fjlm0 mbpm0"
    " mklt0 fnlp0 mcmj0 mjdh0 fmgd0 mgrt0 mnjm0 fdhc0 mjln0 mpam0 fmld0".split()
)
DEV = frozenset(
    "faks0 fdac1 fjem0 mgwt0 mjar0 mmdb1 mmdm2 mpdf0 fcmh0 fkms0 mbdg0 mbwm0 mcsh0"
    " fadg0 fdms0 fedw0 mgjf0 mglb0 mrtk0 mtaa0 mtdt0 mthc0 mwjg0 fnmr0 frew0 fsem0"
    " mbns0 mmjr0 mdls0 mdlf0 mdvc0 mers0 fmah0 fdrw0 mrcs0 mrjm4 fcal1 mmwh0 fjsj0"
    " majc0 mjsw0 mreb0 fgjd0 fjmg0 mroa0 mteb0 mjfc0 mrjr0 fmml0 mrws1".split()
)
SPLITS = {
    "train": ("train", ()),
    "dev": ("test", DEV),
    "core-test": ("test", CORE_TEST),
    "test": ("test", ()),
}
"""The folder and the speakers of each split, none for all of its folder."""

KINDS = ("wav", "phn", "wrd", "txt")
PATH = re.compile(r"dr([1-8])/([^/]+)/(s[aix]\d+)\.(wav\.wav|wav|phn|wrd|txt)")
"""Files of a sentence in the folder of a split, in small letters."""

MISSING = """{split} of TIMIT is not in {root}: {lacks}. Its licence is from the LDC, \
https://catalog.ldc.upenn.edu/LDC93S1; unpack it so that \
{root}/TIMIT/{{TRAIN,TEST}}/DR1/<speaker>/<sentence>.{{WAV,PHN,WRD,TXT}} is there, in \
capitals or not."""

SPAN = re.compile(r"\s*(\d{1,9})\s+(\d{1,9})\s+(\S.*?)\s*", re.ASCII)
"""A line of a PHN, WRD or TXT file; int32 holds nine digits."""


class Segments(NamedTuple):
    """N labels, and spans [N, 2] int32: the first sample of each, the one behind it."""

    labels: list[str]
    spans: np.ndarray


def read_segments(path: str | os.PathLike[str]) -> Segments:
    """Reads a PHN, WRD or TXT file of TIMIT: lines `start end label`, in samples.

    Args:
      path: the file.

    Returns:
      The labels and spans in the order of the file; spans may overlap or leave gaps.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if a line is otherwise; the text names it.
    """
    labels, spans = [], []
    where = as_place(path, "read_segments: path")
    lines = Path(where).read_text("latin-1").split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if not (found := SPAN.fullmatch(line)) or int(found[1]) > int(found[2]):
            needs = f"{where}:{number} needs 'start end label' with start <= end"
            raise ValueError(f"{needs}, got {line!r}.")
        labels.append(found[3])
        spans.append((int(found[1]), int(found[2])))
    return Segments(labels, np.array(spans, np.int32).reshape(-1, 2))


def fold_segments(segments: Segments, to: int) -> Segments:
    """Folds the labels; the time of a `q` goes to the phone before, or else behind."""
    labels, spans, early = [], [], None
    for label, (start, end) in zip(*segments, strict=True):
        if folded := fold_phones([label], to):
            labels += folded
            spans.append([start if early is None else early, end])
            early = None
        elif spans:
            spans[-1][1] = max(spans[-1][1], end)
        elif early is None:
            early = start
    return Segments(labels, np.array(spans, np.int32).reshape(-1, 2))


@pytree
class TIMIT(IndexMap):
    """Sentences of TIMIT, by the names of speaker and sentence.

    Names of files are compared without capitals, and a `*.WAV.wav` beside a `*.WAV` is
    the same sentence. A sample is `{"audio": int16 [T], "sample_rate": 16000,
    "phones": list of str, "phone_spans": int32 [N, 2], "words", "word_spans", "text",
    "speaker", "dialect": 1 to 8, "sex": "f" or "m", "sentence_id", "kind": "SA", "SI"
    or "SX"}`. Spans are in samples, and end where the audio ends.

    Args:
      root: the folder that holds TRAIN and TEST, or the one around it.
      split: "train" (3,696 sentences without SA), "dev" (400), "core-test" (192) or
        "test" (1,344).
      phones: 61 labels as they are, or folded to 48 or 39 by `fold_phones`.
      sa: keep the two sentences that all speakers say, in training and in the test.

    Raises:
      FileNotFoundError: if the split is not there, or a file of a sentence.
      ValueError: if an argument is wrong.

    Purpose: phone recognition.

    Garofolo et al., LDC93S1 (1993). Dev and core test are Kaldi's lists of speakers.
    """

    root: str | os.PathLike[str] = static()
    split: str = static(default="train")
    phones: int = static(default=61)
    sa: bool = flag(default=False)

    def __post_init__(self) -> None:
        check_choice("TIMIT", "split", self.split, tuple(SPLITS))
        check_fold("TIMIT: phones", self.phones)
        vars(self).update(root=as_place(self.root, "TIMIT: root"))
        _ = self._sentences

    @cached_property
    def _sentences(self) -> list[dict[str, str]]:
        """The files of each sentence by their endings, and what their paths tell."""
        name, speakers = SPLITS[self.split]
        folders = _find(Path(self.root), name)
        if len(folders) != 1:
            several = "several, " + " and ".join(map(str, folders))
            raise self._error(f"it has {several if folders else 'no folder ' + name}")
        found: dict[tuple[str, ...], dict[str, str]] = {}
        for path in sorted(folders[0].glob("*/*/*")):
            if match := PATH.fullmatch("/".join(path.parts[-3:]).lower()):
                dialect, speaker, stem, kind = match.groups()
                if speaker in (speakers or [speaker]) and (self.sa or stem[:2] != "sa"):
                    files = found.setdefault((speaker, stem, dialect), {})
                    files[kind] = os.fspath(path)
        if not found:
            raise self._error(f"{folders[0]} has no sentences")
        for (speaker, stem, dialect), files in found.items():
            if riff := files.pop("wav.wav", None):  # the copy of Kaggle
                files.setdefault("wav", riff)
            if missing := [kind for kind in KINDS if kind not in files]:
                folder = os.path.dirname(min(files.values()))
                lacks = f"{folder} has files of {stem}, but no {stem}.{missing[0]}"
                raise self._error(lacks)
            files |= {"speaker": speaker, "sentence": stem, "dialect": dialect}
        return [files for _, files in sorted(found.items())]

    def _error(self, lacks: str) -> FileNotFoundError:
        named = {"split": self.split, "root": self.root, "lacks": lacks}
        return FileNotFoundError(MISSING.format(**named))

    def __len__(self) -> int:
        return len(self._sentences)

    def _get(self, index: int) -> Sample:
        files = self._sentences[index]
        wave, rate = read_audio(files["wav"], dtype="int16")
        segments = {kind: read_segments(files[kind]) for kind in ("phn", "wrd", "txt")}
        try:
            phones = fold_segments(segments["phn"], self.phones)
        except ValueError as error:
            raise ValueError(f"{files['phn']}: {error}") from error
        return {
            "audio": wave,
            "sample_rate": rate,
            "phones": phones.labels,
            "phone_spans": np.minimum(phones.spans, len(wave)),
            "words": segments["wrd"].labels,
            "word_spans": np.minimum(segments["wrd"].spans, len(wave)),
            "text": " ".join(segments["txt"].labels),
            "speaker": files["speaker"],
            "dialect": int(files["dialect"]),
            "sex": files["speaker"][0],
            "sentence_id": files["sentence"],
            "kind": files["sentence"][:2].upper(),
        }

    def lengths(self) -> np.ndarray:
        """Reads the samples of each sentence, [N] int64, from its header alone."""
        paths = (files["wav"] for files in self._sentences)
        return np.array([read_audio_header(path).samples for path in paths], np.int64)


def _find(root: Path, name: str) -> list[Path]:
    """Finds folders by their name without capitals, in the root or in one inside."""
    entries = sorted(root.iterdir()) if root.is_dir() else []
    inner = [path for path in entries if path.is_dir()]
    found = [path for path in inner if path.name.lower() == name]
    around = [path for path in inner if path.name.lower() in ("timit", "data")]
    return found or [path for outer in around for path in _find(outer, name)]
