"""The laws of `tnt.testing` for every meter, and more, over one table with all of them.

What users may rely on stands in `tnt.testing`. Here it is asked of our meters, and what
only ours promise: bits, texts and shapes.
"""

import dataclasses
import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from meter_cases import (
    CASES,
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

import tntjax.meter
import tntjax.speech
import tntjax.text
import tntjax.vision
from tntjax.testing._compare import Subject
from tntjax.testing._meter import LAWS, check_mask, check_monoid, check_parts

OF_PARTS = (check_monoid, check_parts, check_mask)


def test_every_meter_is_in_the_table():
    exported = {*tntjax.meter.__all__, *tntjax.text.__all__, *tntjax.vision.__all__}
    meters = {name for name in exported if re.search("Meter(Dict)?$", name)}
    cases = {name.split(",")[0] for name in CASES}
    assert meters == cases | ON_THE_HOST | {"Meter"}


EXPORTED = {
    name: getattr(package, name)
    for package in (tntjax.meter, tntjax.speech, tntjax.text, tntjax.vision)
    for name in package.__all__
    if name.endswith("Meter") and name != "Meter"
}


@pytest.mark.parametrize("name", EXPORTED)
def test_arguments_come_before_what_is_kept(name):
    meter = EXPORTED[name]
    kept = {f.name: "static" not in f.metadata for f in dataclasses.fields(meter)}
    parameters = inspect.signature(meter).parameters.values()
    places = [kept[p.name] for p in parameters if p.kind is not p.KEYWORD_ONLY]
    assert places == sorted(places)


@every_meter
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_keeps_the_laws(case, law):
    law(subject(case, 0))


@pytest.mark.slow
@every_meter
@pytest.mark.parametrize("law", OF_PARTS, ids=lambda law: law.__name__)
@many_examples
@given(seed=seeds)
def test_keeps_the_laws_of_parts(case, law, seed):
    law(subject(case, seed))


def subject(case, seed):
    rng = np.random.default_rng(seed)
    batches = [case.batch(rng, length) for length in (4, 3, 4)]
    close = {"rtol": 1e-5, "atol": 1e-5, "exact": True}
    return Subject(case.make(), batches, case.ordered, **close)


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


@pytest.mark.slow
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


@pytest.mark.slow
@every_meter
def test_a_mask_of_true_is_no_mask(case):
    batch = case.batch(np.random.default_rng(0), 5)
    plain = case.make().add(*batch)
    for mask in (
        np.ones(5, bool),
        [True] * 5,
        True,
        jnp.ones(5, "?"),
    ):
        assert_close(case.make().add(*batch, mask=mask), plain)


@pytest.mark.slow
@pytest.mark.parametrize("n", [3, np.int64(3), jnp.int32(3)])
@every_meter
def test_a_count_of_all_is_one_of_each(case, n):
    signature = inspect.signature(case.make().add)
    if "n" in signature.parameters:
        given = signature.bind(*case.batch(np.random.default_rng(0), 5)).arguments
        each = case.make().add(**{**given, "n": np.full(5, 3)})
        assert_close(case.make().add(**{**given, "n": n}), each)


@every_meter
def test_one_entry_is_not_one_for_each_row(case):
    batch = case.batch(np.random.default_rng(0), 5)
    with pytest.raises(ValueError, match=r"mask has shape \[1\], which doesn't fit"):
        case.make().add(*batch, mask=np.ones(1, bool))


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


@pytest.mark.slow
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
def test_nothing_measured_raises_no_warning_on_nan(case):
    batch = case.batch(np.random.default_rng(0), 5)
    for bad in case.bad if jnp.issubdtype(batch[0].dtype, jnp.floating) else ():
        meter = filled(case).add(np.full_like(batch[0], bad), *batch[1:])
        hosted = on_host(meter)
        hosted.value()
        assert_equal(hosted.merge(hosted.reset()), meter)
