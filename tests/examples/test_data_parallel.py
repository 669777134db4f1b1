"""The example on several devices: what it prints, the same on one as on four."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "data_parallel.py"


def run(*arguments: str) -> list[str]:
    # JAX is told how many devices there are before it starts, so in a process.
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    process = subprocess.run(
        [sys.executable, str(SCRIPT), "--epochs=1", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=1200,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.splitlines()


@pytest.mark.slow
def test_four_devices_learn_what_one_learns():
    one, four = run("--devices=1"), run("--devices=4")
    assert one[:2] == four[:2]
    assert one[1].startswith("test ")
    assert float(one[1].split()[2]) < 25
    assert four[2].startswith("trained on 4 devices")
