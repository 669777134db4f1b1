"""The page of errors: what is shown is raised, and what is right runs."""

import re

import pytest

from tests.docs.printed import FENCE, ROOT

PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
BEGIN, *SECTIONS = re.split(r"^### ", PAGE, flags=re.MULTILINE)
TITLES = [section.split("\n")[0] for section in SECTIONS]


@pytest.mark.slow
@pytest.mark.parametrize("section", SECTIONS, ids=TITLES)
def test_what_is_wrong_raises_what_is_shown_and_what_is_right_runs(section):
    ((_, begin),) = FENCE.findall(BEGIN)
    (_, wrong), (language, shown), (_, right) = FENCE.findall(section)
    names = {"__name__": "program"}
    exec(begin, names)
    with pytest.raises(Exception) as raised:
        exec(wrong, names)
    assert language == "text"
    assert re.fullmatch(pattern(shown), text(raised.value)), text(raised.value)
    exec(right, names)


def text(error: BaseException) -> str:
    """The last lines of a traceback, in one."""
    notes = getattr(error, "__notes__", ())
    return join(" ".join([f"{type(error).__name__}: {error}", *notes]))


def pattern(shown: str) -> str:
    """What matches a message that is broken into lines, with `...` for anything."""
    return re.escape(join(shown)).replace(r"\.\.\.", ".*")


def join(lines: str) -> str:
    return " ".join(lines.split())
