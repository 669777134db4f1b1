"""Eager = compiled = chunked = on two and four devices = resumed, for all that trains.

The reference is the run step by step in Python. Parameters, optimizer and model state
agree to rounding; counts of meters, aux and counters agree exactly.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt
from tests.engine.conftest import CLASSES, FEATURES


def apply(params, model_state, input, *, key, training):
    """Two layers, batch statistics and dropout between them."""
    hidden = input @ params["first"]
    if training:
        mean = hidden.mean(0)
        model_state = {"mean": 0.9 * model_state["mean"] + 0.1 * mean}
        keep = jax.random.bernoulli(key, 0.9, hidden.shape[1:])  # a row, so that
        hidden = jnp.where(keep, hidden - mean, 0)  # padding changes nothing else
    else:
        hidden = hidden - model_state["mean"]
    return jnp.tanh(hidden) @ params["second"], model_state


def network(params, input):
    return jnp.tanh(input @ params["first"]) @ params["second"]


def criterion(output, target):
    return optax.softmax_cross_entropy_with_integer_labels(output, target)


def scaled_criterion(scale, output, target):
    return criterion(output * scale, target) + 0.1 * (scale - 1) ** 2


def mean_criterion(output, target):
    return criterion(output, target).mean()


def start(state):
    meters = {"loss": tnt.AverageValueMeter(), "error": tnt.ClassErrorMeter()}
    return state.replace(meters=meters, aux={"steps": jnp.int32(0)})


def measure(state):
    loss, error = state.meters["loss"], state.meters["error"]
    mask = state.sample.get("mask")
    loss = loss.add(jnp.ravel(state.loss), mask=mask)
    error = error.add(state.output, state.sample["target"], mask=mask)
    return state.replace(meters={"loss": loss, "error": error})


def clip(state):
    steps = state.aux["steps"] + 1
    grads = jax.tree.map(lambda g: jnp.clip(g, -0.5, 0.5), state.grads)
    return state.replace(grads=grads, aux={"steps": steps})


SLOW = pytest.mark.slow
HOOKS = tnt.Hooks(on_start=start, on_forward_criterion=measure, on_backward=clip)
ADAM, MOMENTUM = optax.adam(0.01), optax.sgd(0.1, momentum=0.9)
GROUPS = optax.partition(
    {"fast": optax.sgd(0.1), "slow": optax.adam(0.01)},
    {"first": "fast", "second": "slow"},
)


HALVED = tnt.chain(
    tnt.Hooks(on_forward=lambda state: state.replace(output=state.output / 2)), HOOKS
)


@dataclasses.dataclass(frozen=True)
class Case:
    engine: type = tnt.SGDEngine
    how: tuple = ()
    policy: str = "include-last"
    hooks: tnt.Hooks = HOOKS

    def run(self, problem, **how):
        key = jax.random.key(3)
        first, second = jax.random.split(key)
        job = {
            "network": network,
            "criterion": criterion,
            "iterator": problem.iterator(policy=self.policy),
            "params": {
                "first": jax.random.normal(first, (FEATURES, 8)),
                "second": jax.random.normal(second, (8, CLASSES)),
            },
            "max_epoch": 2,
            **dict(self.how),
        }
        if self.engine is tnt.SGDEngine:
            job.setdefault("lr", 0.1)
        return self.engine(self.hooks).train(**job, **how)


STATEFUL = (
    ("network", tnt.network.Stateful(apply)),
    ("model_state", {"mean": jnp.zeros(8)}),
)
LEARNABLE = (("criterion", scaled_criterion), ("criterion_params", jnp.float32(1.0)))
CASES = {
    "plain": Case(),
    "padded": Case(policy="pad-last"),
    "mean": Case(how=(("criterion", mean_criterion),)),
    "stateful": Case(how=STATEFUL),
    "learnable": Case(how=(*LEARNABLE, ("lr_criterion", 0.5))),
    "pieces": Case(how=(("accumulate", 3),)),
    "padded pieces": Case(how=(("accumulate", 3),), policy="pad-last"),
    "halved": Case(hooks=HALVED),
    "halved pieces": Case(how=(("accumulate", 3),), policy="pad-last", hooks=HALVED),
    "adam": Case(tnt.OptimEngine, (("optimizer", ADAM),)),
    "momentum": Case(tnt.OptimEngine, (("optimizer", MOMENTUM),), "skip-last"),
    "groups": Case(tnt.OptimEngine, (("optimizer", GROUPS),)),
    "all": Case(
        tnt.OptimEngine,
        (*STATEFUL, *LEARNABLE, ("optimizer", ADAM), ("accumulate", 2)),
        "pad-last",
    ),
}


@pytest.fixture(scope="module")
def eager(problem):
    """Each case run step by step in Python, when it is asked for."""

    class Eager(dict):
        def __missing__(self, name):
            self[name] = CASES[name].run(problem, jit=False)
            return self[name]

    return Eager()


def assert_same(state, expected):
    for counter in ("epoch", "t", "samples", "position"):
        assert getattr(state, counter) == getattr(expected, counter)
    jax.tree.map(np.testing.assert_array_equal, state.aux, expected.aux)
    error, expected_error = state.meters["error"], expected.meters["error"]
    jax.tree.map(np.testing.assert_array_equal, error, expected_error)
    for name in ("params", "opt_state", "model_state", "criterion_params", "lr"):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-6),
            getattr(state, name),
            getattr(expected, name),
        )
    keys = jax.random.key_data(state.key), jax.random.key_data(expected.key)
    np.testing.assert_array_equal(*keys)


def all_but(*fast):
    """The names of all cases, slow but for some."""
    return [pytest.param(name, marks=[SLOW] * (name not in fast)) for name in CASES]


@pytest.mark.parametrize(
    "steps_per_call",
    [pytest.param(1, marks=SLOW), 3, pytest.param("auto", marks=SLOW)],
)
@pytest.mark.parametrize("name", all_but("all"))
def test_compiled_equals_eager(problem, eager, name, steps_per_call):
    state = CASES[name].run(problem, steps_per_call=steps_per_call)
    assert_same(state, eager[name])


@pytest.mark.parametrize(
    "devices", [pytest.param(n, marks=pytest.mark.devices(n)) for n in (2, 4)]
)
@pytest.mark.parametrize("name", all_but())
def test_several_devices_equal_one(problem, eager, name, devices):
    mesh = jax.make_mesh((devices,), ("data",), devices=jax.devices()[:devices])
    assert_same(CASES[name].run(problem, mesh=mesh), eager[name])


def rows(path, leaf):
    divisible = leaf.ndim and leaf.shape[0] % 4 == 0
    return jax.sharding.PartitionSpec("data" if divisible else None)


@pytest.mark.devices(4)
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=SLOW) for n in ("stateful", "adam", "groups")] + ["all"],
)
def test_divided_parameters_equal_whole_ones(problem, eager, name):
    mesh = jax.make_mesh((4,), ("data",))
    state = CASES[name].run(problem, mesh=mesh, shard=rows)
    assert_same(state, eager[name])
    assert state.params["second"].sharding.spec == jax.sharding.PartitionSpec("data")
    for path, leaf in jax.tree_util.tree_leaves_with_path(state.opt_state):
        if jax.tree_util.keystr(path).endswith("['second']"):
            assert leaf.sharding.spec == jax.sharding.PartitionSpec("data")


@pytest.mark.slow
def test_the_table_tells_its_cases_apart(eager):
    values = {name: float(jnp.sum(eager[name].params["first"])) for name in CASES}
    same = {"plain", "padded", "mean", "pieces", "padded pieces"}  # to rounding
    alike = [values[name] for name in same]
    assert max(alike) - min(alike) < 1e-3
    assert abs(values["halved"] - values.pop("halved pieces")) < 1e-3
    others = [round(v, 3) for name, v in values.items() if name not in same]
    assert len({*others, round(values["plain"], 3)}) == len(others) + 1
