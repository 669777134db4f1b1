"""Runs over buckets and packed rows that are killed end like those that were not."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.text.ragged_runs import ITERATORS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def start(folder: Path, cache: Path) -> subprocess.Popen:
    settings = {
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(ROOT),
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    command = [sys.executable, "-m", "tests.text.ragged_runs", str(folder)]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | settings)


def written(folder: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("*/log.jsonl"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("runs")
    whole, killed, cache = base / "whole", base / "killed", base / "cache"
    assert start(whole, cache).wait(600) == 0
    for part in (0.15, 0.5, 0.8):  # in each of the three runs
        process = start(killed, cache)
        while written(killed) < part * written(whole) and process.poll() is None:
            time.sleep(0.005)
        process.kill()
        assert process.wait(600) == -9
    assert start(killed, cache).wait(600) == 0
    return whole, killed


@pytest.mark.parametrize("file", ["end.json", "log.jsonl"])
@pytest.mark.parametrize("name", ITERATORS)
def test_a_killed_run_ends_bit_for_bit_like_one_that_was_not(folders, name, file):
    whole, killed = ((folder / name / file).read_text() for folder in folders)
    assert killed == whole
