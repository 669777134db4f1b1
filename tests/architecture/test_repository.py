"""What no file of the repository holds."""

import re
from pathlib import Path

import pytest

from tests.architecture._source import ROOT, repository_files, require_none

RULES = {
    # The brackets keep a pattern from matching its own line.
    "unfinished places": (
        r"TO[D]O|FIX[M]E",
        "Do it, or file an issue and say what holds until then.",
    ),
    "paths of one machine": (
        r"(?<![\w.~$}/-])/(?:home|root|Users|work|tmp|mnt|opt)/\w",
        "Take the path from an argument, the environment or a temporary folder.",
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_no_file_holds(rule):
    pattern, what_to_do = RULES[rule]
    violations = [
        f"{path.relative_to(ROOT)}:{number} {line.strip()[:80]}"
        for path in repository_files()
        for number, line in enumerate(text_lines(path), start=1)
        if re.search(pattern, line)
    ]
    require_none(violations, what_to_do)


def text_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return []  # data
