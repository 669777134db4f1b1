"""A State on the host: what it shows, and the numbers that hooks read."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt

MANY = {f"layer{k}": {"w": np.zeros((64, 64)), "b": np.zeros(64)} for k in range(60)}


def lines_of(state):
    lines = repr(state).splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 100
    return lines


def test_numbers_are_shown_and_shapes_of_the_rest():
    state = tnt.State(
        params={"w": np.zeros((2, 3))},
        opt_state=optax.adam(0.1).init({"w": np.zeros((2, 3))}),
        lr=0.5,
        t=4,
        epoch=jnp.int32(2),
        aux={"score": np.float32(0.25), "sums": np.zeros(3)},
        max_epoch=7,
        stop=True,
        network=max,
    )
    assert lines_of(state) == [
        "State",
        "  epoch=2, t=4, position=0, samples=0, max_epoch=7, training, stop",
        "  lr=0.5",
        "  params: 6 numbers in 1 arrays, {'w': float64[2,3]}",
        "  opt_state: 13 numbers in 3 arrays, (ScaleByAdamState(count=int32[],"
        " mu={'w': float32[2,3]}, nu=...",
        "  aux['score']: 0.25",
        "  aux['sums']: float64[3]",
        "  network=max",
    ]


def test_a_large_state_fits_on_a_screen():
    loss = tnt.AverageValueMeter().add(np.ones(3))
    state = tnt.State(
        params=MANY,
        opt_state=optax.adam(0.1).init(MANY),
        model_state=MANY,
        criterion_params=MANY,
        large={"ema": MANY},
        lr=0.1,
        meters={f"meter{k}": loss for k in range(40)},
        aux={f"entry{k}": 0 for k in range(40)},
        key=jax.random.key(0),
        sample=MANY,
        loss=jnp.zeros(()),
        network=len,
        iterator=tnt.DatasetIterator([1] * 1000),
    )
    lines = lines_of(state)
    assert "  params: 249,600 numbers in 120 arrays, {'layer0': {'w'" in repr(state)
    assert "  meters['meter0']: AverageValueMeter(mean=1, std=0, n=3)" in lines
    assert "  meters: 35 more" in lines


def test_what_cannot_be_read_is_shown_by_shape():
    shown = []
    aux = {"n": jnp.int32(3), "key": jax.random.key(0)}
    state = tnt.State(params=jnp.zeros(2), aux=aux, lr=jnp.float32(1))

    def look(state):
        shown.append(repr(state))
        return state.t

    jax.jit(look)(state)
    assert "lr=float32[]" in shown[0] and "aux['n']: int32[]" in shown[0]
    for leaf in (state.params, state.lr, aux["n"]):
        leaf.delete()
    assert "lr=float32[]" in repr(state) and "aux['n']: int32[]" in repr(state)
    assert "aux['key']: key<fry>[]" in repr(state)
    assert "meters: 3" in repr(state.replace(meters=3))
    assert "params: 'none'" in repr(state.replace(params="none"))


@pytest.mark.slow
def test_the_host_reads_python_numbers(problem):
    seen = []

    def see(state):
        counters = (state.t, state.epoch, state.position, state.samples, state.lr)
        assert list(map(type, counters)) == [int, int, int, int, float]
        seen.append(json.dumps(counters))
        return state

    events = ("on_start", "on_start_epoch", "on_end_epoch", "on_end")
    hooks = tnt.chain(tnt.Hooks(**dict.fromkeys(events, see)), tnt.every(4, see))
    see(tnt.SGDEngine(tnt.chain(hooks, tnt.watch(3, see))).train(**problem.job()))
    assert seen[0] == seen[1] == "[0, 0, 0, 0, 0.1]"
    assert seen[2] == "[3, 0, 3, 24, 0.1]"
    assert seen[-1] == seen[-2] == "[14, 2, 0, 106, 0.1]"


def test_the_host_reads_python_numbers_after_a_test(problem):
    job = problem.job()
    del job["lr"], job["max_epoch"]
    state = tnt.SGDEngine().test(**job)
    assert json.dumps((state.t, state.samples, state.epoch)) == "[7, 53, 0]"


@pytest.mark.slow
def test_a_watch_reads_plain_values(problem):
    seen = []

    def start(state):
        aux = {
            "half": jnp.bfloat16(0.5),
            "flag": jnp.asarray(True),
            "many": jnp.ones(2),
            "meter": tnt.AverageValueMeter(),
            "key": jax.random.key(3),
        }
        return state.replace(aux=aux, meters={"n": jnp.int32(2)})

    hooks = tnt.chain(tnt.Hooks(on_start=start), tnt.watch(2, seen.append))
    tnt.SGDEngine(hooks).train(**problem.job(max_epoch=1))
    aux = seen[0].aux
    assert json.dumps([aux["half"], aux["flag"], seen[0].meters]) == (
        '[0.5, true, {"n": 2}]'
    )
    assert type(aux["many"]) is np.ndarray
    assert aux["meter"].add(np.ones(2)).value().mean == 1
    assert jnp.issubdtype(aux["key"].dtype, jax.dtypes.prng_key)
    assert aux["key"].shape == ()


@pytest.mark.parametrize("number", [0.25, np.float64(0.25), np.float32(0.25)])
def test_a_rate_keeps_its_dtype(problem, number, compiles):
    """Whatever number a hook sets it to, nothing compiles anew."""
    counts = []

    def change(state):
        counts.append(len(compiles))
        return state.replace(lr=number)

    state = tnt.SGDEngine(tnt.Hooks(on_start_epoch=change)).train(
        **problem.job(max_epoch=4)
    )
    assert state.lr == 0.25
    assert len(set(counts[1:])) == 1
