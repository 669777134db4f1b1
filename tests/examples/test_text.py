"""The examples of ragged data and of text, in a short form."""

import re

import pytest


@pytest.mark.slow
def test_a_tree_lstm_learns_to_compute_in_one_compiled_shape(run_example):
    lines = run_example("tree_lstm.py", "--epochs=2", "--batches=100", "--leaves=4")
    right = [float(re.search(r"right +([\d.]+) %", line)[1]) for line in lines[:2]]
    assert right[0] < right[1] and right[1] > 60
    assert lines[-1] == "12800 trees, 1 compiled"


SHORT = ("--updates=60", "--epoch=20", "--width=32", "--layers=2", "--letters=40")


def losses(lines):
    found = [re.fullmatch(r"update +(\d+): validation loss ([\d.]+)", x) for x in lines]
    return {int(match[1]): float(match[2]) for match in found if match}


@pytest.mark.slow
def test_a_language_model_learns_writes_and_goes_on(run_example, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat, and the dog on the log. " * 400)
    settings = (f"--text={text}", f"--folder={tmp_path / 'saved'}", *SHORT)
    first = losses(run_example("language_model.py", *settings, "--updates=40"))
    lines = run_example("language_model.py", *settings)
    assert list(first) == [20, 40] and list(losses(lines)) == [60]  # and not again
    assert losses(lines)[60] < first[20] < 3.3
    assert len("\n".join(lines).split("|")[-1].rstrip("\n")) >= 39


@pytest.mark.slow
def test_without_a_text_a_language_model_reads_the_help_of_python(
    run_example, monkeypatch, tmp_path
):
    monkeypatch.setenv("TNTJAX_DATA", str(tmp_path))
    lines = run_example("language_model.py", *SHORT, "--updates=20")
    assert lines[0].startswith("No tinyshakespeare/input.txt in $TNTJAX_DATA")
    assert list(losses(lines)) == [20]
