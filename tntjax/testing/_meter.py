import pickle
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._struct import describe
from tntjax._types import Meter
from tntjax.testing._compare import (
    Batches,
    Subject,
    add_all,
    as_batches,
    describe_leaves,
    read_bytes,
    take_rows,
    with_infinity,
)


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
      ordered: what was added last matters, so merging in another order may differ.
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
    subject = Subject(meter, as_batches(batches), ordered, rtol, atol)
    for law in LAWS:
        law(subject)


def check_methods(subject: Subject) -> None:
    """Checks that a meter has its four methods and is a pytree."""
    meter = subject.meter
    if not isinstance(meter, Meter):
        methods = ("add", "merge", "reset", "value")
        missing = [method for method in methods if not hasattr(meter, method)]
        subject.fail(
            "a meter has add, merge, reset and value",
            f"it has no {', '.join(missing)}.",
            "Derive it from tnt.Meter, or write these methods.",
        )
    if jax.tree_util.all_leaves([meter]):
        subject.fail(
            "a meter is a pytree of arrays",
            "JAX takes it for a leaf.",
            "Register it: a dataclass with @jax.tree_util.register_dataclass, or a"
            " flax.struct.dataclass, will do.",
        )


def check_carry(subject: Subject) -> None:
    """Checks that `add`, `merge` and `reset` keep structure, shapes and dtypes."""
    meter = subject.meter
    first = meter.add(*subject.batches[0])
    acts = {"add(...)": lambda: first, "merge(...)": lambda: first.merge(first)}
    acts["reset()"] = lambda: first.reset()
    hint = (
        "Return a new meter of the same structure, with every leaf made of the shape"
        " and dtype it has in a new meter: jnp.asarray(x, dtype)."
    )
    for how, act in acts.items():
        result, law = act(), f"{how} keeps structure, shapes and dtypes"
        if result is None or type(result) is not type(meter):
            subject.fail(law, f"it returned {describe(result)}.", hint)
        before, after = describe_leaves(meter), describe_leaves(result)
        if before != after or jax.tree.structure(meter) != jax.tree.structure(result):
            changed = [
                f"{key} was {before.get(key)} and is {after.get(key)}"
                for key in sorted(before.keys() | after.keys())
                if before.get(key) != after.get(key)
            ]
            subject.fail(law, "; ".join(changed) or "its static fields changed.", hint)


def check_monoid(subject: Subject) -> None:
    """Checks that `reset()` is the identity of the associative `merge`."""
    same = subject.require_same
    a, b, c = (subject.meter.add(*batch) for batch in subject.batches[:3])
    law, hint = (
        "reset() is the identity of merge",
        "Let reset() return a meter that has seen nothing, and merge change nothing"
        " beside it: count, and don't divide by a count of 0.",
    )
    same(law, hint, **{"m.merge(m.reset())": a.merge(a.reset()), "m": a})
    same(law, hint, **{"m.reset().merge(m)": a.reset().merge(a), "m": a})
    same(
        "reset() returns a meter that has seen nothing",
        "tnt.Meter makes zeros of all fields: define reset if yours begin with others,"
        " as the least value so far begins with infinity.",
        **{"m.reset()": a.reset(), "a new meter": subject.meter},
    )
    same(
        "merge is associative",
        "Keep what can be summed (counts, sums, the moments), not what was measured: a"
        " mean of means forgets how many values each had.",
        **{
            "a.merge(b).merge(c)": a.merge(b).merge(c),
            "a.merge(b.merge(c))": a.merge(b.merge(c)),
        },
    )
    if not subject.ordered:
        same(
            "the order of merging does not matter",
            "If what came last is meant to matter, say check_meter(..., ordered=True).",
            **{"a.merge(b)": a.merge(b), "b.merge(a)": b.merge(a)},
        )


def check_parts(subject: Subject) -> None:
    """Checks that any parts of the rows, merged or added, are as all of them."""
    same, meter, batches = subject.require_same, subject.meter, subject.batches
    whole = tuple(np.concatenate(parts) for parts in zip(*batches, strict=True))
    first = meter.add(*take_rows(whole, slice(2)))  # of six rows or more, so no halves
    rest = take_rows(whole, slice(2, None))
    together = meter.add(*whole)
    hint = "Weigh each batch by its number of rows: keep sums and counts, not means."
    found = {"of parts merged": first.merge(meter.add(*rest)), "of all": together}
    same("merging parts is adding all", hint, **found)
    after = "of one batch after the other"
    found = {after: add_all(meter, batches), "of all": together}
    same("adding parts is adding all", hint, **found)
    single = [take_rows(whole, slice(row, row + 1)) for row in range(len(whole[0]))]
    same(
        "a batch of one is a batch",
        "Don't squeeze, and don't divide by n - 1 inside add.",
        **{"of one row after the other": add_all(meter, single), "of all": together},
    )


def check_infinity(subject: Subject) -> None:
    """Checks a batch with an infinite row, unless the meter has no use for floats."""
    same, meter, later = subject.require_same, subject.meter, subject.batches[1]
    for number in (np.inf, -np.inf):
        batch = with_infinity(subject.batches[0], number)
        if batch is None:
            return
        try:
            first = meter.add(*batch)
        except ValueError:  # it says that infinity is bad input
            return
        whole = tuple(np.concatenate(parts) for parts in zip(batch, later, strict=True))
        found = {
            "of parts merged": first.merge(meter.add(*later)),
            "of one batch after the other": first.add(*later),
        }
        if not subject.ordered:
            found["of parts merged in the other order"] = meter.add(*later).merge(first)
            found["of the other batch first"] = meter.add(*later).add(*batch)
        law = f"parts are the whole, with {number} in one of them"
        hint = (
            "Where a mean is infinite, add up instead of moving it: infinity less"
            " infinity is NaN. Or refuse infinity with a ValueError."
        )
        for how, parts in found.items():
            same(law, hint, **{how: parts, "of all": meter.add(*whole)})


def check_mask(subject: Subject) -> None:
    """Checks that masked rows count as rows that are not there, and may be NaN."""
    same, meter, batches = subject.require_same, subject.meter, subject.batches
    batch = batches[0]
    mask = np.arange(len(batch[0])) % 2 == 0
    spoiled = tuple(part.copy() for part in batch)
    for part in spoiled:
        if jnp.issubdtype(part.dtype, jnp.floating):
            part[~mask] = np.nan
    law, hint = (
        "a mask leaves rows out",
        "Take `mask=None`, a bool for each row, and sum jnp.where(mask, x, 0): a"
        " product with the mask keeps the NaN of what is masked.",
    )
    kept = meter.add(*take_rows(batch, mask))
    same(law, hint, **{"with a mask": meter.add(*batch, mask=mask), "without": kept})
    masked = meter.add(*spoiled, mask=mask)
    same(law, hint, **{"with NaN in masked rows": masked, "without": kept})
    some = meter.add(*batch)
    nothing = some.add(*batches[1], mask=np.zeros(len(batches[1][0]), bool))
    same(law, hint, **{"after a batch all masked": nothing, "before it": some})


def check_compiled(subject: Subject) -> None:
    """Checks that `jit`, `scan` and `vmap` do what eager code does."""
    same, meter, batches = subject.require_same, subject.meter, subject.batches
    hint = (
        "Use jax.numpy on what may be traced, and no if, float() or np.asarray on"
        " values; keep every field that changes a leaf."
    )
    lengths = min(len(batch[0]) for batch in batches)
    alike = [take_rows(batch, slice(lengths)) for batch in batches]
    with jax.disable_jit():
        eager = add_all(meter, alike)
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


def check_unchanged(subject: Subject) -> None:
    """Checks that nothing changes in place, and that a meter survives pickle."""
    added = subject.meter.add(*subject.batches[0])
    before = read_bytes(added)
    for act in (added.value, added.reset, lambda: added.merge(added)):
        act()
    added.add(*subject.batches[1])
    if before != read_bytes(added):
        subject.fail(
            "nothing changes in place",
            "a meter was another one after value, add, merge or reset.",
            "Return a new meter, and don't write into arrays that are held.",
        )
    law = "a meter survives pickle"
    hint = "Hold nothing that pickle cannot: no lambda, no open file."
    try:
        copy = pickle.loads(pickle.dumps(added))
    except Exception as error:
        subject.fail(law, f"{error}.", hint)
    subject.require_same(law, hint, unpickled=copy, before=added)


LAWS = (
    check_methods,
    check_carry,
    check_monoid,
    check_parts,
    check_infinity,
    check_mask,
    check_compiled,
    check_unchanged,
)
"""All laws, the first ones those without which the others cannot be asked."""
