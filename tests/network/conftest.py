"""One convolutional network with BatchNorm and dropout, in each library."""

import importlib
import os

import numpy as np
import pytest

import tntjax as tnt

PACKAGES = {"linen": "flax", "nnx": "flax", "equinox": "equinox", "haiku": "haiku"}


@pytest.fixture(scope="session", params=PACKAGES)
def library(request):
    """A module of this folder with `adapt(rate)` and `step_by_hand(adapted, ...)`."""
    if os.environ.get("TNTJAX_REQUIRE_EXTRAS") != "1":
        pytest.importorskip(PACKAGES[request.param])
    return importlib.import_module(f"tests.network.{request.param}_network")


@pytest.fixture(scope="session")
def digits() -> tnt.TableDataset:
    """192 digits, uint8 made float32 [28, 28, 1]."""
    columns = tnt.vision.mnist_sample("train").data
    input = columns["input"][:192, :, :, None].astype(np.float32) / 255
    return tnt.TableDataset({"input": input, "target": columns["target"][:192]})
