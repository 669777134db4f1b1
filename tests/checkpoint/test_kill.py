"""A program that is killed at any moment and started again ends up the same."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.checkpoint.resumable import CONFIGURATIONS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL)


def start(folder: Path, cache: Path) -> subprocess.Popen:
    settings = {
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(ROOT),
        # What one process has compiled the next one need not compile again.
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    with (folder.parent / "errors.txt").open("a") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.checkpoint.resumable", str(folder)],
            cwd=ROOT,
            env=os.environ | settings,
            stderr=errors,
        )


def finish(process: subprocess.Popen, folder: Path) -> None:
    assert process.wait(1200) == 0, (folder.parent / "errors.txt").read_text()[-3000:]


def written(folder: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("*/log.jsonl"))


def stop_after(process: subprocess.Popen, folder: Path, lines: int, number: int) -> int:
    """Sends a signal some moments after so many lines; returns how it ended."""
    while written(folder) < lines and process.poll() is None:
        time.sleep(0.005)
    time.sleep(random.uniform(0, 0.2))
    process.send_signal(number)
    return process.wait(1200)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Of a run that was never stopped, and of one that was again and again."""
    base = tmp_path_factory.mktemp("runs")
    whole, killed = base / "whole", base / "killed"
    finish(start(whole, base / "cache"), whole)
    total, seen = written(whole), []
    for part, number in enumerate(SIGNALS):
        lines = int(total * (part + random.uniform(0.1, 0.6)) / len(SIGNALS))
        seen.append(stop_after(start(killed, base / "cache"), killed, lines, number))
    finish(start(killed, base / "cache"), killed)
    # After SIGTERM a run saves and exits with 143; between two runs nobody handles it.
    expected = [(-n, 128 + n if n == signal.SIGTERM else -n) for n in SIGNALS]
    assert all(code in codes for code, codes in zip(seen, expected, strict=True)), seen
    return whole, killed


@pytest.mark.parametrize("file", ["end.json", "log.jsonl"])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_killed_run_ends_like_one_that_was_not(folders, name, file):
    whole, killed = ((folder / name / file).read_text() for folder in folders)
    assert killed == whole
