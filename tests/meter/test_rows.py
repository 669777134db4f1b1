"""How meters keep every row: in slots, or growing on the host."""

import re

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tntjax.meter import (
    APMeter,
    AUCMeter,
    PrecisionRecallCurveMeter,
    ROCCurveMeter,
    mAPMeter,
)
from tntjax.meter.parts._count import Count

GROWING = [AUCMeter, APMeter, mAPMeter, ROCCurveMeter, PrecisionRecallCurveMeter]
every_growing = pytest.mark.parametrize("make", GROWING)


def drawn(seed, size=12):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, size).astype(np.float32)
    return scores, rng.integers(0, 2, size), rng.integers(0, 3, size)


def assert_same_value(left, right):
    for a, b in zip(leaves(left), leaves(right), strict=True):
        np.testing.assert_array_equal(a, b)


def parts(batch, *cuts):
    return [tuple(part[cut] for part in batch) for cut in cuts]


def leaves(meter):
    return jax.tree.leaves(meter.value())


@every_growing
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), cuts=st.tuples(*[st.integers(0, 12)] * 2))
def test_a_growing_one_is_a_monoid(make, seed, cuts):
    batch, (low, high) = drawn(seed), sorted(cuts)
    pieces = parts(batch, slice(low), slice(low, high), slice(high, None))
    a, b, c = (make().add(*piece) for piece in pieces)
    whole = make().add(*batch)
    for merged in (
        a.merge(b).merge(c),
        a.merge(b.merge(c)),
        c.merge(a).merge(b),
        make().merge(whole).merge(make()),
        whole.merge(whole.reset()),
        make().add(*pieces[0]).add(*pieces[1]).add(*pieces[2]),
    ):
        assert int(merged.n) == 12
        assert_same_value(merged, whole)


@pytest.mark.slow
@every_growing
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_growing_one_measures_as_one_with_slots(make, seed):
    batch = drawn(seed)
    mask = np.random.default_rng(seed).random(12) < 0.8
    slots = int(mask.sum())
    growing = make().add(*batch, mask=mask)
    fixed = make(slots or None).add(*batch, mask=mask)
    assert_same_value(growing, fixed)


def test_the_old_meter_stays_valid():
    old = AUCMeter().add([0.9, 0.1], [1, 0])
    wrong, right = old.add(0.2, 1).add(0.8, 0), old.add(0.8, 1).add(0.2, 0)
    assert old.value().area == 1.0 and int(old.n) == 2
    assert wrong.value().area == 0.75 and right.value().area == 1.0


def test_what_was_added_may_change_later():
    scores, targets = np.array([0.9, 0.1], np.float32), np.array([True, False])
    weights = np.ones(2, np.float32)
    meters = [AUCMeter().add(scores, targets, weights), AUCMeter(2)]
    meters[1] = meters[1].add(scores, targets, weights)
    jax.block_until_ready(meters[1])
    scores[:], targets[:], weights[:] = 0, False, 0
    assert [float(meter.value().area) for meter in meters] == [1.0, 1.0]


def test_many_adds_copy_each_row_a_few_times():
    meter, copied, rows = AUCMeter(), 0, 2**11
    for number in range(rows):
        meter = meter.add(float(number), number % 2)
        copied += len(meter.scores[-1])
        lengths = [len(chunk) for chunk in meter.scores]
        assert sum(lengths) == number + 1
        assert all(a > b for a, b in zip(lengths, lengths[1:], strict=False))
    assert copied <= rows * 12  # log2(rows) + 1; one array for all would be rows**2 / 2
    assert len(meter.scores) <= 12


def test_a_growing_one_takes_arrays_of_the_device():
    batch = [jax.numpy.asarray(part) for part in drawn(0)]
    meter = AUCMeter().add(*batch, mask=jax.numpy.arange(12) < 9)
    assert isinstance(meter.scores[0], np.ndarray) and int(meter.n) == 9


@pytest.mark.slow
@every_growing
def test_a_growing_one_is_read_in_compiled_code(make):
    for meter in (make(), make().add(*drawn(0)).add(*drawn(1))):
        value = jax.jit(lambda meter: meter.value())(meter)
        for mine, others in zip(jax.tree.leaves(value), leaves(meter), strict=True):
            np.testing.assert_allclose(mine, others, atol=1e-6)


@every_growing
def test_a_growing_one_says_that_it_cannot_be_compiled(make):
    pattern = rf"{make.__name__}.add was called in compiled code.*\(capacity=len"
    with pytest.raises(TypeError, match=pattern):
        jax.jit(lambda *batch: make().add(*batch))(*drawn(0))


@every_growing
def test_overflow_is_an_error_that_names_both_numbers(make):
    meter = make(10).add(*drawn(0)).add(*drawn(1))
    expected = f"{make.__name__} was given 24 rows, but has capacity=10"
    with pytest.raises(ValueError, match=f"{expected}.*capacity=24 or more"):
        meter.value()
    assert re.fullmatch(r"\w+\(\w+=overflow, capacity=10, n=24\)", repr(meter))


@pytest.mark.slow
@every_growing
def test_overflow_in_compiled_code_is_nan(make):
    value = jax.jit(lambda *batch: make(10).add(*batch).value())
    assert all(np.isnan(leaf).all() for leaf in jax.tree.leaves(value(*drawn(0))))
    masked = jax.jit(lambda m, *batch: make(10).add(*batch, mask=m).value())
    kept = masked(np.arange(12) < 11, *drawn(0))
    assert all(np.isnan(leaf).all() for leaf in jax.tree.leaves(kept))


def test_overflow_survives_a_merge():
    full, over = AUCMeter(12).add(*drawn(0)), AUCMeter(12).add(*drawn(0, 13))
    for meter in (full.merge(full), over.merge(AUCMeter(12)), AUCMeter(12).merge(over)):
        on_host = jax.tree.map(np.asarray, meter)
        for each in (meter, on_host, on_host.merge(on_host.reset())):
            with pytest.raises(ValueError, match="capacity=12"):
                each.value()
    host = [jax.tree.map(np.asarray, each) for each in (full, over)]
    with pytest.raises(ValueError, match="was given 25 rows"):
        host[0].merge(host[1]).value()


def test_exactly_full_is_no_overflow():
    meter = AUCMeter(12).add(*drawn(0))
    assert_same_value(meter, AUCMeter().add(*drawn(0)))
    half = AUCMeter(12).add(*drawn(0, 6))
    assert int(half.merge(half).n) == 12
    twice = AUCMeter().add(*drawn(0, 6)).add(*drawn(0, 6))
    assert_same_value(half.merge(half), twice)


def test_masked_rows_take_no_slot():
    meter = AUCMeter(2)
    for score in range(5):
        both = np.array([score, -score], np.float32)
        meter = meter.add(both, [1, 0], mask=[score == 4, score == 2])
    assert int(meter.n) == 2
    assert np.asarray(meter.scores).tolist() == [-2.0, 4.0]


@pytest.mark.slow
def test_a_stack_of_meters_merges():
    stack = jax.vmap(lambda *batch: AUCMeter(24).add(*batch))(
        *(np.stack(pair) for pair in zip(drawn(0), drawn(1), strict=True))
    )
    merged = stack.merge(stack)
    single = AUCMeter(24).add(*drawn(1)).add(*drawn(1))
    assert merged.n.integers().tolist() == [24, 24]
    assert merged.value().area[1] == single.value().area
    in_jit = jax.jit(lambda meters: meters.value())(merged)
    np.testing.assert_allclose(in_jit.area, merged.value().area, atol=1e-6)


def test_spread_over_a_mesh_whose_types_say_so():
    explicit = (jax.sharding.AxisType.Explicit,)
    if not hasattr(jax.sharding, "reshard"):
        pytest.skip("this JAX cannot put arrays on an explicit mesh")
    mesh = jax.make_mesh((1,), ("data",), axis_types=explicit)
    place = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    batch = jax.device_put(drawn(0), place)
    meter = jax.jit(lambda *batch: AUCMeter(20).add(*batch))(*batch)
    assert_same_value(meter, AUCMeter(20).add(*drawn(0)))


@pytest.mark.parametrize("capacity", [True, 2.0, "10"])
def test_capacity_must_be_an_integer(capacity):
    with pytest.raises(TypeError, match="AUCMeter needs capacity to be an integer"):
        AUCMeter(capacity)


@pytest.mark.parametrize("capacity", [0, -1])
def test_capacity_must_be_positive(capacity):
    with pytest.raises(ValueError, match=f"needs capacity >= 1, got {capacity}"):
        AUCMeter(capacity)


def test_merges_only_one_of_the_same_capacity():
    with pytest.raises(ValueError, match="the same capacity, got 10 and 12"):
        AUCMeter(10).merge(AUCMeter(12))
    with pytest.raises(ValueError, match="the same capacity, got None and 12"):
        AUCMeter().merge(AUCMeter(12))
    with pytest.raises(TypeError, match="AUCMeter.merge needs another AUCMeter, got "):
        AUCMeter().merge(ROCCurveMeter())


@pytest.mark.parametrize("came", [2**31 - 2, 2**32 - 1, 2**40])
def test_rows_without_a_slot_are_counted_beyond_32_bits(came):
    meter = AUCMeter(2, n=Count.of(came))
    added = jax.jit(lambda meter: meter.add([0.5, 0.25], [1, 0]))(meter)
    assert int(added.n) == came + 2
    assert int(added.merge(added).n) == 2 * came + 4
    assert int(jax.device_get(added).merge(meter).n) == 2 * came + 2
    with pytest.raises(ValueError, match=f"was given {came + 2} rows, but has capac"):
        added.value()
