"""The examples of speech in a short form, on recordings of Debian packages."""

import re
from pathlib import Path

import pytest

from tests.required import require

pytest.importorskip("soundfile")


@pytest.mark.slow
def test_languages_of_spoken_numbers_are_told_apart(run_example):
    sounds = "/usr/share/asterisk/sounds"
    for language in ("en_US", "es_MX", "fr_CA"):
        found = [*Path(sounds).glob(f"{language}*"), f"{sounds}/{language}_*"][0]
        require(found, f"asterisk-core-sounds-{language[:2]}-wav")
    lines = run_example("spoken_digits.py", "--epochs=3", "--most=150")
    accuracy = float(re.search(r"accuracy +([\d.]+) %", lines[-1])[1])
    assert lines[0].endswith("languages") and accuracy > 50


@pytest.mark.slow
def test_ctc_learns_digits(run_example):
    require("/usr/share/pocketsphinx/test/data/tidigits", "pocketsphinx-testdata")
    lines = run_example("ctc_digits.py", "--epochs=3", "--strings=16")
    assert lines[0] == "20 recordings to learn from; held out are 11 of 28"
    assert lines[1] == "words, which make 61 strings of 282 words"
    assert re.fullmatch(r"epoch  3: loss [\d.]+  held-out WER +[\d.]+ %", lines[2])
    assert lines[3].startswith("WERMeter(rate=")


def test_they_say_which_recordings_they_need(run_example, tmp_path):
    for name, option in (("spoken_digits.py", "sounds"), ("ctc_digits.py", "data")):
        with pytest.raises(SystemExit) as left:
            run_example(name, f"--{option}={tmp_path / 'nowhere'}")
        assert not left.value.code
