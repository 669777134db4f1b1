"""The pages of the site, as far as can be told without building it."""

import re
from pathlib import Path
from types import ModuleType

import pytest

import tntjax
from tests.architecture._source import require_none
from tests.docs.printed import ROOT
from tools import check_links, gallery

DOCS = ROOT / "docs"
MARKDOWN = sorted(DOCS.glob("*.md"))
PAGES = [*MARKDOWN, *sorted(DOCS.glob("api/*.rst"))]
DIRECTIVE = re.compile(r"^\.\. (currentmodule|auto\w+):: (\S+)$", re.MULTILINE)
NAME = re.compile(r"\btnt\.([a-zA-Z_]\w*(?:\.[a-zA-Z_]\w*)*)")
LINK = re.compile(r"\]\(([^)\s:]+)\)")


def documented(page: Path) -> list[str]:
    """Names that an API page describes, such as `tntjax.hooks.ema`."""
    module, names = "", []
    for directive, name in DIRECTIVE.findall(page.read_text(encoding="utf-8")):
        if directive == "currentmodule":
            module = name
        else:
            names.append(f"{module}.{name}")
    return names


def public_names() -> list[str]:
    """Each public name once, by its shortest path: `tntjax.take`, `tntjax.log.text`."""
    parts = [getattr(tntjax, name) for name in tntjax.__all__]
    modules = [tntjax, *(part for part in parts if isinstance(part, ModuleType))]
    names, seen = [], set()
    for module in modules:
        for name in module.__all__:
            value = getattr(module, name)
            if not isinstance(value, ModuleType) and id(value) not in seen:
                seen.add(id(value))
                names.append(f"{module.__name__}.{name}")
    return names


def test_every_public_name_is_on_one_api_page():
    shown = [name for page in DOCS.glob("api/*.rst") for name in documented(page)]
    assert sorted(shown) == sorted(public_names())


def test_every_page_is_in_the_index():
    index = (DOCS / "index.md").read_text(encoding="utf-8").splitlines()
    names = [page.relative_to(DOCS).with_suffix("").as_posix() for page in PAGES]
    require_none(
        [name for name in names if name != "index" and index.count(name) != 1],
        "Put each page into one toctree of docs/index.md.",
    )


@pytest.mark.parametrize(
    "page", ["README.md", *(f"docs/{path.name}" for path in MARKDOWN)]
)
def test_links_to_files_lead_to_files(page):
    path = ROOT / page
    links = LINK.findall(path.read_text(encoding="utf-8"))
    files = [link.split("#")[0] for link in links]
    assert [file for file in files if not (path.parent / file).exists()] == []


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{p.name}" for p in MARKDOWN)])
def test_names_on_a_page_are_there(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    rows = re.findall(r"^\|.*\|(.*)\|$|^([^|].*)$", text, re.MULTILINE)
    names = {name for row in rows for name in NAME.findall("".join(row))}
    missing = [name for name in sorted(names) if not is_there(name)]
    require_none(missing, f"{page}: tntjax has no such names.")


def is_there(name: str) -> bool:
    """True if `tnt.NAME` is there."""
    value = tntjax
    for part in name.split("."):
        if not hasattr(value, part):
            return False
        value = getattr(value, part)
    return True


def test_every_benchmark_is_on_its_page():
    page = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+\.py)` \|", page, re.MULTILINE)
    scripts = [path.name for path in (ROOT / "benchmarks").glob("*.py")]
    assert sorted(rows) == sorted(scripts)


def test_every_example_is_in_the_gallery():
    examples = sorted(path.stem for path in (ROOT / "examples").glob("*.py"))
    assert sorted(gallery.SHORT) == examples
    assert set(gallery.NEEDS) < set(gallery.SHORT)


def test_a_page_of_the_gallery_shows_the_program_and_what_it_printed(monkeypatch):
    monkeypatch.setattr(gallery, "run", lambda name: ("trained\n", 3.2))
    page = gallery.page("mnist", "all")
    assert page.startswith("# mnist.py: Logistic regression on MNIST\n")
    assert "it took 3 s on" in page and "```text\ntrained\n```" in page
    assert "import tntjax as tnt" in page
    assert "It was not run" in gallery.page("mnist", "sweep,vae")


def test_links_that_lead_nowhere_are_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="b.html#here"></a><a href="b.html#gone"></a><a href="c.html"></a>'
        '<a href="#top" id="top"></a><a href="https://example.org/x"></a>'
    )
    (tmp_path / "b.html").write_text('<h2 id="here"></h2><img src="no.png">')
    assert check_links.broken_links(tmp_path) == [
        "a.html: b.html#gone",
        "a.html: c.html",
        "b.html: no.png",
    ]
