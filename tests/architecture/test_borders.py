"""Who may import whom. To move a border, change its row here and say why."""

import ast
import sys
from collections.abc import Iterator

import pytest

from tests.architecture._source import MODULES, PARTS, Module, require_none

VALUES = {"_types", "_struct", "_array", "_plain", "_json", "_optional", "_files"}
CHECKS = {"_check", "_key", "_numbers", "_dtype", "_score"}
GROUND = VALUES | CHECKS | {"utils"}
LEAVES = {"transform", "meter", "log"}
DOMAIN = GROUND | {"transform", "meter", "dataset"}

MAY_IMPORT = {
    "_types": set(),
    "_struct": set(),
    "_array": {"_struct"},  # to describe what it refuses
    "_plain": set(),
    "_json": {"_struct"},  # to describe what it refuses
    "_optional": set(),
    "_files": {"_struct"},  # to describe what it refuses
    "_check": VALUES,
    "_key": VALUES,
    "_numbers": VALUES,
    "_dtype": VALUES,
    "_score": VALUES,
    "utils": GROUND,
    "transform": GROUND,
    "meter": GROUND,
    "log": GROUND,
    "testing": GROUND,  # the laws, for whatever follows the protocols
    "dataset": GROUND | LEAVES,
    "iterator": GROUND | LEAVES | {"dataset"},
    "network": GROUND,
    "checkpoint": GROUND,
    "engine": GROUND | {"network", "checkpoint"},  # no dataset, no meter, no log
    "hooks": GROUND | {"engine", "meter", "log", "checkpoint"},
    "_summary": GROUND | {"network", "engine"},
    "vision": DOMAIN,
    "text": DOMAIN,
    "speech": DOMAIN | {"text"},  # masks of lengths, and transcripts are text
}
"""For each part of tntjax the parts that it may import, besides itself."""

MAY_NOT_IMPORT = {
    "dataset": {"jax.numpy"},  # an index map runs on NumPy and on tracers alike
}
"""For each part the modules from elsewhere that it may not import."""

CORE = {"jax", "jaxlib", "numpy", "optax", "tntjax"}
"""What every installation has; the rest is imported where it is needed."""


def test_every_part_has_a_row():
    new = sorted(set(PARTS) - set(MAY_IMPORT) - {"__init__"})
    require_none(
        [f"tntjax.{part}" for part in new],
        "Give each new part a row in MAY_IMPORT: what may it import?",
    )


@pytest.mark.parametrize("part", sorted(set(MAY_IMPORT) & set(PARTS)))
def test_imports_stay_inside_the_borders(part):
    allowed = MAY_IMPORT[part] | {part}
    violations = [
        f"{module.place(node)} imports tntjax{'' if root else '.' + target}"
        for module in MODULES
        if module.part == part
        for node, target in imported_parts(module)
        if (root := target == "__init__") or target not in allowed
    ]
    require_none(
        violations,
        f"tntjax.{part} may import {sorted(MAY_IMPORT[part])} of tntjax only."
        " Move what is shared down, or pass it in as an argument.",
    )


@pytest.mark.parametrize("part", sorted(MAY_NOT_IMPORT))
def test_forbidden_modules_are_not_imported(part):
    violations = [
        f"{module.place(node)} uses {name}"
        for module in MODULES
        if module.part == part
        for node, name in imported_names(module)
        if any(f"{name}.".startswith(f"{bad}.") for bad in MAY_NOT_IMPORT[part])
    ]
    require_none(
        violations,
        f"tntjax.{part} does without {sorted(MAY_NOT_IMPORT[part])}: write what works"
        " on NumPy arrays and on tracers alike (methods, operators, indexing).",
    )


def test_imports_are_absolute():
    violations = [
        module.place(node)
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    require_none(violations, "Write `from tntjax.part import name`, with no dots.")


def test_optional_packages_are_imported_where_they_are_needed():
    violations = [
        f"{module.place(node)} imports {name}"
        for module in MODULES
        for node, name in imported_names(module, at_import=True)
        if name.split(".")[0] not in CORE | sys.stdlib_module_names
    ]
    require_none(
        violations,
        "Import an optional package inside the function that needs it, with the pip"
        " line in the ImportError.",
    )


def imported_parts(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """The parts of tntjax that a module imports; `__init__` stands for the root."""
    for node, name in imported_names(module):
        if name.split(".")[0] == "tntjax":
            part = name.split(".")[1:2]
            yield node, part[0] if part and part[0] in PARTS else "__init__"


def imported_names(
    module: Module, *, at_import: bool = False
) -> Iterator[tuple[ast.AST, str]]:
    """Dotted names that a module imports or reaches as `jax.numpy`.

    With `at_import` only what runs when the module is imported.
    """
    nodes = run_at_import(module.tree) if at_import else ast.walk(module.tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Attribute) and not at_import:
            name = ast.unparse(node)
            if name == "jax.numpy":
                yield node, name


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes outside functions and outside `if TYPE_CHECKING:`."""
    yield node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    for child in ast.iter_child_nodes(node):
        yield from run_at_import(child)
