"""The laws of meters."""

import pickle
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._struct import describe
from tntjax._types import Meter

Batches = Sequence[tuple]


def check_meter(
    meter: Any,
    batches: Batches,
    *,
    ordered: bool = False,
    rtol: float = 1e-5,
    atol: float = 1e-6,
) -> None:
    """Checks that a meter keeps the laws that engines and users rely on.

    It can be carried through a compiled scan, merged from parts in any grouping, and
    given a mask of what counts. What two meters have seen is compared by what they
    measure: values that are NaN in both are alike.

    Args:
      meter: a new meter, that has seen nothing.
      batches: at least three, each the tuple of arguments of one `add`: arrays [B, ...]
        with B >= 2 rows, whose dtypes and further axes are the same in all of them.
      ordered: what was added last matters, so that merging in another order may
        measure something else.
      rtol: by how much what is measured may differ, relatively.
      atol: and absolutely.

    Raises:
      AssertionError: if a law is broken; it says which, by what, and how to mend it.
      ValueError: if there are too few batches or rows.

    Example:
      >>> import tntjax as tnt
      >>> batches = [([1.0, 2.0],), ([3.0, 5.0],), ([4.0, 4.0],)]
      >>> tnt.testing.check_meter(tnt.AverageValueMeter(), batches)

    Torchnet: not there; its meters could not be merged.
    """
    name, batches = type(meter).__name__, _as_batches(batches)

    def same(law: str, hint: str, **found: Any) -> None:
        _require_alike(f"{name} breaks the law {law!r}", hint, rtol, atol, found)

    _check_protocol(name, meter)
    _check_carry(name, meter, batches)
    _check_monoid(same, meter, batches, ordered=ordered)
    _check_parts(same, meter, batches)
    _check_mask(same, meter, batches)
    _check_compiled(same, meter, batches)
    _check_value(name, same, meter, batches)


def _as_batches(batches: Batches) -> list[tuple]:
    batches = [tuple(map(np.asarray, batch)) for batch in batches]
    if len(batches) < 3:
        raise ValueError(f"check_meter needs three batches, got {len(batches)}.")
    for batch in batches:
        if any(part.ndim == 0 or len(part) < 2 for part in batch):
            raise ValueError(
                "check_meter needs arguments of two rows or more, got"
                f" {describe(batch)}."
            )
    return batches


def _fail(subject: str, found: str, hint: str) -> None:
    raise AssertionError(f"{subject}:\n  {found}\n{hint}")


def _require_alike(
    subject: str, hint: str, rtol: float, atol: float, found: dict[str, Any]
) -> None:
    """Raises unless two meters, given by how they were made, measure the same."""
    (left, right), values = found, [_numbers(meter) for meter in found.values()]
    alike = len(values[0]) == len(values[1]) and all(
        np.shape(a) == np.shape(b)
        and np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
        for a, b in zip(*values, strict=True)
    )
    if not alike:
        shown = [_value(meter) for meter in found.values()]
        _fail(
            subject,
            f"{left} measures {shown[0]},\n  {right} measures {shown[1]}.",
            hint,
        )


def _numbers(meter: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(_value(meter))]


def _value(meter: Any) -> Any:
    with np.errstate(all="ignore"):  # a mean of nothing is NaN, and no fault
        return jax.device_get(meter.value())


def _added(meter: Any, batches: Sequence[tuple]) -> Any:
    return reduce(lambda m, batch: m.add(*batch), batches, meter)


def _rows(batch: tuple, index: Any) -> tuple:
    return tuple(part[index] for part in batch)


def _specification(meter: Any) -> dict[str, str]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(meter)
    weak = {True: " (weak)", False: ""}
    return {
        jax.tree_util.keystr(path): f"{jnp.result_type(leaf)}{list(np.shape(leaf))}"
        + weak[getattr(leaf, "weak_type", isinstance(leaf, int | float))]
        for path, leaf in leaves
    }


def _check_protocol(name: str, meter: Any) -> None:
    law = f"{name} breaks the law 'a meter has add, merge, reset and value'"
    if not isinstance(meter, Meter):
        methods = ("add", "merge", "reset", "value")
        missing = [method for method in methods if not hasattr(meter, method)]
        _fail(law, f"it has no {', '.join(missing)}.", "Write these methods.")
    if jax.tree_util.all_leaves([meter]):
        _fail(
            f"{name} breaks the law 'a meter is a pytree of arrays'",
            "JAX takes it for a leaf.",
            "Register it: a dataclass with @jax.tree_util.register_dataclass, or a"
            " flax.struct.dataclass, will do.",
        )


def _check_carry(name: str, meter: Any, batches: list[tuple]) -> None:
    """`add` and `merge` keep what a scan wants kept."""
    first = meter.add(*batches[0])
    acts = {
        "add(...)": lambda: first,
        "merge(...)": lambda: first.merge(first),
        "reset()": lambda: first.reset(),
    }
    for how, act in acts.items():
        result = act()
        law = f"{name} breaks the law '{how} keeps structure, shapes and dtypes'"
        hint = (
            "Return a new meter of the same structure, with every leaf made of the"
            " shape and dtype it has in a new meter: jnp.asarray(x, dtype)."
        )
        if result is None or type(result) is not type(meter):
            _fail(law, f"it returned {describe(result)}.", hint)
        before, after = _specification(meter), _specification(result)
        if before != after or jax.tree.structure(meter) != jax.tree.structure(result):
            changed = [
                f"{key} was {before.get(key)} and is {after.get(key)}"
                for key in sorted(before.keys() | after.keys())
                if before.get(key) != after.get(key)
            ]
            _fail(law, "; ".join(changed) or "its static fields changed.", hint)


def _check_monoid(
    same: Callable, meter: Any, batches: list[tuple], *, ordered: bool
) -> None:
    a, b, c = (meter.add(*batch) for batch in batches[:3])
    law, hint = (
        "reset() is the identity of merge",
        "Let reset() return a meter that has seen nothing, and merge change nothing"
        " beside it: count, and don't divide by a count of 0.",
    )
    same(law, hint, **{"m.merge(m.reset())": a.merge(a.reset()), "m": a})
    same(law, hint, **{"m.reset().merge(m)": a.reset().merge(a), "m": a})
    same(
        "merge is associative",
        "Keep what can be summed (counts, sums, the moments), not what was measured: a"
        " mean of means forgets how many values each had.",
        **{
            "a.merge(b).merge(c)": a.merge(b).merge(c),
            "a.merge(b.merge(c))": a.merge(b.merge(c)),
        },
    )
    if not ordered:
        same(
            "the order of merging does not matter",
            "If what came last is meant to matter, say check_meter(..., ordered=True).",
            **{"a.merge(b)": a.merge(b), "b.merge(a)": b.merge(a)},
        )


def _check_parts(same: Callable, meter: Any, batches: list[tuple]) -> None:
    whole = tuple(np.concatenate(parts) for parts in zip(*batches, strict=True))
    first = meter.add(*_rows(whole, slice(2)))  # of six rows or more, so no halves
    rest = _rows(whole, slice(2, None))
    together = meter.add(*whole)
    hint = "Weigh each batch by its number of rows: keep sums and counts, not means."
    found = {"of parts merged": first.merge(meter.add(*rest)), "of all": together}
    same("merging parts is adding all", hint, **found)
    found = {"of one batch after the other": _added(meter, batches), "of all": together}
    same("adding parts is adding all", hint, **found)
    single = [_rows(whole, slice(row, row + 1)) for row in range(len(whole[0]))]
    same(
        "a batch of one is a batch",
        "Don't squeeze, and don't divide by n - 1 inside add.",
        **{"of one row after the other": _added(meter, single), "of all": together},
    )


def _check_mask(same: Callable, meter: Any, batches: list[tuple]) -> None:
    batch = batches[0]
    mask = np.arange(len(batch[0])) % 2 == 0
    spoiled = tuple(
        np.where(mask.reshape(-1, *[1] * (part.ndim - 1)), part, np.nan).astype(
            part.dtype
        )
        if jnp.issubdtype(part.dtype, jnp.floating)
        else part
        for part in batch
    )
    law, hint = (
        "a mask leaves rows out",
        "Take `mask=None`, a bool for each row, and sum jnp.where(mask, x, 0): a"
        " product with the mask keeps the NaN of what is masked.",
    )
    kept = meter.add(*_rows(batch, mask))
    same(law, hint, **{"with a mask": meter.add(*batch, mask=mask), "without": kept})
    masked = meter.add(*spoiled, mask=mask)
    same(law, hint, **{"with NaN in masked rows": masked, "without": kept})
    some = meter.add(*batch)
    nothing = some.add(*batches[1], mask=np.zeros(len(batches[1][0]), bool))
    same(law, hint, **{"after a batch all masked": nothing, "before it": some})


def _check_compiled(same: Callable, meter: Any, batches: list[tuple]) -> None:
    hint = (
        "Use jax.numpy on what may be traced, and no if, float() or np.asarray on"
        " values; keep every field that changes a leaf."
    )
    lengths = min(len(batch[0]) for batch in batches)
    alike = [_rows(batch, slice(lengths)) for batch in batches]
    with jax.disable_jit():
        eager = _added(meter, alike)
    compiled = jax.jit(lambda m, batch: m.add(*batch))
    jitted = reduce(compiled, alike, meter)
    same("compiled is eager", hint, **{"in jax.jit": jitted, "eager": eager})
    stacked = tuple(np.stack(parts) for parts in zip(*alike, strict=True))
    scanned, _ = jax.lax.scan(lambda m, b: (m.add(*b), None), meter, stacked)
    same("a scan is a loop", hint, **{"in jax.lax.scan": scanned, "in a loop": eager})
    each = jax.vmap(lambda *batch: meter.add(*batch))(*stacked)
    first = jax.tree.map(lambda leaf: leaf[0], each)
    alone = meter.add(*alike[0])
    same("vmap is each alone", hint, **{"in jax.vmap": first, "alone": alone})


def _check_value(name: str, same: Callable, meter: Any, batches: list[tuple]) -> None:
    added = meter.add(*batches[0])
    before = [np.array(leaf) for leaf in jax.tree.leaves(added)]
    for act in (added.value, added.reset, lambda: added.merge(added)):
        act()
    added.add(*batches[1])
    after = [np.array(leaf) for leaf in jax.tree.leaves(added)]
    if not all(map(_same_bits, before, after)):
        _fail(
            f"{name} breaks the law 'nothing changes in place'",
            "a meter was another one after value, add, merge or reset.",
            "Return a new meter, and don't write into arrays that are held.",
        )
    hint = "Hold nothing that pickle cannot: no lambda, no open file."
    try:
        copy = pickle.loads(pickle.dumps(added))
    except Exception as error:
        law = f"{name} breaks the law 'a meter survives pickle'"
        raise AssertionError(f"{law}:\n  {error}.\n{hint}") from error
    same("a meter survives pickle", hint, unpickled=copy, before=added)


def _same_bits(left: np.ndarray, right: np.ndarray) -> bool:
    return left.tobytes() == right.tobytes()
