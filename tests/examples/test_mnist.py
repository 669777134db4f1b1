"""The MNIST example: what it prints, and how well it learns."""

import re
import runpy
from pathlib import Path

import jax
import pytest

import tntjax as tnt
from tests.required import FULL_MNIST

SCRIPT = Path(__file__).parents[2] / "examples" / "mnist.py"


@pytest.fixture
def run(monkeypatch, capsys):
    def run(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", [str(SCRIPT), *arguments])
        runpy.run_path(str(SCRIPT), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.fixture
def offline(monkeypatch):
    def missing(*_):
        raise FileNotFoundError("no MNIST")

    monkeypatch.setattr(tnt.vision, "mnist", missing)


def error_of(line: str) -> float:
    return float(re.search(r"error +([\d.]+) %", line)[1])


def test_trains_on_the_embedded_digits_where_there_is_no_mnist(run, offline):
    lines = run().splitlines()
    assert lines[0] == (
        "No MNIST here and none to be fetched: training on the 6,000 digits inside."
    )
    epochs = [line.split()[1] for line in lines if line.startswith("epoch")]
    assert epochs == ["1:", "2:", "3:", "4:", "5:"]
    steps = [line.split()[1] for line in lines if line.startswith("step")]
    assert steps == ["100", "200"]
    assert lines[-2].startswith("test:") and error_of(lines[-2]) <= 13
    assert re.fullmatch(r"[\d,]+ samples/s on .*", lines[-1])


def test_takes_its_settings(run, offline):
    settings = ["--epochs=1", "--batch-size=500", "--lr=0.5", "--steps-per-call=3"]
    lines = run(*settings, "--platform=cpu").splitlines()
    assert lines[1].startswith("epoch 1:    12 ")
    assert lines[2].startswith("test:        2 ")


def test_writes_a_report(run, offline, tmp_path):
    page = tmp_path / "out.html"
    lines = run("--epochs=1", f"--report={page}").splitlines()
    assert lines[-1].endswith(str(jax.devices()[0]))
    text = page.read_text(encoding="utf-8")
    assert "validate.error" in text and "Training report" in text


@pytest.mark.slow
@FULL_MNIST
def test_learns_the_full_mnist(run):
    lines = run().splitlines()
    assert error_of(lines[-2]) <= 8.2


@pytest.mark.skipif(jax.default_backend() == "gpu", reason="there is a GPU here")
def test_no_gpu_is_one_clear_line(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", [str(SCRIPT), "--platform=gpu"])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert caught.value.code == 2
    assert capsys.readouterr().err == "--platform gpu: JAX sees no GPU here.\n"
