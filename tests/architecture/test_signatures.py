"""Every public name says what it takes, what it gives back and what it is for."""

import ast
import re

from tests.architecture._source import (
    MODULES,
    PACKAGES,
    Function,
    is_special,
    public_definitions,
    require_none,
    string_list,
)

PUBLIC = [
    (module, name, node)
    for module in MODULES
    for name, node in public_definitions(module.tree)
]


def test_parameters_and_results_are_annotated():
    violations = [
        f"{module.place(node)} {name}: {what}"
        for module, name, node in PUBLIC
        if isinstance(node, Function)
        for what in unannotated(node, is_method="." in name)
    ]
    require_none(violations, "Annotate each parameter and the result.")


def test_there_is_a_docstring():
    violations = [
        f"{module.place(node)} {name}"
        for module, name, node in PUBLIC
        if not is_special(node.name) and not is_overload(node)
        if ast.get_docstring(node) is None
    ]
    require_none(violations, "Say in a docstring what it is for.")


CLAUSES = {"Says", "Has", "What", "Whether", "How", "Of", "As"}
"""Words that begin a clause, where a verb or the name of a thing should stand."""


def test_no_docstring_begins_with_a_clause():
    violations = [
        f"{module.place()}: {text.splitlines()[0]}"
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Module | ast.ClassDef | Function)
        if (text := ast.get_docstring(node)) and text.split()[0] in CLAUSES
    ]
    require_none(violations, "Begin with a verb, or with the name of the thing.")


def test_docstrings_of_exported_names_explain_every_parameter():
    exported = {
        (package.part, name)
        for package in PACKAGES
        for name in string_list(package, "__all__") or ()
    }
    violations = [
        f"{module.place(node)} {name}: {', '.join(missing)}"
        for module, name, node in PUBLIC
        if isinstance(node, Function) and (module.part, name.split(".")[0]) in exported
        if not is_special(node.name) and not is_overload(node)
        if (missing := undocumented(node, is_method="." in name))
    ]
    require_none(
        violations,
        "Name each parameter in an `Args:` section, as `  name: what it is.`",
    )


def parameters(node: Function, *, is_method: bool = False) -> list[ast.arg]:
    arguments = node.args
    ordered = [*arguments.posonlyargs, *arguments.args]
    decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
    if is_method and "staticmethod" not in decorators:
        ordered = ordered[1:]  # self or cls
    rest = [arguments.vararg, *arguments.kwonlyargs, arguments.kwarg]
    return ordered + [argument for argument in rest if argument is not None]


def unannotated(node: Function, *, is_method: bool) -> list[str]:
    """Names of parameters without annotation, and `return`."""
    names = [p.arg for p in parameters(node, is_method=is_method) if not p.annotation]
    return names + (["return"] if node.returns is None else [])


def undocumented(node: Function, *, is_method: bool) -> list[str]:
    """Names of parameters that the `Args:` section does not explain.

    A method with a single parameter may explain it in its sentence.
    """
    names = [parameter.arg for parameter in parameters(node, is_method=is_method)]
    if is_method and len(names) == 1:
        return []
    docstring = ast.get_docstring(node) or ""
    section = re.search(r"^Args:\n((?:[ ]+.*\n?|\n)*)", docstring, re.MULTILINE)
    lines = re.findall(r"^ +([\w*, ]+):", section[1] if section else "", re.MULTILINE)
    named = {name.strip(" *") for line in lines for name in line.split(",")}
    return [name for name in names if name not in named]


def is_overload(node: ast.AST) -> bool:
    decorators = getattr(node, "decorator_list", [])
    return any(ast.unparse(d).endswith("overload") for d in decorators)
