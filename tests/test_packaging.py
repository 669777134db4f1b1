"""What is written in two places says the same in both."""

import re
import tomllib
from pathlib import Path

import pytest

import tntjax as tnt

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CI = (ROOT / ".ci" / "run").read_text()


def requirements(lines: list[str], operator: str) -> dict[str, str]:
    """`{"jax": "0.6.0"}` of lines such as `jax>=0.6.0`."""
    pairs = [line.split(operator) for line in lines if not line.startswith("#")]
    return {name: version for name, version in pairs}


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def test_the_pinned_versions_are_the_lower_bounds():
    pins = (ROOT / ".ci" / "lowest-requirements.txt").read_text().splitlines()
    bounds = PROJECT["dependencies"]
    assert requirements(pins, "==") == requirements(bounds, ">=")


def test_the_accelerator_extras_start_no_lower():
    jax = requirements(PROJECT["dependencies"], ">=")["jax"]
    for name in ("cuda12", "cuda13"):
        (extra,) = PROJECT["optional-dependencies"][name]
        bound = extra.removeprefix(f"jax[{name}]>=")
        assert numbers(bound) >= numbers(jax), f"{name} admits jax {bound} < {jax}."


def test_pre_commit_runs_the_commands_of_ci():
    config = (ROOT / ".pre-commit-config.yaml").read_text()
    entries = re.findall(r"entry: (.*)", config)
    assert entries == ["ruff format --check", "ruff check", "pyright"]
    for entry in entries:
        assert re.search(rf"^\s*{re.escape(entry)}$", CI, re.MULTILINE), entry


def test_every_supported_python_is_tested_and_named():
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    tested = re.findall(r'"(3\.\d+)"', workflow)
    prefix = "Programming Language :: Python :: "
    named = [c.removeprefix(prefix) for c in PROJECT["classifiers"] if prefix in c]
    assert tested == [version for version in named if version != "3"]
    assert PROJECT["requires-python"] == f">={tested[0]}"


@pytest.mark.parametrize("name", ["CHANGELOG.md", "LICENSE", "README.md"])
def test_the_files_that_a_reader_expects_are_there(name):
    assert (ROOT / name).read_text().strip()


def test_what_is_cited_is_this_version():
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {tnt.__version__}\n" in citation
    own = PROJECT["license"].partition(" AND ")[0]  # the other is of what is inside
    assert f"\nlicense: {own}\n" in citation


def test_the_changelog_knows_this_version():
    assert f"[{tnt.__version__}]" in (ROOT / "CHANGELOG.md").read_text()
