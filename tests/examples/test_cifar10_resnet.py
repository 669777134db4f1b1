"""The ResNet in a short form; on CIFAR-10 and Fashion-MNIST it is run by hand."""

import re

import pytest

import tntjax as tnt


@pytest.mark.slow
def test_learns_the_embedded_digits(run_example, offline, monkeypatch):
    def missing(*_):
        raise FileNotFoundError("no CIFAR-10")

    monkeypatch.setattr(tnt.vision, "cifar10", missing)
    settings = ["--epochs=2", "--width=8", "--blocks=1", "--batch-size=50"]
    lines = run_example("cifar10_resnet.py", *settings)
    assert lines[:2] == ["CIFAR-10 is not here.", "Fashion-MNIST is not here."]
    assert lines[2].startswith("the digits inside: 6,000")
    assert [line.split()[1] for line in lines[3:5]] == ["1:", "2:"]
    accuracy = float(re.search(r"accuracy +([\d.]+) %", lines[5])[1])
    assert lines[5].startswith("test:") and accuracy > 75
