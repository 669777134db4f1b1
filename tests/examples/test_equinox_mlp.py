"""The equinox example in a short form: what it prints and what it saves."""

import re

import equinox as eqx
import jax
import numpy as np


def test_learns_the_embedded_digits_and_saves_the_module(
    run_example, offline, tmp_path
):
    path = str(tmp_path / "mlp.eqx")
    settings = ["--epochs=2", "--width=32", "--lr=0.01", f"--save={path}"]
    lines = run_example("equinox_mlp.py", *settings)
    assert lines[0].startswith("No MNIST here")
    errors = [float(re.search(r"error +([\d.]+) %", line)[1]) for line in lines[1:]]
    assert len(errors) == 3 and errors[1] < errors[0] and errors[2] < 16
    model = eqx.nn.MLP(784, 10, 32, depth=2, key=jax.random.key(1))
    loaded = eqx.tree_deserialise_leaves(path, model)
    assert not np.array_equal(loaded.layers[0].weight, model.layers[0].weight)
