"""BLEU and chrF of real texts at size: sacreBLEU's own, and what it prints."""

import bz2
import os
import pickle
import re
import struct
import zlib

import pytest
import sacrebleu

from tests.required import require
from tntjax.text import BLEUMeter, ChrFMeter

SWORD = "/usr/share/sword/modules/texts/ztext"
WMT17 = os.environ.get("TNTJAX_WMT17", "")  # of sacreBLEU's sdist, as .ci/run has it
PRINTED = {  # by sacreBLEU 2.6.0: BLEU, chrF
    "LIUM-NMT": (26.5958, 55.9284),
    "online-F": (15.4517, 49.2588),
    "uedin-nmt": (28.3012, 57.7227),
}


def read_verses(module):
    """The verses of the New Testament as people read them."""
    folder = require(f"{SWORD}/{module}", "sword-text-kjv sword-text-sparv")
    blocks, places, packed = (
        (folder / f"nt.{kind}").read_bytes() for kind in ("bzs", "bzv", "bzz")
    )
    plain = [
        zlib.decompress(packed[start : start + size])
        for start, size, _ in struct.iter_unpack("<III", blocks)
    ]
    for block, start, size in struct.iter_unpack("<IIH", places):
        verse = plain[block][start : start + size].decode()
        verse = re.sub(r"<(note|title)\b.*?</\1>", "", verse, flags=re.DOTALL)
        yield " ".join(re.sub(r"<[^>]*>", "", verse).split())


@pytest.mark.parametrize("module", ["engKJV2006eb", "spaRV1909eb"])
def test_verses_against_their_neighbours_have_sacrebleus_scores(module):
    verses = list(read_verses(module))[:500]
    output, streams = verses[1:-1], [verses[2:], verses[:-2]]
    target = list(zip(*streams, strict=True))
    for kind, metric in (
        (BLEUMeter, sacrebleu.BLEU()),
        (lambda **n: ChrFMeter(2, **n), sacrebleu.CHRF(word_order=2)),
    ):
        meter = kind(num_references=2)
        for start in range(0, len(output), 200):
            meter = meter.add(output[start:][:200], target[start:][:200])
        expected = metric.corpus_score(output, streams).score
        assert expected > 5 and meter.value() == pytest.approx(expected, abs=1e-9)


class OnlyText(pickle.Unpickler):
    def find_class(self, module, name):
        raise pickle.UnpicklingError(f"{module}.{name} is not text")


def test_systems_of_wmt17_have_the_scores_that_sacrebleu_prints():
    if not WMT17:
        pytest.skip("TNTJAX_WMT17 does not name test/wmt17_en_de_systems.pkl.bz2")
    with bz2.open(WMT17) as file:
        systems = OnlyText(file).load()
    texts = {name: lines for name, lines in systems}
    (reference,) = texts["reference"]
    for system, printed in PRINTED.items():
        (name,) = (name for name in texts if system in name)
        scores = [
            kind().add(texts[name], reference).value()
            for kind in (BLEUMeter, ChrFMeter)
        ]
        assert scores == pytest.approx(printed, abs=1e-4)
