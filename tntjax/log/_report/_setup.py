"""The tables of how runs were made: time, configuration, data."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from tntjax._plain import as_plain
from tntjax._struct import describe, shorten
from tntjax.log._report._facts import describe_data, describe_environment
from tntjax.log._report._html import Markup, join, show_number, table, tag
from tntjax.log._report._runs import Run

Config = Mapping[str, Any]

SHOWN = ("engine", "network", "criterion", "max_epoch", "max_steps", "members", "lr")
"""Fields of a State that say how a run was made."""


def show_time(runs: Sequence[Run]) -> Markup:
    """Shows where the time of each run went, if it tells."""
    timed = [run for run in runs if sum(getattr(run.state, "seconds", None) or ())]
    if not timed:
        return Markup()
    parts = timed[0].state.seconds._fields
    rows = []
    for run in timed:
        seconds = run.state.seconds
        total = sum(seconds)
        cells = [
            Markup(
                f"{show_number(round(s, 2))} s <small>{100 * s / total:.0f} %</small>"
            )
            for s in seconds
        ]
        bar = tag(
            "div",
            *(
                tag("span", class_=f"c{number}", style=f"flex-grow:{s / total:.4f}")
                for number, s in enumerate(seconds)
            ),
            class_="bar",
            aria_hidden="true",
        )
        whole = f"{show_number(round(total, 2))} s"
        compiled = getattr(run.state, "compiled", None)
        rows.append((join([run.name, bar]), *cells, whole, compiled))
    heads = [
        join([tag("span", class_=f"swatch c{number}"), part])
        for number, part in enumerate(parts)
    ]
    heads = ["run", *heads, "in all", "times a step was compiled"]
    return table("Where the time went", heads, rows, class_="time")


def show_config(runs: Sequence[Run], config: Config | None) -> Markup:
    """Shows how each run was configured: one for all, or one by name; and its State."""
    config = {} if config is None else config
    if not isinstance(config, Mapping):
        raise TypeError(
            "report: config must be a dict, such as vars(args), or one for each run by"
            f" its name; got {describe(config)}."
        )
    names = [run.name for run in runs]
    by_name = bool(config) and all(
        name in names and isinstance(part, Mapping) for name, part in config.items()
    )
    given = [config.get(name, {}) if by_name else config for name in names]
    facts = [
        {**_flatten(part), **_describe_state(run.state)}
        for run, part in zip(runs, given, strict=True)
    ]
    return _show_facts("Configuration", runs, facts)


def _flatten(config: Config, prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            plain = as_plain(value)
            shown = plain if isinstance(plain, str) else describe(plain)
            flat[f"{prefix}{key}"] = shown
    return flat


def _describe_state(state: Any) -> dict[str, str]:
    if state is None:
        return {}
    values = {name: as_plain(getattr(state, name, None)) for name in SHOWN}
    facts = {
        "lr at the end" if name == "lr" else name: shorten(describe(value), 160)
        for name, value in values.items()
        if value is not None
    }
    leaves = [leaf for leaf in jax.tree.leaves(state.params) if hasattr(leaf, "shape")]
    size = sum(np.prod(leaf.shape, dtype=int) for leaf in leaves)
    facts["parameters"] = f"{size:,} in {len(leaves)} arrays"
    if state.key is not None:
        numbers = np.asarray(jax.random.key_data(state.key)).ravel()[:8].tolist()
        facts["key at the end"] = " ".join(f"{number:08x}" for number in numbers)
    return facts


def show_data(runs: Sequence[Run]) -> Markup:
    """Shows what each run was trained on, if it tells."""
    facts = [describe_data(getattr(run.state, "iterator", None)) for run in runs]
    return _show_facts("Data", runs, facts)


def _show_facts(
    title: str, runs: Sequence[Run], facts: Sequence[Mapping[str, str]]
) -> Markup:
    """Makes a table with a column for each run, where runs that agree share one."""
    keys = dict.fromkeys(key for part in facts for key in part)
    if not keys:
        return Markup()
    if all(part == facts[0] for part in facts):
        head = ["", "all runs" if len(runs) > 1 else runs[0].name]
        return table(title, head, list(facts[0].items()), class_="facts")
    rows = []
    for key in keys:
        cells = [part.get(key) for part in facts]
        name = key if len(set(cells)) == 1 else tag("mark", key)
        rows.append((name, *cells))
    return table(title, ["", *(run.name for run in runs)], rows, class_="facts")


def show_environment(runs: Sequence[Run]) -> Markup:
    """Shows where the page was written."""
    states = [run.state for run in runs if run.state is not None]
    head, facts = ["", "this page was written with"], describe_environment(states)
    return table("Environment", head, list(facts.items()), class_="facts")
