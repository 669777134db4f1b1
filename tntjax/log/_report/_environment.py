"""Where a page was written: versions, devices, and the state of the repository."""

import importlib.metadata
import platform
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import jax

PACKAGES = ("jax", "jaxlib", "optax", "numpy", "flax", "equinox", "dm-haiku")

MODULES = {"dm-haiku": "haiku"}
"""Names of modules that are not those of their package."""


def describe_environment(states: Sequence[Any]) -> dict[str, str]:
    """Describes this process and the machine.

    Args:
      states: the States of runs, whose parameters lie on devices.

    Returns:
      Texts by name.
    """
    facts = {"tntjax": sys.modules["tntjax"].__version__}
    for package in PACKAGES:
        if MODULES.get(package, package) in sys.modules:  # what is not used is no news
            facts[package] = importlib.metadata.version(package)
    facts["Python"] = platform.python_version()
    facts["system"] = f"{platform.system()} on {platform.machine()}"
    if devices := _find_devices(states):
        facts["devices"] = devices
    return facts | _describe_repository()


def _find_devices(states: Sequence[Any]) -> str:
    """Names the devices on which parameters lie, and starts none."""
    leaves = jax.tree.leaves([state.params for state in states])
    arrays = [leaf for leaf in leaves if isinstance(leaf, jax.Array)]
    found = {device for array in arrays for device in array.devices()}
    kinds = [
        f"{device.device_kind} ({device.platform})"
        for device in sorted(found, key=lambda device: device.id)
    ]
    counts = {kind: kinds.count(kind) for kind in kinds}
    return ", ".join(f"{count} \u00d7 {kind}" for kind, count in counts.items())


def _describe_repository() -> dict[str, str]:
    """Names the commit of the folder that the process runs in, if git knows it."""
    commit = _ask_git("rev-parse", "HEAD")
    changes = _ask_git("status", "--porcelain")
    if not commit or changes is None:
        return {}
    count = len(changes.splitlines())
    clean = f"{count} changed file{'s' * (count > 1)}" if count else "no changes"
    return {"git": f"{commit.strip()}, {clean}"}


def _ask_git(*arguments: str) -> str | None:
    try:
        asked = subprocess.run(
            ["git", "--no-optional-locks", *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if asked.returncode else asked.stdout
