"""The laws of every meter as a monoid, over one table. A meter without a row fails."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from meter_cases import (
    CASES,
    KINDS,
    ON_THE_HOST,
    assert_close,
    assert_equal,
    every_meter,
    filled,
    many_examples,
    on_host,
    rows,
    seeds,
    sizes,
    specification,
)

import tntjax as tnt
import tntjax.meter
from tntjax._types import Meter


def test_every_meter_is_in_the_table():
    assert (
        set(tntjax.meter.__all__)
        == {name.split(",")[0] for name in CASES} | ON_THE_HOST
    )


@every_meter
def test_follows_the_protocol(case):
    assert isinstance(case.make(), Meter)


@every_meter
@many_examples
@given(seed=seeds, size=sizes)
def test_reset_is_the_identity_of_merge(case, seed, size):
    meter = filled(case, size, seed)
    assert_equal(meter.merge(meter.reset()), meter)
    assert_equal(meter.reset().merge(meter), meter)
    hosted = on_host(meter)
    assert_equal(hosted.merge(hosted.reset()), meter)
    assert_equal(hosted.reset().merge(hosted), meter)


@every_meter
@many_examples
@given(seed=seeds, lengths=st.tuples(sizes, sizes, sizes))
def test_merge_is_associative_and_order_does_not_matter(case, seed, lengths):
    a, b, c = (filled(case, size, seed + i) for i, size in enumerate(lengths))
    assert_close(a.merge(b).merge(c), a.merge(b.merge(c)))
    if not case.ordered:
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
    merged = on_host(a).merge(on_host(b))
    for leaf in jax.tree.leaves(merged):
        assert not isinstance(leaf, jax.Array)
    assert specification(merged) == specification(case.make())
    assert_close(merged, a.merge(b))


@every_meter
@pytest.mark.parametrize("other", [3, None, "meter"])
def test_merge_refuses_what_is_no_such_meter(case, other):
    with pytest.raises(TypeError, match="merge needs a"):
        case.make().merge(other)


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
        if jnp.issubdtype(part.dtype, jnp.floating):
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
def test_an_empty_one_measures_what_its_row_says(case):
    for meter in (case.make(), jax.device_put(case.make())):
        for number in counted(meter):
            expected = np.full(number.shape, case.empty)
            np.testing.assert_array_equal(number, expected)


def counted(meter):
    value = meter.value()
    if hasattr(value, "edges"):  # those of a histogram are there from the first
        value = value._replace(edges=value.below)
    return [np.asarray(leaf) for leaf in jax.tree.leaves(value)]


@every_meter
def test_value_changes_nothing(case):
    meter = filled(case)
    before = jax.tree.leaves(meter)
    meter.value()
    assert all(a is b for a, b in zip(before, jax.tree.leaves(meter), strict=True))
    assert_equal(meter, filled(case))


@every_meter
def test_nothing_measured_raises_no_warning_on_nan(case):
    batch = case.batch(np.random.default_rng(0), 5)
    for bad in case.bad if jnp.issubdtype(batch[0].dtype, jnp.floating) else ():
        meter = filled(case).add(np.full_like(batch[0], bad), *batch[1:])
        hosted = on_host(meter)
        hosted.value()
        assert_equal(hosted.merge(hosted.reset()), meter)


# It asks what is asked of every row above; that is seen on one meter of each kind.
@pytest.mark.parametrize("name", KINDS)
def test_passes_the_check_that_users_call(name):
    case = CASES[name]
    rng = np.random.default_rng(0)
    batches = [case.batch(rng, size) for size in (4, 3, 4)]
    tnt.testing.check_meter(case.make(), batches, ordered=case.ordered, atol=1e-5)
