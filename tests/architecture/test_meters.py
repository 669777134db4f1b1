"""What a meter is made of, and in how many places it is known."""

import ast

import pytest

from tests.architecture._source import MODULES, ROOT, require_none

NO_PYTREES = {"RateMeter", "TimeMeter"}
OWN_MERGE = {
    "AverageValueMeter",
    "CorrelationMeter",
    "MeterDict",
    "MeterOfClasses",
    "MeterOfRows",
    "MovingAverageValueMeter",
    "PrecisionAtKMeter",
} | NO_PYTREES
"""Those whose parts do not just add up, and the stopwatches."""

METERS = {
    node.name: (module, node)
    for module in MODULES
    if module.part == "meter"
    for node in module.tree.body
    if isinstance(node, ast.ClassDef) and "Meter" in node.name and node.bases
}


def methods(node):
    return {part.name for part in node.body if isinstance(part, ast.FunctionDef)}


def test_only_some_meters_merge_in_a_way_of_their_own():
    own = {name for name, (_, node) in METERS.items() if "merge" in methods(node)}
    assert own - {"Meter"} == OWN_MERGE - NO_PYTREES


def test_every_meter_has_one_base_of_meters():
    require_none(
        [
            f"{module.place(node)} {name}"
            for name, (module, node) in METERS.items()
            if name != "Meter" and len(node.bases) != 1
        ],
        "Derive it from Meter or from one family base.",
    )


@pytest.mark.parametrize(
    "name", ["HistogramMeter", "MeanAbsoluteErrorMeter", "NDCGMeter"]
)
def test_a_meter_is_known_in_four_files(name):
    """Its own, the export, the table of laws and the row of the docs; and its tests."""
    lists = ["tests/laws/meter_cases.py", "docs/meters.md"]
    files = [*(module.place() for module in MODULES), *lists]
    known = {file for file in files if name in (ROOT / file).read_text("utf-8")}
    assert known == {METERS[name][0].place(), "tntjax/meter/__init__.py", *lists}
