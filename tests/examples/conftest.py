"""How examples are run: as their users do, but here."""

import runpy
from pathlib import Path

import pytest

import tntjax as tnt


@pytest.fixture
def run_example(monkeypatch, capsys):
    def run(name: str, *arguments: str) -> list[str]:
        script = str(Path(__file__).parents[2] / "examples" / name)
        monkeypatch.setattr("sys.argv", [script, *arguments])
        runpy.run_path(script, run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return run


@pytest.fixture
def offline(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError("no MNIST")

    monkeypatch.setattr(tnt.vision, "mnist", missing)
