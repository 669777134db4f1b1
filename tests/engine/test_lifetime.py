"""How long functions live, what they need not be, and how often a State is traced."""

import dataclasses
import gc
import weakref
from collections import deque

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tests.engine.conftest import criterion, network
from tntjax.engine._call import PROGRAMS
from tntjax.engine._program import is_same
from tntjax.engine._snapshot import take_snapshot


class Criterion:
    """A new function each time, as a lambda in a loop is."""

    def __call__(self, output, target):
        return criterion(output, target)


@dataclasses.dataclass
class Scaled:
    """A function without a hash, as dataclasses are that compare and may change."""

    scale: list[float]

    def __call__(self, *arguments):
        *front, last = arguments
        return network(*front, last * self.scale[0]) if front else last


@dataclasses.dataclass(eq=False)
class Incomparable(Scaled):
    __hash__ = None  # pyright: ignore

    def __eq__(self, other):
        raise ValueError("ambiguous")


def whole(problem, dataset=None):
    rows = problem.dataset() if dataset is None else dataset
    return tnt.DatasetIterator(tnt.BatchDataset(rows, 53))


def count_alive(run, runs=PROGRAMS + 4):
    """How many of the functions that were used in some runs are left."""
    used = [weakref.ref(run()) for _ in range(runs)]
    jax.clear_caches()
    gc.collect()
    return sum(function() is not None for function in used)


@pytest.mark.slow
def test_functions_no_longer_used_are_let_go(problem):
    job = problem.job(iterator=whole(problem), max_epoch=1)

    def run():
        own = Criterion()
        tnt.SGDEngine().train(**{**job, "criterion": own})
        return own

    assert count_alive(run, runs=60) <= PROGRAMS


@pytest.mark.slow
def test_functions_of_a_dataset_on_the_device_are_let_go(problem):
    rows = jax.device_put(problem.dataset())

    def run():
        def transform(sample):
            return sample

        dataset = tnt.TransformDataset(rows, transform)
        job = problem.job(iterator=whole(problem, dataset), max_epoch=1)
        tnt.SGDEngine().train(**job)
        return transform

    assert count_alive(run) <= PROGRAMS


@pytest.mark.slow
@pytest.mark.parametrize("cls", [Scaled, Incomparable])
def test_a_network_needs_no_hash(problem, compiles, cls):
    hook = Scaled([0.5])
    with pytest.raises(TypeError):
        hash(hook)
    engine = tnt.SGDEngine(tnt.Hooks(on_sample=hook, on_start=hook))
    job = problem.job(network=cls([0.5]))
    state = engine.train(**job)
    first = len(compiles)
    again = engine.train(**job)
    assert len(compiles) == first  # the same functions
    np.testing.assert_array_equal(state.params["bias"], again.params["bias"])
    halved = problem.job(network=lambda p, x: network(p, x * 0.5))
    expected = tnt.SGDEngine().train(**halved)
    np.testing.assert_allclose(state.params["bias"], expected.params["bias"], rtol=1e-6)


@pytest.mark.slow
def test_functions_that_compare_equal_are_compiled_once(problem, compiles):
    tnt.SGDEngine().train(**problem.job(network=Scaled([2.0])))
    first = len(compiles)
    tnt.SGDEngine().train(**problem.job(network=Scaled([2.0])))
    assert len(compiles) == first
    tnt.SGDEngine().train(**problem.job(network=Scaled([3.0])))
    assert len(compiles) > first


def test_a_jit_of_the_users_traces_a_state_once(problem):
    traces = []

    @jax.jit
    def norm(state):
        traces.append(state.epoch)
        total = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(state.params))
        return state.replace(aux={"norm": total})

    hooks = tnt.chain(tnt.Hooks(on_start=norm, on_end_epoch=norm), tnt.every(3, norm))
    hooks = tnt.chain(tnt.Hooks(on_start=lambda s: s.replace(aux={"norm": 0.0})), hooks)
    state = tnt.SGDEngine(hooks).train(**problem.job(network=Scaled([1.0])))
    assert float(state.aux["norm"]) > 0
    assert len(traces) <= 2  # numbers at the start are of another kind than arrays


def test_the_functions_of_a_state_come_through_a_jit(problem):
    state = tnt.SGDEngine().train(**problem.job())
    after = jax.jit(lambda state: state.replace(lr=state.lr * 2))(state)
    for name in ("network", "criterion", "iterator", "max_epoch", "stop"):
        assert getattr(after, name) is getattr(state, name)
    assert isinstance(after.seconds, tnt.Seconds)


def test_a_function_without_a_hash_that_changes_is_compiled_as_it_is_now(problem):
    net = Scaled([0.5])
    tnt.SGDEngine().train(**problem.job(network=net))
    net.scale[0] = 2.0
    ends = [
        tnt.SGDEngine().train(**problem.job(network=network)).params["weight"]
        for network in (net, Scaled([2.0]), lambda p, x: Scaled([2.0])(p, x))
    ]
    np.testing.assert_array_equal(ends[0], ends[2])
    np.testing.assert_array_equal(ends[1], ends[2])


@dataclasses.dataclass
class Attribute:
    """Has an attribute that is no field, and no hash."""

    power: int = 1

    def __post_init__(self):
        self.scale = 1.0


class Slots:
    """Has no `__dict__` and no hash."""

    __slots__ = ("scale",)
    __hash__ = None

    def __init__(self):
        self.scale = 1.0


class Listed(list):
    scale = 1.0


@dataclasses.dataclass(frozen=True)
class Frozen:
    part: object


def change(name, value):
    return lambda function: setattr(function, name, value)


def nested(*parts):
    """A list that holds itself, as modules refer to their parents."""
    one = list(parts)
    one.append({"parent": one})
    return one


def put(value):
    def change(function):
        function[0] = value

    return change


@pytest.mark.parametrize(
    ("make", "change"),
    [
        (lambda: {"a": [1, {2}]}, lambda one: one["a"][1].add(3)),
        (lambda: [1], put(True)),
        (lambda: [1], put(1.0)),
        (lambda: [0.0], put(-0.0)),
        (lambda: [(1,)], put((1.0,))),
        (lambda: [np.float32(0)], put(np.float32(-0.0))),
        (lambda: [np.float32(1)], put(np.int32(1))),
        (lambda: [np.ones(2)], put(np.ones(2, np.float32))),
        (lambda: [np.ones(2)], lambda one: one[0].fill(2)),
        (lambda: [jnp.ones(2)], put(jnp.zeros(2))),
        (lambda: [np.array([[1], None], object)], lambda one: one[0][0].append(2)),
        (lambda: nested(1), put(2)),
        (lambda: deque([1]), put(2)),
        (lambda: Scaled([1.0]), lambda one: one.scale.append(2)),
        (Attribute, change("scale", 0.0)),
        (Slots, change("scale", 0.0)),
        (Listed, change("scale", 0.0)),
        (lambda: Frozen([1]), lambda one: one.part.append(2)),
        (lambda: Frozen(Attribute()), lambda one: change("scale", 0.0)(one.part)),
    ],
)
def test_a_snapshot_is_of_the_content(make, change):
    one, before = make(), take_snapshot(make())
    if not (type(one) is list and isinstance(one[0], jax.Array)):
        assert take_snapshot(one) == before and hash(take_snapshot(one)) == hash(before)
    before = take_snapshot(one)
    assert take_snapshot(one) == before
    change(one)
    assert take_snapshot(one) != before


def test_what_cannot_be_looked_into_is_itself():
    one, other = [[memoryview(bytearray(1))] for _ in range(2)]
    assert take_snapshot(one) == take_snapshot(one) != take_snapshot(other)
    assert hash(take_snapshot(one)) == hash(take_snapshot(one))


@dataclasses.dataclass(frozen=True)
class Weighted:
    """A criterion that holds an array of JAX."""

    weight: jax.Array

    def __call__(self, output, target):
        return self.weight * criterion(output, target)


@dataclasses.dataclass
class Times:
    scale: list

    def __call__(self, output, target):
        return self.scale[0] * criterion(output, target)


@pytest.mark.parametrize("jit", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_functions_are_not_taken_for_one_another(problem, jit):
    def end(function, batch_size=8):
        iterator = problem.iterator(batch_size)
        job = problem.job(criterion=function, iterator=iterator, max_epoch=1)
        return np.asarray(tnt.SGDEngine().train(**job, jit=jit).params["weight"])

    assert np.any(end(Weighted(jnp.ones(()))))
    assert not np.any(end(Weighted(jnp.zeros(()))))
    one = Times([1.0])
    first = end(one)
    one.scale[0] = 0.0
    for batch_size in (8, 4):  # the second one is traced anew
        assert np.any(end(Times([1.0]), batch_size))
        assert not np.any(end(one, batch_size))
    one.scale[0] = 1.0
    np.testing.assert_array_equal(end(one), first)


def test_what_cannot_be_compared_is_not_the_same():
    assert not is_same(np.ones(2), np.ones(2))


def test_of_a_run_only_its_state_is_kept(problem):
    state = tnt.SGDEngine().train(**problem.job())
    params = [weakref.ref(leaf) for leaf in jax.tree.leaves(state.params)]
    assert all(leaf() is not None for leaf in params)
    del state
    gc.collect()
    assert all(leaf() is None for leaf in params)
