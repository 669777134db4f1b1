"""The example that goes on: its log is that of one run."""

import json
import re
import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "resume.py"


@pytest.fixture
def run(monkeypatch, capsys):
    def run(folder: Path, epochs: int) -> tuple[str, str]:
        arguments = [f"--folder={folder}", f"--epochs={epochs}", "--every=10"]
        monkeypatch.setattr("sys.argv", [str(SCRIPT), *arguments])
        runpy.run_path(str(SCRIPT), run_name="__main__")
        return (folder / "log.jsonl").read_text(), capsys.readouterr().out

    return run


def test_goes_on_where_it_was_stopped(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, _ = run(Path("new"), 1)
    (tmp_path / "new" / "log.jsonl").write_text(first + "written, then killed")
    log, said = run(Path("new"), 2)
    assert log.startswith(first)
    lines = [json.loads(line) for line in log.splitlines()]
    steps = [line["t"] for line in lines]
    assert steps == [10, 20, 30, 40, 50, 60, 60, 70, 80, 90, 100, 110, 120, 120]
    assert [line["epoch"] for line in lines] == [0] * 6 + [1] * 7 + [2]
    assert lines[-1]["loss"] < lines[6]["loss"]
    last = re.fullmatch(r"test: error ([\d.]+) % after 2 epochs", said.splitlines()[-1])
    assert float(last[1]) < 20
