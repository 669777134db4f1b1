"""How the pages are built: python -m sphinx -W --keep-going -n docs docs/_build."""

import re
import sys
import tomllib
from pathlib import Path

import tntjax

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))  # where `gallery` is
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]

project = PROJECT["name"]
author = "the authors of tntjax"
release = version = tntjax.__version__
html_title = f"{project} {release}"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",  # there is no address of the repository to link to
    "sphinx_copybutton",
    "gallery",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_copy_source = False

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
add_module_names = False
toc_object_entries_show_parents = "hide"
default_role = "code"  # `name` in docstrings
napoleon_google_docstring = True
napoleon_numpy_docstring = False

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

FOREIGN = "jax|jaxlib|numpy|np|optax|collections|dataclasses|os|pathlib|typing"
nitpick_ignore_regex = [  # types that others document, and ours that are private
    ("py:.*", rf"({FOREIGN})\..*"),
    ("py:.*", r"(tntjax\..*)?_.*"),
]


def link_examples(app, docname, source):
    """Turns links to examples, right in a repository, into links to their pages."""
    pattern = r"\]\(\.\./examples/(\w+)\.py\)"
    source[0] = re.sub(pattern, r"](/gallery/\1.md)", source[0])


def hide_types(app, what, name, obj, options, lines):
    """Keeps napoleon from taking what stands before a colon for a type.

    Types live in signatures, and `Returns:` begins with a sentence. With nothing before
    a first colon there is no type.
    """
    starts = [number + 1 for number, line in enumerate(lines) if line == "Returns:"]
    starts += [0] if what in ("attribute", "property") else []
    for number in starts:
        text = lines[number].lstrip()
        lines[number] = lines[number].removesuffix(text) + f": {text}"


def hide_classes(app, what, name, obj, options, lines):
    """Takes away from a constant the docstring of its class; its page describes it."""
    if what == "data":
        lines.clear()


def setup(app):
    """Adds what is done to pages and to docstrings."""
    app.connect("source-read", link_examples)
    app.connect("autodoc-process-docstring", hide_types, priority=100)
    app.connect("autodoc-process-docstring", hide_classes)
