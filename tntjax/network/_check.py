import inspect
from collections.abc import Iterable
from typing import Any

from tntjax._struct import describe
from tntjax.network._flags import check_flags
from tntjax.network._stateful import Stateful

ADAPTERS = {
    ("flax.nnx", "Module"): "nnx",
    ("flax.nnx", "GraphDef"): "nnx",
    ("flax.linen", "Module"): "linen",
    ("equinox", "Module"): "equinox",
    ("haiku", "Transformed"): "haiku",
    ("haiku", "TransformedWithState"): "haiku",
}
"""By package and name of a class, the function of tnt.network that adapts it."""

ADAPT = {
    "nnx": "tnt.network.nnx(model)",
    "linen": "tnt.network.linen(model, variables)",
    "equinox": "tnt.network.equinox(model)",
    "haiku": "tnt.network.haiku(transformed, params)",
}

NOT_TOLD = """A plain function is not told. Make it a tnt.network.Stateful, which is \
passed `training`, or fix the argument with functools.partial(network, {name}=...)."""


def check_network(network: Any) -> None:
    """Raises a TypeError if something cannot be called as a network."""
    if not isinstance(network, Stateful):
        adapter = find_adapter(network)
        # A module of equinox may be a function of two arguments.
        own = adapter == "equinox" and takes(network, 2)
        if adapter is not None and not own:
            raise TypeError(
                f"network is a module, {describe(network)}. {explain_adapting(adapter)}"
            )
        if not callable(network):
            raise TypeError(
                "network must be a function (params, input) -> output, or a"
                f" tnt.network.Stateful; got {describe(network)}."
            )
        check_flags("network", network, NOT_TOLD, given=2)


def find_adapter(value: Any) -> str | None:
    """Returns which function of tnt.network adapts a module, None if none does."""
    for cls in type(value).__mro__:
        for (package, name), adapter in ADAPTERS.items():
            if cls.__name__ == name and f"{cls.__module__}.".startswith(f"{package}."):
                return adapter
    return None


def explain_adapting(adapter: str) -> str:
    """Returns what to write to hand a module to an engine."""
    return f"Adapt it: train(network={ADAPT[adapter]}, ...)."


def takes(function: Any, number: int, names: Iterable[str] = ()) -> bool:
    """True if a function can be called with a number of arguments, and some by name."""
    try:
        inspect.signature(function).bind(*range(number), **dict.fromkeys(names))
    except (TypeError, ValueError):
        return False
    return True


def check_module(adapter: str, module: Any, *classes: type) -> None:
    """Raises a TypeError if an adapter got what is not of one of its classes."""
    if isinstance(module, classes):
        return
    package = classes[0].__module__.partition(".")[0]
    needed = " or ".join(cls.__name__ for cls in classes)
    other = find_adapter(module)
    advice = f" That is for {ADAPT[other]}." if other not in (None, adapter) else ""
    if isinstance(module, type):
        advice = " Pass an instance and not its class."
    if isinstance(module, tuple) and isinstance(next(iter(module), None), classes):
        advice = f" Take the tuple apart: tnt.network.{adapter}(*pair)."
    raise TypeError(
        f"tnt.network.{adapter} needs an instance of {package}'s {needed},"
        f" got {describe(module)}.{advice}"
    )
