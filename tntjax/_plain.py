"""Values as a person reads them: Python numbers and NumPy arrays."""

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

PLAIN = frozenset({int, float, str, bool, type(None)})
"""Types of values that are plain already, as most are."""


def as_plain(value: Any) -> Any:
    """Converts numbers to Python's and arrays to NumPy's; waits for the device.

    Dicts, lists, tuples and NamedTuples are looked into, the keys of a dict included. A
    masked number is None; tracers, keys, and what is no number or array, stay as they
    are.

    Example:
      >>> import jax.numpy as jnp
      >>> as_plain({"loss": jnp.float32(0.5), "counts": (np.int32(3), jnp.ones(2))})
      {'loss': 0.5, 'counts': (3, array([1., 1.], dtype=float32))}
    """
    if type(value) in PLAIN:
        return value
    if isinstance(value, dict):
        return {as_plain(key): as_plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [as_plain(entry) for entry in value]
    if isinstance(value, tuple):
        entries = tuple(as_plain(entry) for entry in value)
        return type(value)(*entries) if hasattr(value, "_fields") else entries
    if value is np.ma.masked:
        return None
    is_array = isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer)
    if is_array and not jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        value = np.array(value)  # a copy: NumPy's view of a JAX array is read-only
    if isinstance(value, np.ndarray | np.generic) and value.ndim == 0:
        # A time in nanoseconds, which Python lacks, would be a bare int.
        is_time = value.dtype.kind in "mM" and isinstance(value.item(), int)
        return np.asarray(value)[()] if is_time else value.item()
    return value


def as_columns(rows: Iterable[Mapping[Any, Any]]) -> dict[Any, list[Any]]:
    """Makes a list a name of rows, None where one has no value of the name.

    Example:
      >>> as_columns([{"t": 1, "loss": 0.5}, {"t": 2}])
      {'t': [1, 2], 'loss': [0.5, None]}
    """
    rows = list(rows)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def summarize(
    meters: Mapping[str, Any], members: int | None
) -> dict[str, dict[str, Any]]:
    """Returns the parts that each meter shows, numbers or text; of members [N]."""
    if members is None:
        shown = {n: m.summary() for n, m in meters.items() if hasattr(m, "summary")}
        return {
            name: {part: _without_unit(as_plain(parts[part])) for part in parts}
            for name, parts in shown.items()
        }
    meters = jax.device_get(dict(meters))  # leaves [N, ...]
    each = [
        summarize(jax.tree.map(lambda leaf, n=n: leaf[n], meters), None)
        for n in range(members)
    ]
    return {
        name: {part: np.array([one[name][part] for one in each]) for part in parts}
        for name, parts in each[0].items()
    }


def _without_unit(value: Any) -> Any:
    return float(value) if isinstance(value, float) else value
