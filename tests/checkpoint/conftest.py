"""What the tests of checkpoints need: Orbax, or else they are skipped."""

import importlib.util
import os

import pytest

HAS_ORBAX = importlib.util.find_spec("orbax") is not None


@pytest.fixture(autouse=True)
def orbax():
    if HAS_ORBAX:
        return
    if os.environ.get("TNTJAX_REQUIRE_EXTRAS") == "1":
        pytest.fail('TNTJAX_REQUIRE_EXTRAS=1: pip install -e ".[checkpoint]"')
    pytest.skip("Orbax is not installed")
