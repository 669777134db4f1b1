"""OneBillionWord: the One Billion Word Benchmark."""

import os
from collections.abc import Sequence
from pathlib import Path

from tntjax._check import check_choice, require
from tntjax._files import as_place
from tntjax._numbers import check_integers
from tntjax.text._line import LineDataset

NAME = "1-billion-word-language-modeling-benchmark-r13output"
FOLDER = "{}-monolingual.tokenized.shuffled"
# Not the file 00000-of-00100 beside the held-out shards: that is all 50 in one.
LAYOUTS = {
    "train": (FOLDER.format("training"), "news.en-{:05}-of-00100", range(1, 100)),
    "heldout": (FOLDER.format("heldout"), "news.en.heldout-{:05}-of-00050", range(50)),
}

MISSING = """OneBillionWord: {count} of the {total} files of split {split!r} are not \
there, such as {first}.
Unpack https://www.statmt.org/lm-benchmark/{name}.tar.gz (1.8 GB; the text \
is of WMT's News Crawl, for research) and pass the folder that holds {folder}/, or \
name the shards that you have: shards=[0, 1]."""


def OneBillionWord(  # noqa: N802  # the name of the benchmark
    root: str | os.PathLike,
    split: str = "train",
    *,
    shards: Sequence[int] | None = None,
    cache: str | os.PathLike | None = None,
) -> LineDataset:
    """Opens the One Billion Word Benchmark: shuffled sentences of news, tokenized.

    A sentence is a line, and its tokens stand between single blanks. Results are per
    word: `</S>` is predicted at each end, `<S>` is not, and nothing is carried from one
    sentence to the next. For other units there is `PerplexityMeter("word")`.

    Args:
      root: the folder of the unpacked archive, or the one that holds it.
      split: "train" (30,301,028 sentences in shards 1 to 99) or "heldout" (306,688 in
        shards 0 to 49). Most results are on `shards=[0]` of "heldout".
      shards: the numbers in the names of the files to read, in this order; None for
        all of the split.
      cache: a folder for the places of lines, as in `LineDataset`.

    Returns:
      A dataset of `{"text": str}`.

    Raises:
      FileNotFoundError: if a file is not there; it says what to get.
      TypeError, ValueError: if there is no such split or shard, or one is named twice.

    Example:
      >>> OneBillionWord("corpora", "test")
      Traceback (most recent call last):
      ValueError: OneBillionWord needs split 'train' or 'heldout', got 'test'.

    Source: Chelba et al., "One Billion Word Benchmark for Measuring Progress in
    Statistical Language Modeling", 2013.
    """
    check_choice("OneBillionWord", "split", split, tuple(LAYOUTS))
    folder, pattern, numbers = LAYOUTS[split]
    needs, chosen = "OneBillionWord needs a list of integers as shards", list(numbers)
    if shards is not None:
        chosen = check_integers(shards, needs).reshape(-1).tolist()
    there = f"OneBillionWord has shards {numbers[0]} to {numbers[-1]} in split"
    for shard in chosen:
        require(shard in numbers, f"{there} {split!r}", shard)
    require(0 < len(chosen) == len(set(chosen)), f"{needs}, each once", shards)
    base = Path(as_place(root, "OneBillionWord: root"))
    roots = base / NAME, base
    place = next((r for r in roots if (r / folder).is_dir()), base) / folder
    paths = [place / pattern.format(shard) for shard in chosen]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        counts = {"count": len(missing), "total": len(paths), "first": missing[0]}
        told = MISSING.format(**counts, split=split, name=NAME, folder=folder)
        raise FileNotFoundError(told)
    return LineDataset(paths, cache)
