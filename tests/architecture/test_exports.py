"""What is exported, and where it lives: every name is found in one guess."""

import ast
import importlib
import re

import pytest

from tests.architecture._source import (
    MODULES,
    PACKAGE,
    PACKAGES,
    ROOT,
    Module,
    exported,
    is_private,
    require_none,
    string_list,
)

KINDS = ("Dataset", "Meter", "Engine", "Iterator")
"""`XMeter` lives in `meter/_x.py`, and so on, and is exported as `tnt.XMeter`."""

DOMAINS = ("vision", "text", "speech")
"""Those of a domain live in its package, and are exported as `tnt.vision.XMeter`."""

FILE_NAMES = {"mAP": "_map.py", "MeanIoU": "_mean_iou.py"}
"""Files whose name cannot be told from the capitals."""


def dotted(module: Module) -> str:
    return ".".join(module.path.parent.relative_to(ROOT).parts)


@pytest.fixture(params=PACKAGES, ids=dotted)
def package(request) -> Module:
    return request.param


def test_all_is_there_sorted_and_without_repetition(package):
    names = string_list(package, "__all__")
    assert names is not None, f"{package.place()} needs an `__all__ = [...]`."
    expected = sorted(set(names))
    assert names == expected, f"{package.place()}: sort it: __all__ = {expected}"


def test_all_is_what_the_package_defines_or_imports(package):
    missing = bound_names(package) - set(exported(package))
    require_none(
        sorted(missing),
        f"{package.place()}: put these into `__all__`, or give them an underscore.",
    )


def test_everything_in_all_exists(package):
    module = importlib.import_module(dotted(package))
    require_none(
        [name for name in exported(package) if not hasattr(module, name)],
        f"{package.place()}: import these, or take them out of `__all__`.",
    )


def test_torchnet_names_live_in_a_file_of_their_name():
    violations = [
        f"{module.place(node)} {node.name} belongs into {expected}"
        for module, node, stem in kinds()
        if module.path.name != (expected := file_name(stem))
    ]
    require_none(violations, "Move each class to the file where one looks for it.")


def test_torchnet_names_are_exported_flat():
    packages = {dotted(package): exported(package) for package in PACKAGES}
    violations = [
        f"{module.place(node)} {home}.{node.name}"
        for module, node, _ in kinds()
        for home in ["tntjax" + f".{module.part}" * (module.part in DOMAINS)]
        if node.name not in packages[home]
    ]
    require_none(
        violations,
        "Import these in tntjax/__init__.py, or a meter and what is of a domain in its"
        " package alone, and put them into `__all__`.",
    )


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("AverageValue", "_average_value.py"),
        ("AUC", "_auc.py"),
        ("PrecisionAtK", "_precision_at_k.py"),
        ("SGD", "_sgd.py"),
        ("IDXFile", "_idx_file.py"),
        ("mAP", "_map.py"),
    ],
)
def test_file_name(stem, expected):
    assert file_name(stem) == expected


def kinds() -> list[tuple[Module, ast.ClassDef, str]]:
    """Every public class of a kind in a package, with what stands before the kind."""
    return [
        (module, node, match[1])
        for module in MODULES
        if module.path.parent != PACKAGE  # there live the protocols
        for node in module.tree.body
        if isinstance(node, ast.ClassDef) and not is_private(node.name)
        if (match := re.fullmatch(rf"(.+)(?:{'|'.join(KINDS)})", node.name))
    ]


def file_name(stem: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", stem)
    return FILE_NAMES.get(stem, f"_{words.lower()}.py")


def bound_names(package: Module) -> set[str]:
    """Names without underscore that a package binds by import, def or assignment."""
    names = set()
    for node in package.tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith(("_", "*"))}
