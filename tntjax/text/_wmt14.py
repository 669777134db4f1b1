"""WMT14: the translation task of 2014, German and French with English."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tntjax._check import check_choice, require
from tntjax._files import as_place
from tntjax._struct import Opaque, child, pytree, static
from tntjax._types import Sample
from tntjax.dataset._concat import ConcatDataset
from tntjax.dataset._index_map import IndexMap
from tntjax.dataset._transform import TransformDataset
from tntjax.text._ids import is_ordered
from tntjax.text._parallel_text import ParallelText
from tntjax.text._sgm import read_sgm

PAIRS = ("de-en", "en-de", "fr-en", "en-fr")
SPLITS = ("train", "newstest2013", "newstest2014")
CORPORA = {
    "europarl": ("wmt13/training-parallel-europarl-v7.tgz", "europarl-v7.{}-en.{}"),
    "commoncrawl": ("wmt13/training-parallel-commoncrawl.tgz", "commoncrawl.{}-en.{}"),
    "news-commentary": (
        "wmt14/training-parallel-nc-v9.tgz",
        "news-commentary-v9.{}-en.{}",
    ),
    "un": ("wmt13/training-parallel-un.tgz", "undoc.2000.{}-en.{}"),
    "giga": ("wmt10/training-giga-fren.tar", "giga-fren.release2.fixed.{1}.gz"),
}
"""The archive of each corpus, and its files of a language, "de" or "fr", and a side."""

MISSING = """WMT14: {name} is not there. Looked into the folders {folders} of {root}.
Get {archive} from https://www.statmt.org/ (for research) and unpack it in {root}."""


@pytree
class WMT14(IndexMap):
    """The data of WMT 2014, read from the unpacked archives.

    Of German there are 4,508,785 training pairs, of French 40,836,715, some with empty
    lines. newstest2013 has 3,000 segments, newstest2014 has 3,003 in full, which most
    papers use, and 2,737 of German filtered, which sacreBLEU means by "wmt14": scores
    on the two do not compare.

    Args:
      root: the folder in which the archives were unpacked.
      pair: "de-en", "en-de", "fr-en" or "en-fr": input and target.
      split: "train", "newstest2013" or "newstest2014".
      test: of newstest2014 "full" or "filtered".
      corpora: which corpora to read, of "europarl", "commoncrawl", "news-commentary"
        and, of French, "un" and "giga"; None for all.
      empty: "keep" or "drop" pairs with an empty line, as `ParallelText` does.
      cache: a folder for the places of lines and what was in `.gz`.

    Samples are `{"input", "target", "corpus": str, "index": int}`, an index among the
    corpus' pairs that are kept; those of test sets have `document` and `segment` too.

    Raises:
      FileNotFoundError: if a file is not there; it says what to get.
      ValueError: if an argument is none of these, or two files do not fit together.

    Example:
      >>> WMT14("corpora", "en-de", "newstest2014")
      Traceback (most recent call last):
      ValueError: WMT14 needs test='full' or 'filtered' for newstest2014, got None. \
They are different segments: see what you compare with.

    Source: https://www.statmt.org/wmt14/translation-task.html
    """

    root: Any = static()
    pair: str = static(default="de-en")
    split: str = static(default="train")
    test: str | None = static(default=None)
    corpora: Sequence[str] | None = static(default=None)
    empty: str = static(default="keep")
    cache: Any = static(default=None)
    dataset: Any = child(Opaque, init=False)

    def __post_init__(self) -> None:
        check_choice("WMT14", "pair", self.pair, PAIRS)
        check_choice("WMT14", "split", self.split, SPLITS)
        if self.split != "newstest2014" and self.test is not None:
            raise ValueError(f"WMT14 has one {self.split}: leave test= out.")
        if self.split == "newstest2014" and self.test not in ("full", "filtered"):
            raise ValueError(
                "WMT14 needs test='full' or 'filtered' for newstest2014, got"
                f" {self.test!r}. They are different segments: see what you compare"
                " with."
            )
        trains = self.split == "train"
        if not trains and (self.corpora is not None or self.empty != "keep"):
            told = "WMT14: corpora and empty are of train"
            raise ValueError(f"{told}, not {self.split}.")
        root = Path(as_place(self.root, "WMT14: root"))
        dataset = (_open_training if trains else _open_test)(self, root)
        vars(self).update(root=str(root), dataset=dataset)

    @property
    def name(self) -> str:
        """The name of a test set, for the signature of a score: "wmt14/full"."""
        return f"wmt14/{self.test or self.split}"

    def __len__(self) -> int:
        return len(self.dataset)

    def _get(self, index: int) -> Sample:
        return dict(self._get_wrapped(index))


def _open_training(data: WMT14, root: Path) -> Any:
    languages = data.pair.split("-")
    other = data.pair.replace("en", "").strip("-")
    known = list(CORPORA)[: 3 if other == "de" else 5]
    if data.corpora is not None:
        needs = f"WMT14 needs a list of corpora, each once, of {known}"
        require(is_ordered(data.corpora), needs, data.corpora)
        vars(data)["corpora"] = chosen = tuple(data.corpora)  # hashable
        named = all(isinstance(name, str) and name in known for name in chosen)
        require(named and 0 < len(chosen) == len(set(chosen)), needs, chosen)
    texts = []
    for name in data.corpora or known:
        archive, file = CORPORA[name]
        names = [file.format(other, language) for language in languages]
        paths = _find(root, (".", "training", "un"), names, archive)
        text = ParallelText(*paths, empty=data.empty, cache=data.cache)
        texts.append(TransformDataset(text, partial(_label, name), with_index=True))
    return ConcatDataset(texts)


def _label(corpus: str, sample: Sample, index: int) -> Sample:
    return {**sample, "corpus": corpus, "index": index}


def _open_test(data: WMT14, root: Path) -> Any:
    languages = data.pair.split("-")
    if data.split == "newstest2013":
        folders, archive = ("dev", "test", "."), "wmt13/test.tgz"
        # Both sides are called `src`: it was a test of all directions.
        names = [f"newstest2013-src.{language}.sgm" for language in languages]
    else:
        folders = ("test-full",) if data.test == "full" else ("test",)
        archive = f"wmt14/test-{data.test}.tgz"
        stem = "newstest2014-" + ("deen" if "de" in languages else "fren")
        sides = zip(("src", "ref"), languages, strict=True)
        names = [f"{stem}-{side}.{language}.sgm" for side, language in sides]
    paths = _find(root, folders, names, archive)
    inputs, targets = map(read_sgm, paths)
    if [part[:2] for part in inputs] != [part[:2] for part in targets]:
        raise ValueError(
            f"{paths[0]} ({len(inputs)} segments) and {paths[1]} ({len(targets)}) have"
            " not the same documents and segments: they are not of one archive."
        )
    return [
        {
            "input": mine.text,
            "target": other.text,
            "corpus": data.name,
            "index": index,
            "document": mine.document,
            "segment": mine.id,
        }
        for index, (mine, other) in enumerate(zip(inputs, targets, strict=True))
    ]


def _find(root: Path, folders: Sequence[str], names: list[str], archive: str) -> Any:
    """Returns the path of each file, in the first of the folders that has it."""
    found = []
    for name in names:
        there = [path for f in folders if (path := root / f / name).is_file()]
        if not there:
            shown = {"name": name, "folders": ", ".join(folders), "root": root}
            raise FileNotFoundError(MISSING.format(**shown, archive=archive))
        found.append(there[0])
    return found
