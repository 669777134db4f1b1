"""What README and docs print runs as it is printed; resuming is in its own file."""

import re

import numpy as np
import pytest
from PIL import Image

from tests.docs.printed import FENCE, ROOT, fences, program, run_and_see, run_in

PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in ROOT.glob("docs/*.md"))]
IN_OTHER_FILES = [
    "README.md",
    *(f"docs/{name}.md" for name in ("errors", "keras", "log", "resume")),
]
PRINTING = [
    f"docs/{name}.md" for name in ("coming-from", "everything", "index", "tutorial")
]
"""Pages whose programs print, one after the other, all that is shown as text."""

NUMBER = r"\d+(?:\.\d+)?"


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_what_is_python(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert {language for language, _ in FENCE.findall(text)} <= {"python", "sh", "text"}
    assert text.count("```") == 2 * len(FENCE.findall(text))


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [
        page
        for page in PAGES
        if page not in [*IN_OTHER_FILES, *PRINTING] and program(page)
    ],
)
def test_the_programs_of_a_page_run_one_after_the_other(page, tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.png", "c.png"):
        Image.new("L", (8, 8)).save(tmp_path / "photos" / name)
    run_in(tmp_path, program(page))


@pytest.mark.slow
@pytest.mark.parametrize("page", PRINTING)
def test_the_programs_of_a_page_print_what_stands_below(page, tmp_path):
    check_output(run_in(tmp_path, program(page)), "".join(fences(page, "text")))


def test_the_page_beside_keras_counts_its_lines():
    text = (ROOT / "docs" / "keras.md").read_text(encoding="utf-8")
    for code, said in (
        ("python", r"program of (\d+) lines"),
        ("text", r"in (\d+) lines"),
    ):
        lines = list(filter(str.strip, fences("docs/keras.md", code)[0].splitlines()))
        assert len(lines) == int(re.search(said, text.replace("\n", " "))[1]) <= 20
        assert max(map(len, lines)) <= 88


@pytest.mark.slow
def test_the_program_of_the_readme_prints_what_stands_below(tmp_path):
    seen = run_and_see(tmp_path, fences("README.md", "python")[0])
    shown = next(text for text in fences("README.md", "text") if "loss" in text)
    check_output(without_seconds(seen), without_seconds(shown))
    assert (tmp_path / "report.html").read_text(encoding="utf-8").count("<h1") == 1


def check_output(printed: str, shown: str) -> None:
    assert words(printed) == words(shown)
    np.testing.assert_allclose(numbers(printed), numbers(shown), rtol=0.05)


def without_seconds(text: str) -> str:
    return re.sub(r"updates  \S+ (s|min)", "updates", text)


def words(text: str) -> list[str]:
    return re.sub(NUMBER, "#", text).split()


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(NUMBER, text)]
