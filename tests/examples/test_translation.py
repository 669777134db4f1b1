"""Translation in a short form; the numbers of its docs are of a long run."""

import re

import pytest

from tests.required import require

VERSES = "/usr/share/sword/modules/texts/ztext/spaRV1909eb"


@pytest.mark.slow
def test_translates_better_after_an_epoch(run_example):
    pytest.importorskip("sentencepiece")
    pytest.importorskip("sacrebleu")
    require(VERSES, "sword-text-kjv sword-text-sparv")
    settings = ["--pairs=800", "--pieces=400", "--width=32", "--layers=1", "--test=8"]
    lines = run_example(
        "translation.py", *settings, "--epochs=3", "--longest=48", "--tokens=1024"
    )
    assert re.fullmatch(
        r"792 pairs, 400 pieces, \d+ batches of (\d+ x \d+(, )?){4}", lines[0]
    )
    found = [
        re.search(r"perplexity +([\d.]+)  BLEU +[\d.]+$", line) for line in lines[1:4]
    ]
    first, _, last = (float(match[1]) for match in found)
    assert last < 0.8 * first
    assert lines[-1].startswith(
        "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|test:verses"
    )
