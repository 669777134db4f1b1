"""The example that goes on: in parts it does the same as in one go."""

import re
import runpy
from pathlib import Path

import pytest

from tests.checkpoint.conftest import orbax  # noqa: F401

SCRIPT = Path(__file__).parents[2] / "examples" / "resume.py"


@pytest.fixture
def run(monkeypatch, capsys):
    def run(folder: Path, epochs: int) -> tuple[str, str]:
        arguments = [f"--folder={folder}", f"--epochs={epochs}", "--every=10"]
        monkeypatch.setattr("sys.argv", [str(SCRIPT), *arguments])
        runpy.run_path(str(SCRIPT), run_name="__main__")
        return (folder / "log.jsonl").read_text(), capsys.readouterr().out

    return run


def test_in_parts_and_in_one_go(run, tmp_path):
    first, _ = run(tmp_path / "parts", 1)
    (tmp_path / "parts" / "log.jsonl").write_text(first + "written, then killed")
    log, said = run(tmp_path / "parts", 2)
    whole, all_said = run(tmp_path / "whole", 2)
    assert log == whole and log.startswith(first)
    last = said.splitlines()[-1]
    assert last == all_said.splitlines()[-1]
    error = re.fullmatch(r"test: error ([\d.]+) % after 2 epochs", last)[1]
    assert float(error) < 25
