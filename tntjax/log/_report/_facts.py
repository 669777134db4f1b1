"""The data of a run with a fingerprint; versions, devices and the repository."""

import dataclasses
import importlib.metadata
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from tntjax._struct import describe
from tntjax._types import is_dataset
from tntjax.utils import md5

MOST_READ = 32  # samples that the fingerprint is made of

PACKAGES = ("jax", "jaxlib", "optax", "numpy", "flax", "equinox", "dm-haiku")

MODULES = {"dm-haiku": "haiku"}  # where the name of the package is another


def describe_data(iterator: Any) -> dict[str, str]:
    """Describes the datasets under an iterator, with a fingerprint of the innermost.

    Of a source that is a function it is that of epoch 0; empty if none is to be seen.
    """
    layers = list(_find_layers(iterator))
    if not layers:
        return {}
    data = layers[-1]
    names = [type(iterator).__name__, *map(_show_layer, layers)]
    facts = {"from the outside in": " \u2192 ".join(names)}
    seed = getattr(_source_of(iterator), "seed", None)
    if isinstance(seed, int):  # of `shuffle_and_batch`
        facts["seed"] = str(seed)
    try:
        facts["one sample"] = describe(data[0])
        facts["fingerprint"] = _sum_up(data)
    except Exception as error:  # of a reader of the user's; the page is still worth it
        facts["fingerprint"] = f"none: {type(error).__name__}: {error}"
    return facts


def _source_of(iterator: Any) -> Any:
    return getattr(iterator, "source", getattr(iterator, "closure", None))


def _find_layers(iterator: Any) -> Iterator[Any]:
    """Yields the dataset that is read and, one by one, those that it wraps."""
    source = _source_of(iterator)
    if callable(source) and not is_dataset(source):
        try:
            source = source(0)
        except Exception:  # it asks for more than the epoch
            return
    while is_dataset(source):
        yield source
        source = getattr(source, "dataset", None)


def _show_layer(dataset: Any) -> str:
    parts = [f"{len(dataset):,} samples"]
    if dataclasses.is_dataclass(dataset):
        names = [f.name for f in dataclasses.fields(dataset)]
        # That of ShuffleDataset is not a field.
        values = {n: getattr(dataset, n, None) for n in dict.fromkeys([*names, "seed"])}
        parts += [
            f"{name}={value!r}"
            for name, value in values.items()
            if isinstance(value, int | float | str)
        ]
    return f"{type(dataset).__name__}({', '.join(parts)})"


def _sum_up(dataset: Any) -> str:
    """Tells the sum of some samples, and exactly which these are."""
    count = len(dataset)
    picked = np.linspace(0, count - 1, min(count, MOST_READ)).astype(int).tolist()
    digest = md5([dataset[index] for index in picked])
    if len(picked) == count:
        return f"{digest}, the MD5 sum of all {count:,} samples"
    shown = ", ".join(map(str, [*picked[:3], "...", picked[-1]]))
    return (
        f"{digest}, the MD5 sum of {len(picked)} of {count:,} samples, evenly spaced"
        f" ({shown}); a change in others is not seen"
    )


def describe_environment(states: Sequence[Any]) -> dict[str, str]:
    """Describes this process, the devices of States' parameters and the commit."""
    facts = {"tntjax": sys.modules["tntjax"].__version__}
    for package in PACKAGES:
        if MODULES.get(package, package) in sys.modules:  # what is not used is no news
            facts[package] = importlib.metadata.version(package)
    facts["Python"] = platform.python_version()
    facts["system"] = f"{platform.system()} on {platform.machine()}"
    # Those on which parameters lie; none is started.
    leaves = jax.tree.leaves([state.params for state in states])
    arrays = [leaf for leaf in leaves if isinstance(leaf, jax.Array)]
    found = {device for array in arrays for device in array.devices()}
    ordered = sorted(found, key=lambda device: device.id)
    kinds = [f"{device.device_kind} ({device.platform})" for device in ordered]
    if kinds:
        counts = {kind: kinds.count(kind) for kind in kinds}
        shown = (f"{count} \u00d7 {kind}" for kind, count in counts.items())
        facts["devices"] = ", ".join(shown)
    return facts | _describe_repository()


def _describe_repository() -> dict[str, str]:
    """Names the commit of the folder that the process runs in, if git knows it."""
    answers = []
    for question in (["rev-parse", "HEAD"], ["status", "--porcelain"]):
        try:
            asked = subprocess.run(
                ["git", "--no-optional-locks", *question],
                capture_output=True,
                text=True,
                errors="replace",
                stdin=subprocess.DEVNULL,
                timeout=10,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return {}
        answers.append(asked.stdout.strip())
    commit, changes = answers
    count = len(changes.splitlines())
    clean = f"{count} changed file{'s' * (count > 1)}" if count else "no changes"
    return {"git": f"{commit}, {clean}"}
