"""The README's commands are those that CI runs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CI = (ROOT / ".ci" / "run").read_text()
COMMANDS = dict(re.findall(r"^(README_\w+)='(.*)'$", CI, re.MULTILINE))


def test_ci_has_both_commands():
    assert sorted(COMMANDS) == ["README_EXAMPLE", "README_TESTS"]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_readme_shows_what_ci_runs(name):
    command, readme = COMMANDS[name], (ROOT / "README.md").read_text()
    shown = command in readme.splitlines() or f"`{command}`" in readme
    assert shown, f"README.md needs this command on a line of its own:\n{command}"
