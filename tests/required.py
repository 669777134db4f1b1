"""What some tests need of other packages: where it is not there, they are left out.

With TNTJAX_REQUIRE_EXTRAS=1, as in .ci/run, that is an error instead.
"""

import importlib.util
import os
from pathlib import Path

import pytest

REQUIRED = os.environ.get("TNTJAX_REQUIRE_EXTRAS") == "1"

DATA = os.environ.get("TNTJAX_DATA")  # before a test hides it from others
FULL_MNIST = pytest.mark.skipif(
    not DATA, reason="TNTJAX_DATA is not set: no full MNIST"
)


def needs(package):
    """Marks a test of a Python package."""
    missing = not importlib.util.find_spec(package)
    return pytest.mark.skipif(missing and not REQUIRED, reason=f"{package} is missing")


def require(path, packages):
    """Returns a path that packages of Debian bring, or leaves the test out."""
    if not Path(path).exists():
        leave_out(f"{path} is not there: apt-get install {packages}")
    return Path(path)


def leave_out(reason):
    """Leaves a test out, or fails it where nothing may be missing."""
    (pytest.fail if REQUIRED else pytest.skip)(reason)
