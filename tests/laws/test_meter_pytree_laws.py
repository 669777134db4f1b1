"""The laws of every meter as a pytree: in jit, scan, vmap, over a mesh, on disk."""

import dataclasses
import json
import os
import pickle
import re
import subprocess
import sys

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
import pytest
from meter_cases import (
    CASES,
    assert_close,
    assert_close_tree,
    assert_equal,
    every_meter,
    filled,
    on_host,
    specification,
)


@every_meter
def test_a_new_one_lies_on_the_host(case):
    for leaf in jax.tree.leaves(case.make()):
        assert isinstance(leaf, np.ndarray | np.generic)


@every_meter
def test_is_frozen(case):
    with pytest.raises(dataclasses.FrozenInstanceError):
        case.make().n = 3


@pytest.mark.slow
@every_meter
def test_add_keeps_dtypes_with_x64(case):
    jax.config.update("jax_enable_x64", True)
    try:
        batch = case.batch(np.random.default_rng(0), 5)
        wide = {"f": np.float64, "i": np.int64}
        batch = [jnp.asarray(p, wide.get(p.dtype.kind, p.dtype)) for p in batch]
        mask = jnp.ones(5, bool)
        meter = case.make().add(*batch, mask=mask)
        assert specification(meter) == specification(case.make())
        assert specification(meter.merge(meter)) == specification(case.make())
        assert_close(meter, case.make().add(*batch))
    finally:
        jax.config.update("jax_enable_x64", False)


@pytest.mark.slow
@every_meter
def test_is_measured_where_nothing_may_be_promoted(case):
    expected = filled(case).merge(filled(case, seed=1))
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        strict = filled(case).merge(filled(case, seed=1))
        strict.value()
    assert_equal(strict, expected)


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


@pytest.mark.slow
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


@pytest.mark.slow
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
def test_what_is_read_is_plain(case):
    for meter in (case.make(), filled(case), on_host(filled(case))):
        for leaf in jax.tree.leaves(meter.value()):
            assert type(leaf) in (int, float, np.ndarray)
            assert np.ndim(leaf) > 0 or type(leaf) is not np.ndarray


@every_meter
def test_what_is_read_can_be_formatted_and_written_as_json(case):
    value = filled(case).value()
    for leaf in jax.tree.leaves(value):
        if not isinstance(leaf, np.ndarray):
            assert f"{leaf:.3f}" == "%.3f" % leaf  # noqa: UP031
    lists = jax.tree.map(lambda leaf: np.asarray(leaf).tolist(), value)
    assert json.dumps(lists) == json.dumps(json.loads(json.dumps(lists)))


@every_meter
def test_keys_of_what_is_read_are_plain(case):
    value = filled(case).value()
    if isinstance(value, dict):
        assert {type(key) for key in value} <= {int, float, str}


@every_meter
def test_a_stack_of_meters_reads_as_arrays(case):
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf] * 3), filled(case))
    for meter in (stacked, on_host(stacked)):
        for leaf in jax.tree.leaves(meter.value()):
            assert type(leaf) is np.ndarray
            assert len(leaf) == 3


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_rows_are_not_added_to_a_stack_of_meters(case):
    """They would be counted into the first, or into each of them."""
    many = jax.tree.map(lambda leaf: np.stack([leaf] * 3), case.make())
    rows = case.batch(np.random.default_rng(0), 3)
    with pytest.raises(ValueError, match=r"a stack of \[3\]. Map over it: jax.vmap"):
        many.add(*rows)


@every_meter
def test_what_is_read_is_the_readers_own(case):
    meter = on_host(filled(case))
    before = [leaf.copy() for leaf in jax.tree.leaves(meter)]
    for leaf in jax.tree.leaves(meter.value()):
        if isinstance(leaf, np.ndarray):
            leaf.fill(7)
    for old, leaf in zip(before, jax.tree.leaves(meter), strict=True):
        np.testing.assert_array_equal(old, leaf)


@every_meter
def test_reading_asks_for_no_transfer_in_silence(case):
    meter = jax.device_put(filled(case))
    with jax.transfer_guard("disallow"):
        on_device, on_host_alone = meter.value(), on_host(meter).value()
    for a, b in zip(*map(jax.tree.leaves, (on_device, on_host_alone)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@every_meter
def test_value_is_traced_in_compiled_code(case):
    seen = []

    @jax.jit
    def read(meter):
        seen.extend(jax.tree.leaves(meter.value()))
        return meter.value()

    meter = filled(case)
    assert_close_tree(read(meter), meter.value())
    for leaf in seen:
        assert isinstance(leaf, jax.core.Tracer)
        assert leaf.dtype in (jnp.float32, jnp.int32)


@every_meter
def test_survives_pickle(case):
    for meter in (case.make(), filled(case), on_host(filled(case))):
        assert_equal(pickle.loads(pickle.dumps(meter)), meter)


@every_meter
def test_survives_a_checkpoint(case):
    meter = filled(case)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(meter)]
    restored = jax.tree.unflatten(jax.tree.structure(case.make()), leaves)
    batch = case.batch(np.random.default_rng(5), 5)
    assert_close(restored.add(*batch), meter.add(*batch))


@pytest.mark.slow
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
    assert shown == repr(on_host(filled(case)))
    for line in meters(shown):
        assert re.fullmatch(r"\w+\(([\w.]+=[\d.+e-]+%?, )+n=\d+\)", line)
    for line in meters(repr(case.make())):
        assert "nan" in line or not np.isnan(case.empty)


def meters(shown):
    """The text of a meter, or those of a group of meters."""
    return re.findall(r"\w+Meter\([^()\n]*\)", shown)


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
        assert "0x" not in text
    assert re.search(r"(int|float)32\[", shown[0])
    assert re.search(r"(int|float)32\[2", repr(stacked))
    assert "None" in repr(hollow)


MESH = """
import sys
sys.path[:0] = sys.argv[2:]
import jax, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from meter_cases import CASES, assert_close
assert len(jax.devices()) == 2
mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType[sys.argv[1]],))
def add(meter, batch, mask):
    return meter.add(*batch, mask=mask)

def used(meter, batch, mask):
    both = add(meter, batch, mask).merge(add(meter, batch, None))
    return both, both.value()

place, kinds = NamedSharding(mesh, PartitionSpec("data")), set()
for case in CASES.values():
    meter = case.make()
    batch, mask = case.batch(np.random.default_rng(0), 8), np.arange(8) % 3 > 0
    spread = jax.device_put((batch, mask), place)
    found = jax.jit(add)(meter, *spread)
    assert_close(found, add(meter, batch, mask))
    repr(found)
    if type(meter) in kinds:
        continue
    kinds.add(type(meter))
    found, value = jax.jit(used)(meter, *spread)
    both, expected = used(meter, batch, mask)
    assert_close(found, both)
    assert_close(found.merge(jax.device_get(found)), both.merge(both))
    for a, b in zip(*map(jax.tree.leaves, (value, expected)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
"""


@pytest.mark.slow
@pytest.mark.parametrize("axis", ["Auto", "Explicit"])
def test_adds_up_over_a_mesh(pytestconfig, axis):
    if axis == "Explicit" and not hasattr(jax.sharding, "reshard"):
        pytest.skip("this JAX cannot put arrays on an explicit mesh")
    folder = pytestconfig.rootpath / "tests" / "laws"
    environment = os.environ | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "JAX_PLATFORMS": "cpu",
    }
    command = [sys.executable, "-c", MESH, axis, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_making_meters_starts_no_backend(pytestconfig):
    folder = pytestconfig.rootpath / "tests" / "laws"
    program = (
        "import sys\nsys.path[:0] = sys.argv[1:]\n"
        "from jax._src import xla_bridge\n"
        "from meter_cases import CASES\n"
        "for case in CASES.values(): repr(case.make()), case.make().value()\n"
        "assert not xla_bridge._backends\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
