"""How long a file and a function may be, so that each is read in one go."""

import ast

from tests.architecture._source import MODULES, Function, require_none

MOST_LINES = {"file": 300, "function body": 40}


def test_files_are_short():
    violations = [
        f"{module.place()} has {lines} lines"
        for module in MODULES
        if (lines := len(module.path.read_text(encoding="utf-8").splitlines()))
        > MOST_LINES["file"]
    ]
    require_none(
        violations,
        f"A file has {MOST_LINES['file']} lines at most: give a part of it a file with"
        " a name of its own.",
    )


def test_functions_are_short():
    violations = [
        f"{module.place(node)} {node.name} has {lines} lines"
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, Function)
        and (lines := body_lines(node)) > MOST_LINES["function body"]
    ]
    require_none(
        violations,
        f"A function body has {MOST_LINES['function body']} lines at most, its"
        " docstring not counted: give a part of it a name.",
    )


def body_lines(node: Function) -> int:
    """Lines from the first statement after the docstring to the last."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if not body:
        return 0
    first = body[0]
    decorators = getattr(first, "decorator_list", [])
    start = min(line.lineno for line in [first, *decorators])
    return body[-1].end_lineno - start + 1
