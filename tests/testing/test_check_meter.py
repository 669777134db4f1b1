"""The check of meters: it passes what is right, and names the law that is broken."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt

BATCHES = [
    (np.array([1.0, 2.0, 4.0], np.float32),),
    (np.array([3.0, 5.0], np.float32),),
    (np.array([9.0, 8.0, 7.0], np.float32),),
]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Mean:
    """A meter as a user may write it."""

    total: jax.Array = dataclasses.field(default_factory=lambda: np.float32(0))
    n: jax.Array = dataclasses.field(default_factory=lambda: np.int32(0))

    def add(self, value, mask=None):
        mask = np.ones(len(value), bool) if mask is None else mask
        total = self.total + jnp.where(jnp.asarray(mask), value, 0).sum()
        n = self.n + jnp.asarray(mask).sum(dtype="int32")
        return dataclasses.replace(self, total=total, n=n)

    def merge(self, other):
        return dataclasses.replace(
            self, total=self.total + other.total, n=self.n + other.n
        )

    def reset(self):
        return type(self)()

    def value(self):
        return self.total / self.n


def broken(**methods):
    """A meter like Mean but for a few methods."""
    cls = type("Broken", (Mean,), methods)
    return jax.tree_util.register_dataclass(cls, ["total", "n"], [])()


def complaint(meter, **options):
    with pytest.raises(AssertionError) as caught:
        tnt.testing.check_meter(meter, BATCHES, **options)
    return str(caught.value)


@pytest.mark.slow
def test_passes_what_is_right():
    tnt.testing.check_meter(Mean(), BATCHES)


class Count(tnt.Meter):
    """A meter that holds a key, as one that draws samples does."""

    key: jax.Array
    n: jax.Array

    def add(self, value, mask=None):
        mask = np.ones(len(value), bool) if mask is None else mask
        return dataclasses.replace(self, n=self.n + jnp.sum(mask, dtype="int32"))

    def merge(self, other):
        return dataclasses.replace(self, n=self.n + other.n)

    def reset(self):
        return dataclasses.replace(self, n=jnp.zeros_like(self.n))

    def value(self):
        return self.n


@pytest.mark.parametrize("make", [jax.random.key, jax.random.PRNGKey])
def test_a_meter_may_hold_a_key(make):
    tnt.testing.check_meter(Count(make(0), jnp.int32(0)), BATCHES)


def test_needs_batches_to_check_with():
    with pytest.raises(ValueError, match="three batches, got 2"):
        tnt.testing.check_meter(Mean(), BATCHES[:2])
    with pytest.raises(ValueError, match=r"two rows or more, got \(float32\[1\]\)"):
        tnt.testing.check_meter(Mean(), [(np.ones(1, np.float32),)] * 3)


def test_a_meter_has_its_methods():
    text = complaint(object())
    assert "object breaks the law 'a meter has add, merge, reset and value'" in text
    assert "it has no add, merge, reset, value" in text


def test_a_meter_is_a_pytree():
    class Leaf(Mean):
        pass

    assert "Leaf breaks the law 'a meter is a pytree of arrays'" in complaint(Leaf())


def test_add_returns_a_meter():
    text = complaint(broken(add=lambda self, value, mask=None: None))
    assert "'add(...) keeps structure, shapes and dtypes'" in text
    assert "it returned None" in text and "Return a new meter" in text


def test_add_keeps_dtypes():
    def add(self, value, mask=None):
        added = Mean.add(self, value, mask)
        return dataclasses.replace(added, n=added.n.astype("float32"))

    text = complaint(broken(add=add))
    assert ".n was int32[] and is float32[]" in text


def test_dtypes_are_strong():
    text = complaint(dataclasses.replace(Mean(), n=0))
    assert ".n was int32[] (weak) and is int32[]" in text


def test_static_fields_are_kept():
    @jax.tree_util.register_dataclass
    @dataclasses.dataclass(frozen=True)
    class Counting(Mean):
        adds: int = dataclasses.field(default=0, metadata={"static": True})

        def add(self, value, mask=None):
            return dataclasses.replace(Mean.add(self, value, mask), adds=self.adds + 1)

    assert "its static fields changed" in complaint(Counting())


MERGES = {
    "reset() is the identity of merge": lambda self, other: dataclasses.replace(
        self, total=(self.total + other.total) / 2, n=self.n + other.n
    ),
    "merge is associative": lambda self, other: dataclasses.replace(
        self,
        total=jnp.where(
            other.n == 0,
            self.total,
            jnp.where(self.n == 0, other.total, (self.total + other.total) / 2),
        ),
        n=self.n + other.n,
    ),
    "the order of merging does not matter": lambda self, other: dataclasses.replace(
        self,
        total=jnp.where(other.n > 0, other.total, self.total),
        n=jnp.where(other.n > 0, other.n, self.n),
    ),
}


@pytest.mark.parametrize("law", MERGES)
def test_merge_makes_a_monoid(law):
    text = complaint(broken(merge=MERGES[law]))
    assert f"Broken breaks the law '{law}'" in text
    assert re.search(r"measures \S+,\n  \S.* measures \S+\.", text)


class Greatest(tnt.Meter):
    """Its zeros pass for an identity of merge where all values are above 0."""

    best: jax.typing.ArrayLike = np.float32(-np.inf)

    def add(self, value, *, mask=None):
        seen = jnp.where(True if mask is None else mask, value, -jnp.inf)
        return type(self)(jnp.maximum(self.best, seen.max()))

    def merge(self, other):
        return type(self)(jnp.maximum(self.best, other.best))

    def value(self):
        return self.best


class GreatestReset(Greatest):
    def reset(self):
        return type(self)()


def test_a_reset_meter_is_as_new():
    text = complaint(Greatest())
    assert "'reset() returns a meter that has seen nothing'" in text
    assert "m.reset() measures 0.0,\n  a new meter measures -inf" in text
    tnt.testing.check_meter(GreatestReset(), BATCHES)


def test_ordered_meters_may_be():
    text = complaint(
        broken(merge=MERGES["the order of merging does not matter"]), ordered=True
    )
    assert "the order of merging" not in text and "merging parts is adding all" in text


def add_means(self, value, mask=None):
    mask = np.ones(len(value), bool) if mask is None else jnp.asarray(mask)
    total = jnp.where(mask, value, 0).sum() / jnp.maximum(mask.sum(), 1)
    n = self.n + (mask.sum() > 0).astype("int32")
    return dataclasses.replace(self, total=self.total + total, n=n)


def add_weighed(self, value, mask=None):
    mask = np.ones(len(value), bool) if mask is None else mask
    weight = jnp.asarray(mask).astype("float32")
    total = self.total + (weight * value).sum()
    n = self.n + jnp.asarray(mask).sum(dtype="int32")
    return dataclasses.replace(self, total=total, n=n)


def add_all(self, value, mask=None):
    return Mean.add(self, value)


def add_unless_alone(self, value, mask=None):
    return Mean.add(self, value, mask) if len(value) > 1 else self


ADDS = {
    "merging parts is adding all": add_means,
    "a batch of one is a batch": add_unless_alone,
    "a mask leaves rows out": add_weighed,
}


@pytest.mark.parametrize("law", ADDS)
def test_add_is_lawful(law):
    assert f"Broken breaks the law '{law}'" in complaint(broken(add=ADDS[law]))


def test_a_mask_that_is_ignored():
    text = complaint(broken(add=add_all))
    assert "'a mask leaves rows out'" in text and "with a mask measures" in text


def test_compiled_is_eager():
    def add(self, value, mask=None):
        added = Mean.add(self, value, mask)
        if isinstance(added.total, jax.core.Tracer):
            return dataclasses.replace(added, total=added.total + 1)
        return added

    assert "'compiled is eager'" in complaint(broken(add=add))


def test_what_measures_something_else_in_shape():
    class Shapes:
        calls = 0

    def value(self):
        Shapes.calls += 1
        return np.zeros(Shapes.calls)

    assert "breaks the law" in complaint(broken(value=value))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Reading(Mean):
    """Counts, in place, how often it was read."""

    reads: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(1, "int32"))

    def add(self, value, mask=None):
        added = Mean.add(self, value, mask)
        if isinstance(self.reads, np.ndarray):
            return dataclasses.replace(added, reads=self.reads.copy())
        return added

    def value(self):
        if isinstance(self.reads, np.ndarray):
            np.add(self.reads, 1, out=self.reads)
        return Mean.value(self)


def test_nothing_changes_in_place():
    text = complaint(Reading())
    assert "Reading breaks the law 'nothing changes in place'" in text


def test_a_meter_survives_pickle():
    text = complaint(broken())  # a class that no module holds
    assert "Broken breaks the law 'a meter survives pickle':\n  Can't pickle" in text


def test_infinity_keeps_the_laws():
    @jax.tree_util.register_dataclass
    @dataclasses.dataclass(frozen=True)
    class Moved(Mean):
        """Moves its mean by its distance from that of what comes."""

        def add(self, value, mask=None):
            return self.merge(Mean().add(value, mask))

        def merge(self, other):
            n = self.n + other.n
            theirs = other.total if isinstance(other, Moved) else other.value()
            share = other.n / jnp.maximum(n, 1)
            away = jnp.where(other.n > 0, theirs - self.total, 0)
            total = jnp.where(share > 0, self.total + away * share, self.total)
            return Moved(total, n)

        def value(self):
            return jnp.where(self.n > 0, self.total, jnp.nan)

    text = complaint(Moved())
    assert "'parts are the whole, with inf in one of them'" in text
    assert "measures nan" in text and "infinity less infinity is NaN" in text


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Finite(Mean):
    """A meter that refuses infinity."""

    def add(self, value, mask=None):
        if isinstance(value, np.ndarray) and np.isinf(value).any():
            raise ValueError("finite numbers only")
        return Mean.add(self, value, mask)


def test_a_meter_may_refuse_infinity():
    tnt.testing.check_meter(Finite(), BATCHES)


@pytest.mark.slow
def test_a_meter_of_integers_sees_no_infinity():
    batches = [(np.array([1, 2, 3]),), (np.array([4, 5]),), (np.array([6, 7]),)]
    tnt.testing.check_meter(Mean(), batches)
