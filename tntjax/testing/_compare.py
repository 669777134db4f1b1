import dataclasses
from collections.abc import Sequence
from functools import reduce
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._struct import describe

Batches = Sequence[tuple]


@dataclasses.dataclass(frozen=True)
class Subject:
    """A new meter and what a law is asked with; see `check_meter`."""

    meter: Any
    batches: list[tuple]
    ordered: bool = False
    rtol: float = 1e-5
    atol: float = 1e-6
    exact: bool = False  # leaves of integers must be equal too

    def fail(self, law: str, found: str, hint: str) -> NoReturn:
        """Raises an AssertionError that says what was found, and what to do."""
        name = type(self.meter).__name__
        raise AssertionError(f"{name} breaks the law {law!r}:\n  {found}\n{hint}")

    def require_same(self, law: str, hint: str, **found: Any) -> None:
        """Raises unless two meters, given by how they were made, measure the same."""
        left, right = found
        with np.errstate(all="ignore"):  # a mean of nothing is NaN, and no fault
            a, b = (jax.device_get(meter.value()) for meter in found.values())
        leaves = map(jax.tree.leaves, (a, b))
        if not (self._are_close(*leaves) and self._counts_agree(*found.values())):
            self.fail(law, f"{left} measures {a},\n  {right} measures {b}.", hint)

    def _are_close(self, left: list, right: list) -> bool:
        limits = {"rtol": self.rtol, "atol": self.atol, "equal_nan": True}
        return len(left) == len(right) and all(
            np.shape(a) == np.shape(b) and np.allclose(a, b, **limits)
            for a, b in zip(left, right, strict=True)
        )

    def _counts_agree(self, left: Any, right: Any) -> bool:
        pairs = zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True)
        return not self.exact or all(
            jnp.result_type(a).kind not in "iu" or np.array_equal(a, b)
            for a, b in pairs
        )


def as_batches(batches: Batches) -> list[tuple]:
    """Converts batches to tuples of arrays, after checking that they can be cut."""
    batches = [tuple(map(np.asarray, batch)) for batch in batches]
    if len(batches) < 3:
        raise ValueError(f"check_meter needs three batches, got {len(batches)}.")
    for batch in batches:
        if any(part.ndim == 0 or len(part) < 2 for part in batch):
            needs = "check_meter needs arguments of two rows or more"
            raise ValueError(f"{needs}, got {describe(batch)}.")
    return batches


def add_all(meter: Any, batches: Sequence[tuple]) -> Any:
    """Adds one batch after the other."""
    return reduce(lambda m, batch: m.add(*batch), batches, meter)


def take_rows(batch: tuple, index: Any) -> tuple:
    """Takes rows of each argument of a batch."""
    return tuple(part[index] for part in batch)


def describe_leaves(meter: Any) -> dict[str, str]:
    """Names dtype and shape of each leaf, and marks weak dtypes."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(meter)
    weak = {True: " (weak)", False: ""}
    return {
        jax.tree_util.keystr(path): f"{jnp.result_type(leaf)}{list(np.shape(leaf))}"
        + weak[getattr(leaf, "weak_type", isinstance(leaf, int | float))]
        for path, leaf in leaves
    }


def read_bytes(meter: Any) -> list[bytes]:
    """Reads the bytes of each leaf, those of its numbers if it is a typed key."""
    leaves = [
        jax.random.key_data(leaf)
        if jnp.issubdtype(jnp.result_type(leaf), jax.dtypes.prng_key)
        else leaf
        for leaf in jax.tree.leaves(meter)
    ]
    return [np.asarray(leaf).tobytes() for leaf in leaves]


def with_infinity(batch: tuple, number: float) -> tuple | None:
    """Puts a number into the first row of the first argument that has floats."""
    for place, part in enumerate(batch):
        if jnp.issubdtype(part.dtype, jnp.floating):
            spoiled = part.copy()
            spoiled[0] = number
            return (*batch[:place], spoiled, *batch[place + 1 :])
    return None
