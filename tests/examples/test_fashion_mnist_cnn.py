"""The convolutional example in a short form; on Fashion-MNIST it is run by hand."""

import re

import pytest


@pytest.mark.slow
def test_learns_the_embedded_digits(run_example, offline):
    settings = ["--epochs=2", "--features=4"]
    lines = run_example("fashion_mnist_cnn.py", *settings)
    assert lines[0].startswith("No such files")
    assert [line.split()[1] for line in lines[1:3]] == ["1:", "2:"]
    accuracy = float(re.search(r"accuracy +([\d.]+) %", lines[3])[1])
    assert lines[3].startswith("test:") and accuracy > 75  # what it sees is augmented
