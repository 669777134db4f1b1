"""Runs what a page prints as a reader would: pasted into a file, in a folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def fences(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [code for name, code in FENCE.findall(text) if name == language]


def program(page: str) -> str:
    """All that a page prints in Python, but for doctests, which pytest runs."""
    codes = fences(page, "python")
    return "\n\n".join(code for code in codes if not code.startswith(">>> "))


def run_in(folder: Path, code: str) -> str:
    """Returns what a program prints."""
    (folder / "program.py").write_text(code, encoding="utf-8")
    return run_file(folder, "program.py")


def run_and_see(folder: Path, code: str) -> str:
    """Returns what a program shows on standard error, and then what it prints."""
    (folder / "program.py").write_text(code, encoding="utf-8")
    ended = run(folder, "program.py")
    return ended.stderr + ended.stdout


def run_file(folder: Path, *arguments: str | Path) -> str:
    return run(folder, *arguments).stdout


def run(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    return ended
