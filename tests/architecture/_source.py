"""What the architecture tests look at: the files of the package."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "tntjax"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A source file of the package."""

    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        """The file, parsed when a test asks: whoever collects tests waits for less."""
        return ast.parse(self.path.read_text(encoding="utf-8"))

    @property
    def part(self) -> str:
        """The package or root module it belongs to: `meter`, `_types`, `__init__`."""
        inside = self.path.relative_to(PACKAGE)
        return inside.parts[0].removesuffix(".py")

    def place(self, node: ast.AST | None = None) -> str:
        """Where to look: `tntjax/meter/_time.py:12`."""
        line = f":{node.lineno}" if node is not None else ""
        return f"{self.path.relative_to(ROOT)}{line}"


MODULES = tuple(Module(path) for path in sorted(PACKAGE.rglob("*.py")))
PACKAGES = tuple(m for m in MODULES if m.path.name == "__init__.py")
PARTS = tuple(sorted({module.part for module in MODULES}))


def string_list(module: Module, name: str) -> list[str] | None:
    """The value of a module's `name = [...]`, or None if there is none."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    return None


def exported(package: Module) -> list[str]:
    """The names in `__all__`, those of `__all__ += _meter.__all__` included."""
    names = list(string_list(package, "__all__") or ())
    for node in package.tree.body:
        if isinstance(node, ast.AugAssign):
            part = ast.unparse(node.value).removesuffix(".__all__").strip("_")
            inner = package.path.parent / part / "__init__.py"
            names += exported(next(m for m in PACKAGES if m.path == inner))
    return names


def public_definitions(
    scope: ast.Module | ast.ClassDef, prefix: str = ""
) -> Iterator[tuple[str, ast.ClassDef | Function]]:
    """Qualified name and node of what has no leading underscore, methods included."""
    for node in scope.body:
        if not isinstance(node, ast.ClassDef | Function) or is_private(node.name):
            continue
        yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from public_definitions(node, f"{prefix}{node.name}.")


def is_private(name: str) -> bool:
    return name.startswith("_") and not is_special(name)


def is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def repository_files() -> list[Path]:
    """Files that git tracks or would add; of an unpacked sdist, all files."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if (ROOT / ".git").exists():
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        paths = list(ROOT.rglob("*"))
    return sorted(path for path in paths if path.is_file())


def require_none(violations: list[str], what_to_do: str) -> None:
    """Fails with one line a violation, and with what to do about them."""
    if violations:
        lines = "\n".join(f"  {violation}" for violation in violations)
        pytest.fail(f"{what_to_do}\n{lines}", pytrace=False)
