"""The laws of every meter, over one table. A meter without a row fails."""

import dataclasses
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tntjax.meter
from tntjax._types import Meter
from tntjax.meter import AverageValueMeter, ClassErrorMeter


@dataclasses.dataclass(frozen=True)
class Case:
    make: Callable[[], Any]
    batch: Callable[[np.random.Generator, int], tuple]
    """Arguments of one `add`, each with the rows first."""


def values(rng, size):
    return (rng.normal(3.0, 2.0, size).astype(np.float32),)


def weighted(rng, size):
    return (*values(rng, size), rng.integers(0, 4, size, np.int32))


def tokens(rng, size):
    return (rng.normal(size=(size, 3)).astype(np.float32),)


def classes(rng, size):
    scores = rng.integers(0, 4, (size, 6)).astype(np.float32)  # many ties
    return scores, rng.integers(-1, 7, size, np.int32)  # some without a class


CASES = {
    "AverageValueMeter": Case(AverageValueMeter, values),
    "AverageValueMeter, weighted": Case(AverageValueMeter, weighted),
    "AverageValueMeter, [B, T]": Case(AverageValueMeter, tokens),
    "ClassErrorMeter": Case(ClassErrorMeter, classes),
    "ClassErrorMeter, top 1, 3, 6": Case(lambda: ClassErrorMeter((1, 3, 6)), classes),
    "ClassErrorMeter, accuracy": Case(
        lambda: ClassErrorMeter((2,), accuracy=True), classes
    ),
}
ON_THE_HOST = {"TimeMeter"}  # no pytree; its laws are in tests/meter/test_time_meter.py

every_meter = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
many_examples = settings(deadline=None, max_examples=25)
seeds = st.integers(0, 2**32 - 1)
sizes = st.sampled_from([1, 2, 5, 8])  # each compiles once


def filled(case, size=5, seed=0):
    return case.make().add(*case.batch(np.random.default_rng(seed), size))


def rows(batch, index):
    return tuple(part[index] for part in batch)


def numbers(meter):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(meter.value())]


def assert_equal(left, right):
    """Bit for bit, with NaN equal to itself."""
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def assert_close(left, right):
    """Counts are equal, and values but for rounding."""
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        if np.asarray(a).dtype.kind in "iu":
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    for a, b in zip(numbers(left), numbers(right), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def specification(meter):
    return [
        (np.shape(leaf), jnp.result_type(leaf), getattr(leaf, "weak_type", False))
        for leaf in jax.tree.leaves(meter)
    ]


def test_every_meter_is_in_the_table():
    exported = {name for name in tntjax.meter.__all__ if name.endswith("Meter")}
    assert exported == {name.split(",")[0] for name in CASES} | ON_THE_HOST


@every_meter
def test_follows_the_protocol(case):
    assert isinstance(case.make(), Meter)


@every_meter
def test_a_new_one_lies_on_the_host(case):
    for leaf in jax.tree.leaves(case.make()):
        assert isinstance(leaf, np.ndarray | np.generic)


@every_meter
def test_is_frozen(case):
    with pytest.raises(dataclasses.FrozenInstanceError):
        case.make().n = 3


@every_meter
def test_add_keeps_structure_shapes_and_strong_dtypes(case):
    meter = case.make()
    assert jax.tree.structure(filled(case)) == jax.tree.structure(meter)
    assert specification(filled(case)) == specification(meter)
    assert specification(filled(case).merge(filled(case))) == specification(meter)


@every_meter
def test_add_keeps_dtypes_with_x64(case):
    jax.config.update("jax_enable_x64", True)
    try:
        batch = case.batch(np.random.default_rng(0), 5)
        wide = {"f": np.float64, "i": np.int64}
        batch = [jnp.asarray(part, wide[part.dtype.kind]) for part in batch]
        mask = jnp.ones(5, bool)
        meter = case.make().add(*batch, mask=mask)
        assert specification(meter) == specification(case.make())
        assert specification(meter.merge(meter)) == specification(case.make())
        assert_close(meter, case.make().add(*batch))
    finally:
        jax.config.update("jax_enable_x64", False)


@every_meter
def test_reset_keeps_structure_shapes_and_dtypes_on_the_host(case):
    meter = filled(case).reset()
    assert_equal(meter, case.make())
    assert specification(meter) == specification(case.make())
    for leaf in jax.tree.leaves(meter):
        assert isinstance(leaf, np.ndarray)


@every_meter
def test_reset_keeps_the_axes_of_vmap(case):
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf] * 3), filled(case))
    assert specification(stacked.reset()) == specification(stacked)


@every_meter
@many_examples
@given(seed=seeds, size=sizes)
def test_reset_is_the_identity_of_merge(case, seed, size):
    meter = filled(case, size, seed)
    assert_equal(meter.merge(meter.reset()), meter)
    assert_equal(meter.reset().merge(meter), meter)
    on_host = jax.tree.map(np.asarray, meter)
    assert_equal(on_host.merge(on_host.reset()), meter)
    assert_equal(on_host.reset().merge(on_host), meter)


@every_meter
@many_examples
@given(seed=seeds, lengths=st.tuples(sizes, sizes, sizes))
def test_merge_is_associative_and_order_does_not_matter(case, seed, lengths):
    a, b, c = (filled(case, size, seed + i) for i, size in enumerate(lengths))
    assert_close(a.merge(b).merge(c), a.merge(b.merge(c)))
    assert_close(a.merge(b), b.merge(a))


@every_meter
@many_examples
@given(seed=seeds, size=sizes, cut=st.floats(0, 1))
def test_merging_parts_is_adding_all(case, seed, size, cut):
    batch, cut = case.batch(np.random.default_rng(seed), size), round(cut * size)
    first = case.make().add(*rows(batch, slice(cut)))
    second = case.make().add(*rows(batch, slice(cut, None)))
    whole = case.make().add(*batch)
    assert_close(first.merge(second), whole)
    assert_close(first.add(*rows(batch, slice(cut, None))), whole)


@every_meter
def test_merges_on_the_host_as_on_the_device(case):
    a, b = filled(case, 5, 1), filled(case, 5, 2)
    on_host = jax.tree.map(np.asarray, a).merge(jax.tree.map(np.asarray, b))
    for leaf in jax.tree.leaves(on_host):
        assert not isinstance(leaf, jax.Array)
    assert specification(on_host) == specification(case.make())
    assert_close(on_host, a.merge(b))


@every_meter
@pytest.mark.parametrize("other", [3, None, "meter"])
def test_merge_refuses_what_is_no_such_meter(case, other):
    with pytest.raises(TypeError, match="merge needs a"):
        case.make().merge(other)


@every_meter
def test_jit_is_eager(case):
    batch = case.batch(np.random.default_rng(0), 5)
    mask = np.arange(5) % 3 > 0
    meter = filled(case)
    with jax.disable_jit():
        eager = meter.add(*batch, mask=mask)
    compiled = jax.jit(lambda m, b, k: m.add(*b, mask=k))(meter, batch, mask)
    assert_close(compiled, eager)
    assert_close(meter.add(*batch, mask=mask), eager)
    assert specification(compiled) == specification(eager)


@every_meter
def test_scan_is_a_loop(case):
    rng = np.random.default_rng(0)
    batches = [case.batch(rng, 5) for _ in range(5)]
    looped = case.make()
    for batch in batches:
        looped = looped.add(*batch)
    stacked = jax.tree.map(lambda *parts: np.stack(parts), *batches)
    scanned, _ = jax.lax.scan(lambda m, b: (m.add(*b), None), case.make(), stacked)
    assert_close(scanned, looped)


@every_meter
def test_vmap_is_each_alone(case):
    rng = np.random.default_rng(0)
    batches = [case.batch(rng, 5) for _ in range(4)]
    stacked = jax.tree.map(lambda *parts: np.stack(parts), *batches)
    meters = jax.vmap(lambda *batch: case.make().add(*batch))(*stacked)
    outside = meters.value()  # reads a stack of meters as it reads one
    inside = jax.vmap(lambda meter: meter.value())(meters)
    assert_close_tree(outside, inside)
    for number, batch in enumerate(batches):
        meter = jax.tree.map(lambda leaf, at=number: leaf[at], meters)
        assert_close(meter, case.make().add(*batch))
    assert_close_tree(jax.tree.map(np.asarray, meters).value(), outside)


def assert_close_tree(left, right):
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


@every_meter
def test_many_adds_trace_once(case):
    traces = 0

    @jax.jit
    def add(meter, batch):
        nonlocal traces
        traces += 1
        return meter.add(*batch)

    meter, rng = case.make(), np.random.default_rng(0)
    for _ in range(4):
        meter = add(meter, case.batch(rng, 5))
    add(meter.reset(), case.batch(rng, 5))
    assert traces == 1


@every_meter
@many_examples
@given(seed=seeds, size=sizes)
def test_masked_rows_are_as_left_out(case, seed, size):
    rng = np.random.default_rng(seed)
    batch, mask = case.batch(rng, size), rng.random(size) < 0.6
    kept = case.make().add(*rows(batch, mask))
    assert_close(case.make().add(*batch, mask=mask), kept)


@every_meter
def test_masked_rows_may_be_nan(case):
    batch = case.batch(np.random.default_rng(0), 5)
    poisoned = tuple(part.copy() for part in batch)
    for part in poisoned:
        if part.dtype.kind == "f":
            part[2:] = np.nan
    mask = np.arange(5) < 2
    assert_equal(
        case.make().add(*poisoned, mask=mask), case.make().add(*batch, mask=mask)
    )


@every_meter
def test_a_mask_of_true_is_no_mask(case):
    batch = case.batch(np.random.default_rng(0), 5)
    plain = case.make().add(*batch)
    for mask in (
        np.ones(5, bool),
        [True] * 5,
        True,
        np.ones(1, bool),
        jnp.ones(5, "?"),
    ):
        assert_close(case.make().add(*batch, mask=mask), plain)


@every_meter
def test_nothing_added_changes_nothing(case):
    meter, batch = filled(case), case.batch(np.random.default_rng(1), 5)
    assert_equal(meter.add(*batch, mask=np.zeros(5, bool)), meter)
    assert_equal(meter.add(*batch, mask=False), meter)
    assert_equal(meter.add(*rows(batch, slice(0))), meter)


@every_meter
def test_mask_must_be_bool(case):
    batch = case.batch(np.random.default_rng(0), 2)
    with pytest.raises(TypeError, match=r"mask must be bool, got int.*mask != 0"):
        case.make().add(*batch, mask=np.array([0, 1]))


@every_meter
def test_mask_must_fit_the_rows(case):
    batch = case.batch(np.random.default_rng(0), 5)
    with pytest.raises(ValueError, match=r"mask has shape \[2\].*\[5"):
        case.make().add(*batch, mask=np.ones(2, bool))


@every_meter
def test_a_batch_of_one(case):
    rng = np.random.default_rng(0)
    batches = [case.batch(rng, 1) for _ in range(6)]
    meter = case.make()
    for batch in batches:
        meter = meter.add(*batch)
    whole = jax.tree.map(lambda *parts: np.concatenate(parts), *batches)
    assert_close(meter, case.make().add(*whole))


@every_meter
def test_one_row_needs_no_axis(case):
    batch = case.batch(np.random.default_rng(0), 1)
    assert_close(case.make().add(*rows(batch, 0)), case.make().add(*batch))


@every_meter
def test_an_empty_one_measures_nan(case):
    for meter in (case.make(), jax.device_put(case.make())):
        assert all(np.isnan(number) for number in numbers(meter))


@every_meter
def test_value_changes_nothing(case):
    meter = filled(case)
    before = jax.tree.leaves(meter)
    meter.value()
    assert all(a is b for a, b in zip(before, jax.tree.leaves(meter), strict=True))
    assert_equal(meter, filled(case))


@every_meter
def test_value_is_computed_where_the_leaves_are(case):
    meter = filled(case)
    on_host = jax.tree.map(np.asarray, meter)
    with jax.transfer_guard("disallow"):
        host_value = on_host.value()
    for leaf in jax.tree.leaves(host_value):
        assert not isinstance(leaf, jax.Array)
    for leaf in jax.tree.leaves(meter.value()):
        assert isinstance(leaf, jax.Array)
    for a, b in zip(numbers(on_host), numbers(meter), strict=True):
        assert a.dtype == b.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=1e-6)


@every_meter
def test_value_works_in_jit(case):
    meter = filled(case)
    assert_close_tree(jax.jit(lambda m: m.value())(meter), meter.value())


@every_meter
def test_nothing_measured_raises_no_warning_on_nan(case):
    batch = case.batch(np.random.default_rng(0), 5)
    for bad in (np.nan, np.inf, -np.inf):
        spoiled = [np.full_like(p, bad) if p.dtype.kind == "f" else p for p in batch]
        meter = filled(case).add(*spoiled)
        on_host = jax.tree.map(np.asarray, meter)
        on_host.value()
        assert_equal(on_host.merge(on_host.reset()), meter)


@every_meter
def test_survives_pickle(case):
    for meter in (case.make(), filled(case), jax.tree.map(np.asarray, filled(case))):
        assert_equal(pickle.loads(pickle.dumps(meter)), meter)


@every_meter
def test_survives_a_checkpoint(case):
    meter = filled(case)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(meter)]
    restored = jax.tree.unflatten(jax.tree.structure(case.make()), leaves)
    batch = case.batch(np.random.default_rng(5), 5)
    assert_close(restored.add(*batch), meter.add(*batch))


@every_meter
def test_buffers_can_be_donated(case):
    batch = case.batch(np.random.default_rng(0), 5)
    add = jax.jit(lambda meter, batch: meter.add(*batch), donate_argnums=0)
    meter = jax.device_put(filled(case))
    expected = meter.add(*batch)
    result = add(meter, batch)
    assert_close(result, expected)
    assert "float" in repr(meter) or "int" in repr(meter)  # deleted, and says so


@every_meter
def test_repr_shows_the_value_on_one_line(case):
    shown = repr(filled(case))
    assert shown == repr(jax.tree.map(np.asarray, filled(case)))
    assert re.fullmatch(r"\w+\((\w+=[\d.+e-]+, )+n=\d+\)", shown)
    assert "nan" in repr(case.make())


@every_meter
def test_repr_shows_shapes_where_there_is_no_value(case):
    shown = []

    @jax.jit
    def trace(meter):
        shown.append(repr(meter))
        return meter

    trace(filled(case))
    abstract = jax.eval_shape(lambda: filled(case))
    stacked = jax.tree.map(lambda leaf: np.stack([leaf, leaf]), case.make())
    hollow = jax.tree.map(lambda leaf: None, case.make())
    for text in (*shown, repr(abstract), repr(stacked), repr(hollow)):
        assert text.startswith(type(case.make()).__name__ + "(")
        assert "0x" not in text and "\n" not in text
    assert "n=int32[]" in shown[0]
    assert "n=int32[2]" in repr(stacked)
    assert "n=None" in repr(hollow)


MESH = """
import sys
sys.path[:0] = sys.argv[1:]
import jax, numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from test_meter_laws import CASES, assert_close
assert len(jax.devices()) == 2
mesh = jax.make_mesh((2,), ("data",))
for case in CASES.values():
    batch = case.batch(np.random.default_rng(0), 8)
    spread = jax.device_put(batch, NamedSharding(mesh, PartitionSpec("data")))
    meter = jax.jit(lambda m, b: m.add(*b))(case.make(), spread)
    assert_close(meter, case.make().add(*batch))
    repr(meter)
"""


def test_adds_up_over_a_mesh(pytestconfig):
    folder = pytestconfig.rootpath / "tests" / "laws"
    environment = os.environ | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "JAX_PLATFORMS": "cpu",
    }
    command = [sys.executable, "-c", MESH, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_making_meters_starts_no_backend():
    program = (
        "import jax, tntjax.meter as meter\n"
        "from jax._src import xla_bridge\n"
        "for name in meter.__all__: getattr(meter, name)()\n"
        "meter.AverageValueMeter().value(), meter.ClassErrorMeter().value()\n"
        "assert not xla_bridge._backends\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
