"""LibriSpeech: a thousand hours of audiobooks, read by volunteers."""

import os
import re
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from tntjax._check import check_optional_functions, require
from tntjax._files import as_place
from tntjax._struct import pytree, static
from tntjax._types import Sample
from tntjax.dataset._index_map import IndexMap
from tntjax.speech._audio import read_audio, read_audio_header

MISSING = """LibriSpeech has no subset {subset!r} in {root}. It is CC BY 4.0: get \
{subset}.tar.gz from https://www.openslr.org/12 and unpack it, so that \
{root}/LibriSpeech/{subset}/<speaker>/<chapter>/*.flac is there."""


ID = re.compile(r"(\d+)-(\d+)-(\d+)", re.ASCII)
"""Speaker, chapter and utterance."""


@pytree
class LibriSpeech(IndexMap):
    """Utterances of LibriSpeech, in the order of their ids, which are compared as text.

    Transcripts are read once, here; audio is decoded when it is asked for. A sample is
    `{"audio": [T], "sample_rate": 16000, "text": str in capitals, "speaker_id": int,
    "chapter_id": int, "utterance_id": int, "id": str, "sex": "F", "M" or "" if
    SPEAKERS.TXT is not there}`.

    Args:
      root: the folder `LibriSpeech`, or the one that holds it.
      subsets: names such as "train-clean-100", in their order; or one name.
      decode: `path -> Audio`; None reads int16, with the extra `speech`.

    Raises:
      FileNotFoundError: if a subset is not there, or a file of a transcript.
      ValueError: if a file has no transcript, a line of one is broken, or `subsets` are
        not different names.

    Purpose: speech recognition.

    Panayotov et al. (2015); https://www.openslr.org/12, CC BY 4.0.
    """

    root: str | os.PathLike[str] = static()
    subsets: str | Sequence[str] = static()
    decode: Callable[[str], Any] | None = static(default=None)

    def __post_init__(self) -> None:
        subsets = (self.subsets,) if isinstance(self.subsets, str) else self.subsets
        named = isinstance(subsets, list | tuple) and all(
            isinstance(name, str) and name.strip("./") for name in subsets
        )
        fits = named and 0 < len(subsets) == len({*map(os.path.normpath, subsets)})
        needs = "LibriSpeech needs a name, 'dev-clean', or a list of different ones"
        require(fits, needs, self.subsets)
        check_optional_functions("LibriSpeech", decode=self.decode)
        root = as_place(self.root, "LibriSpeech: root")
        vars(self).update(root=root, subsets=tuple(subsets))  # hashable
        _ = self._utterances

    @property
    def _folder(self) -> Path:
        inner = Path(self.root) / "LibriSpeech"
        return inner if inner.is_dir() else Path(self.root)

    @cached_property
    def _utterances(self) -> list[tuple[str, str, str]]:  # id, folder, text
        found = []
        for subset in self.subsets:
            folders = (self._folder / subset).glob("[!.]*/[!.]*/")
            rows = [row for folder in folders for row in _read_chapter(folder)]
            if not rows:
                raise FileNotFoundError(MISSING.format(subset=subset, root=self.root))
            found += sorted(rows)
        return found

    @cached_property
    def _sexes(self) -> dict[str, str]:
        path = self._folder / "SPEAKERS.TXT"
        lines = path.read_text("utf-8", "replace").split("\n") if path.exists() else []
        # A name, which is the last field, may hold the separator.
        rows = (line.split("|", 4) for line in lines if not line.startswith(";"))
        return {row[0].strip(): row[1].strip() for row in rows if len(row) == 5}

    def __len__(self) -> int:
        return len(self._utterances)

    def _get(self, index: int) -> Sample:
        name, folder, text = self._utterances[index]
        speaker, chapter, utterance = name.split("-")
        decode = self.decode or partial(read_audio, dtype="int16")
        wave, rate = decode(os.path.join(folder, f"{name}.flac"))
        return {
            "audio": wave,
            "sample_rate": rate,
            "text": text,
            "speaker_id": int(speaker),
            "chapter_id": int(chapter),
            "utterance_id": int(utterance),
            "id": name,
            "sex": self._sexes.get(speaker, ""),
        }

    def lengths(self) -> np.ndarray:
        """Reads the samples of each utterance, [N] int64, from its header alone."""
        paths = (os.path.join(f, f"{name}.flac") for name, f, _ in self._utterances)
        return np.array([read_audio_header(path).samples for path in paths], np.int64)


def _read_chapter(folder: Path) -> list[tuple[str, str, str]]:
    """Reads the id, folder and text of each utterance, and compares them with files."""
    names = {name for name in os.listdir(folder) if not name.startswith(".")}
    files = {name.removesuffix(".flac") for name in names if name.endswith(".flac")}
    stem = f"{folder.parent.name}-{folder.name}"
    transcript, texts = folder / f"{stem}.trans.txt", {}
    if transcript.name not in names:
        raise FileNotFoundError(f"{transcript} is not there: unpack the archive again.")
    lines = transcript.read_text("utf-8-sig", "replace").split("\n")
    for number, line in enumerate(lines, start=1):
        name, _, text = line.strip().partition(" ")
        if not name:
            continue
        known = name.startswith(f"{stem}-") and ID.fullmatch(name)
        if not known or name in texts or "\ufffd" in text:
            raise ValueError(
                f"{transcript}:{number} needs a new id {stem}-NNNN, of numbers, and"
                f" UTF-8, got {line!r}. Unpack the archive again."
            )
        texts[name] = text
    if missing := sorted(set(texts) - files):
        raise FileNotFoundError(
            f"{folder} lacks {missing[0]}.flac, which {transcript.name} names, and"
            f" {len(missing) - 1} more. Unpack the archive again."
        )
    if extra := sorted(files - set(texts)):
        raise ValueError(f"{transcript} has no text of {extra[0]}.flac.")
    return [(name, os.fspath(folder), text) for name, text in texts.items()]
