"""Each process collects the same tests, so that `pytest -n 2` can share them out."""

import os
import subprocess
import sys

import pytest

from tests.architecture._source import ROOT, require_none


@pytest.mark.slow
def test_another_process_collects_the_same_tests_in_the_same_order(request):
    here = [item.nodeid for item in request.session.items]
    there = collected_by_another_process(request.config.args)
    require_none(
        sorted(set(here) - set(there)),
        "Names of tests hold no addresses and no time: give the parameters ids.",
    )
    selected = set(here)  # without what -k and -m leave out
    assert here == [name for name in there if name in selected]


def collected_by_another_process(arguments: list[str]) -> list[str]:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", ""]
    collected = subprocess.run(
        [*command, *arguments, "-p", "no:cacheprovider"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "123", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
    )
    return collected.stdout.splitlines()
