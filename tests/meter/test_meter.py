"""The base of meters, by meters as a user writes them."""

import dataclasses
import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tntjax.meter.parts._count import Count
from tntjax.meter.parts._sums import Total


class HitRateMeter(tnt.Meter):
    """Measures the share of examples whose best class is the target."""

    hits: Any = np.int32(0)
    n: Any = np.int32(0)

    def add(self, output, target, *, mask=None):
        right = jnp.argmax(output, -1) == target
        seen = jnp.ones(right.shape, bool) if mask is None else jnp.asarray(mask)
        hits, n = (part.sum(dtype="int32") for part in (right & seen, seen))
        return HitRateMeter(self.hits + hits, self.n + n)

    def value(self):
        return self.hits / self.n


class PerplexityMeter(tnt.Meter):
    """Measures the exponential of the mean loss, by a meter that it holds."""

    losses: tnt.AverageValueMeter = tnt.AverageValueMeter()
    base: float = dataclasses.field(default=np.e, metadata={"static": True})

    def add(self, loss, *, mask=None):
        return dataclasses.replace(self, losses=self.losses.add(loss, mask=mask))

    def value(self):
        return {"perplexity": self.base ** self.losses.value().mean}


class PartsMeter(tnt.Meter):
    """Holds all that is merged field by field."""

    count: Count = Count()
    total: Total = Total()
    pair: tuple = (np.float32(0), Count())
    named: Any = dataclasses.field(default_factory=lambda: {"a": np.zeros(2, "int32")})
    inner: Any = PerplexityMeter()

    def add(self, value, *, mask=None):
        value = jnp.asarray(value, jnp.float32)
        value = value if mask is None else jnp.where(mask, value, 0)
        n = jnp.int32(value.size if mask is None else jnp.sum(mask))
        return PartsMeter(
            self.count + n,
            self.total + value.sum(),
            (self.pair[0] + value.sum(), self.pair[1] + n),
            {"a": self.named["a"] + n},
            self.inner.add(value, mask=mask),
        )

    def value(self):
        return self.total.floats(), self.count.integers(), self.pair[0], self.named

    def summary(self):
        return {"total": self.total.floats(), "a": self.named["a"], "what": "parts"}


SCORES, LABELS = np.eye(4, dtype=np.float32), np.array([0, 1, 0, 3])
BATCHES = [(SCORES, LABELS), (SCORES[:2], LABELS[1:3]), (SCORES, LABELS[::-1].copy())]
VALUES = [(np.float32([1, 2, 3]),), (np.float32([0.5, 0.25]),), (np.float32([4, 2]),)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("meter", "batches"),
    [(HitRateMeter(), BATCHES), (PerplexityMeter(), VALUES), (PartsMeter(), VALUES)],
    ids=["arrays", "a meter", "parts"],
)
def test_a_meter_of_fields_keeps_the_laws(meter, batches):
    tnt.testing.check_meter(meter, batches)


def test_shows_its_value_and_n():
    assert repr(HitRateMeter()) == "HitRateMeter(value=nan, n=0)"
    meter = HitRateMeter().add(SCORES, LABELS)
    assert repr(meter) == "HitRateMeter(value=0.75, n=4)"
    assert type(meter.value()) is float
    assert repr(PerplexityMeter(base=2.0).add(3.0)) == "PerplexityMeter(perplexity=8)"


def test_a_summary_may_hold_anything():
    shown = repr(PartsMeter().add([1.0, 2.0]))
    assert shown == "PartsMeter(total=3, a=int32[2], what=parts)"


def test_a_stack_without_n_shows_shapes():
    stacked = jax.tree.map(lambda leaf: np.stack([leaf] * 3), PerplexityMeter())
    assert repr(stacked) == "PerplexityMeter(perplexity=float64[3])"


def test_merges_and_resets_every_kind_of_field():
    meter = PartsMeter().add([1.0, 2.0])
    total, count, pair, named = meter.merge(meter).value()
    assert (total, count, pair) == (6.0, 4, 6.0) and named["a"].tolist() == [4, 4]
    assert int(meter.merge(meter).inner.losses.n) == 4
    host = jax.device_get(meter)
    for leaf in jax.tree.leaves((host.merge(host), meter.reset())):
        assert isinstance(leaf, np.ndarray | np.generic)
    assert meter.reset().value()[:3] == (0.0, 0, 0.0)


def test_merges_only_its_class_and_arguments():
    with pytest.raises(TypeError, match="HitRateMeter.merge needs another HitRateMe"):
        HitRateMeter().merge(PerplexityMeter())
    with pytest.raises(ValueError, match=r"with the same base, got 2.0 and 10.0"):
        PerplexityMeter(base=2.0).merge(PerplexityMeter(base=10.0))


def test_is_a_frozen_pytree_without_a_decorator():
    meter = HitRateMeter()
    with pytest.raises(dataclasses.FrozenInstanceError):
        meter.n = 3
    assert len(jax.tree.leaves(meter)) == 2
    added = pickle.loads(pickle.dumps(meter.add(SCORES, LABELS)))
    assert added.value() == 0.75


def test_add_and_value_must_be_there():
    class Half(tnt.Meter):
        def value(self):
            return 0

    with pytest.raises(TypeError, match="abstract.* '?add'?"):
        Half()


def test_a_value_is_traced_in_compiled_code():
    rate = jax.jit(lambda meter: meter.value())(HitRateMeter().add(SCORES, LABELS))
    assert isinstance(rate, jax.Array) and float(rate) == 0.75


def test_goes_into_a_group():
    group = tnt.MeterDict({"hits": HitRateMeter(), "perplexity": PerplexityMeter()})
    group = group.add(SCORES, LABELS, perplexity=np.zeros(4))
    assert group.value() == {"hits": 0.75, "perplexity": {"perplexity": 1.0}}


def test_runs_in_an_engine_by_metering():
    rows = {"input": SCORES, "target": LABELS}
    dataset = tnt.BatchDataset(tnt.TableDataset(rows), 3)
    read = lambda state: (state.output, state.sample["target"])  # noqa: E731
    hooks = tnt.hooks.metering(hits=(HitRateMeter(), read))
    state = tnt.SGDEngine(hooks).test(
        network=lambda params, input: input * params,
        params=np.float32(1),
        iterator=tnt.DatasetIterator(dataset),
    )
    assert state.meters["hits"].value() == 0.75


class LargestMeter(tnt.Meter):
    """Counts with Python's numbers, and merges in a way of its own."""

    largest: Any = -np.inf
    n: Any = 0

    def add(self, value, *, mask=None):
        return LargestMeter(jnp.maximum(self.largest, jnp.max(value)), self.n + 1)

    def merge(self, other):
        return LargestMeter(jnp.maximum(self.largest, other.largest), self.n + other.n)

    def reset(self):
        return dataclasses.replace(super().reset(), largest=np.float32(-np.inf))

    def value(self):
        return self.largest


def test_fields_may_be_numbers_of_python():
    meter = LargestMeter()
    assert repr(meter) == "LargestMeter(value=-inf, n=0)"
    fresh = meter.reset()
    assert fresh.n.dtype == np.int32 and fresh.value() == -np.inf
    merged = fresh.add(np.float32([1, 5])).merge(fresh.add(np.float32(2)))
    assert repr(merged) == "LargestMeter(value=5, n=2)"
