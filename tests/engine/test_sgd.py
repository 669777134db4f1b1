"""SGDEngine: events, results, State, and what it says to bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tntjax.engine._hooks import EVENTS


def recording(fired):
    def note(event):
        return lambda state: fired.append(event) or state

    return tnt.Hooks(**{event: note(event) for event in EVENTS})


STEP = ["on_sample", "on_forward", "on_forward_criterion"]
BACK = ["on_backward_criterion", "on_backward", "on_update"]


@pytest.mark.slow
def test_events_come_in_the_order_of_torchnet(problem):
    fired = []
    job = problem.job(iterator=problem.iterator(batch_size=30), max_epoch=1)
    tnt.SGDEngine(recording(fired)).train(**job, jit=False)
    expected = ["on_start", "on_start_epoch", *(STEP + BACK) * 2]
    assert fired == [*expected, "on_end_epoch", "on_end"]


def test_no_epochs_is_start_and_end(problem):
    fired = []
    state = tnt.SGDEngine(recording(fired)).train(**problem.job(max_epoch=0))
    assert fired == ["on_start", "on_end"]
    assert state.t == 0


def test_a_test_fires_five_events_and_counts_before_forward(problem):
    fired, counts = [], []
    count = tnt.Hooks(on_forward=lambda s: counts.append(int(s.t)) or s)
    hooks = tnt.chain(recording(fired), count, tnt.every(1, pytest.fail))
    job = problem.job(iterator=problem.iterator(batch_size=30))
    del job["lr"], job["max_epoch"]
    state = tnt.SGDEngine(hooks).test(**job, jit=False)
    assert fired == ["on_start", *STEP * 2, "on_end"]
    assert counts == [1, 2]
    assert not state.training


def test_a_test_without_criterion_stops_at_forward(problem):
    fired = []
    job = problem.job(iterator=problem.iterator(batch_size=53))
    tnt.SGDEngine(recording(fired)).test(
        network=job["network"],
        iterator=job["iterator"],
        params=job["params"],
        jit=False,
    )
    assert fired == ["on_start", "on_sample", "on_forward", "on_end"]


@pytest.mark.slow
def test_training_equals_a_loop_by_hand(problem):
    job = problem.job()
    params = job["params"]

    def objective(params, batch):
        output = job["network"](params, batch["input"])
        return job["criterion"](output, batch["target"]).mean()

    for epoch in range(2):
        for batch in job["iterator"].run(epoch):
            grads = jax.grad(objective)(params, batch)
            params = jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)
    state = tnt.SGDEngine().train(**job)
    for name in params:
        np.testing.assert_allclose(state.params[name], params[name], rtol=1e-5)


def test_a_scalar_criterion_is_the_mean_of_its_rows(problem):
    job = problem.job()

    def mean(output, target):
        return job["criterion"](output, target).mean()

    rows = tnt.SGDEngine().train(**job)
    one = tnt.SGDEngine().train(**{**job, "criterion": mean})
    np.testing.assert_allclose(
        rows.params["weight"], one.params["weight"], rtol=1e-5, atol=1e-7
    )


def test_states_that_hooks_kept_stay_valid(problem):
    kept = []
    keep = lambda state: kept.append(state) or state  # noqa: E731
    hooks = tnt.chain(
        tnt.Hooks(on_start=keep, on_start_epoch=keep, on_end_epoch=keep, on_end=keep),
        tnt.every(2, keep),
    )
    job = problem.job()
    tnt.SGDEngine(hooks).train(**job)
    weights = [np.asarray(state.params["weight"]) for state in kept]
    assert [int(state.t) for state in kept] == [0, 0, 2, 4, 6, 7, 7, 8, 10, 12, 14] + [
        14,
        14,
    ]
    assert not np.array_equal(weights[2], weights[-1])
    np.testing.assert_array_equal(job["params"]["weight"], 0)


def test_a_watch_sees_numpy_and_no_parameters(problem):
    seen = []
    meters = lambda s: s.replace(meters={"n": jnp.int32(0)})  # noqa: E731
    add = lambda s: s.replace(meters={"n": s.meters["n"] + 1})  # noqa: E731
    hooks = tnt.Hooks(on_start=meters, on_update=add)
    tnt.SGDEngine(tnt.chain(hooks, tnt.watch(3, seen.append))).train(**problem.job())
    assert [state.meters["n"] for state in seen] == [3, 6, 9, 12]
    assert all(type(s.meters["n"]) is type(s.t) is int for s in seen)
    assert seen[0].params is None


def test_stop_ends_the_run_at_once_and_leaves_the_epoch_undone(problem):
    stop = tnt.every(9, lambda state: state.replace(stop=True))
    state = tnt.SGDEngine(stop).train(**problem.job(max_epoch=5))
    assert (int(state.t), int(state.epoch)) == (9, 1)


def test_stop_at_the_end_of_an_epoch(problem):
    stop = tnt.Hooks(on_end_epoch=lambda state: state.replace(stop=True))
    state = tnt.SGDEngine(stop).train(**problem.job(max_epoch=5))
    assert (int(state.t), int(state.epoch)) == (7, 1)


@pytest.mark.parametrize("event", ["on_start", "on_start_epoch"])
def test_stop_before_an_epoch(problem, event):
    stop = tnt.Hooks(**{event: lambda state: state.replace(stop=True)})
    state = tnt.SGDEngine(stop).train(**problem.job(max_epoch=5))
    assert int(state.t) == 0


def test_on_start_may_set_the_position_and_the_end(problem):
    resume = tnt.Hooks(on_start=lambda s: s.replace(epoch=3, t=21, max_epoch=4))
    state = tnt.SGDEngine(resume).train(**problem.job())
    assert (int(state.epoch), int(state.t), int(state.samples)) == (4, 28, 53)


def test_on_start_epoch_may_change_iterator_and_network(problem):
    def bigger(params, input):
        return 2 * (input @ params["weight"])

    def change(state):
        return state.replace(iterator=problem.iterator(batch_size=53), network=bigger)

    hooks = tnt.Hooks(on_start_epoch=change)
    state = tnt.SGDEngine(hooks).train(**problem.job())
    assert int(state.t) == 2
    np.testing.assert_array_equal(state.params["bias"], 0)


def test_low_precision_parameters_keep_their_dtype(problem):
    params = jax.tree.map(lambda p: p.astype(jnp.bfloat16), problem.params)
    state = tnt.SGDEngine().train(**problem.job(params=params))
    assert state.params["weight"].dtype == jnp.bfloat16


def test_a_hook_may_raise_the_precision_of_the_output(problem):
    params = jax.tree.map(lambda p: p.astype(jnp.bfloat16), problem.params)
    wide = lambda s: s.replace(output=s.output.astype(jnp.float32))  # noqa: E731
    narrow = lambda s: s.replace(  # noqa: E731
        sample={**s.sample, "input": s.sample["input"].astype(jnp.bfloat16)}
    )
    hooks = tnt.Hooks(on_sample=narrow, on_forward=wide)
    state = tnt.SGDEngine(hooks).train(**problem.job(params=params))
    assert state.params["weight"].dtype == jnp.bfloat16


def test_python_numbers_from_hooks_become_what_is_carried(problem):
    start = tnt.Hooks(on_start=lambda s: s.replace(aux={"x": 1, "y": 2.0}))
    reset = tnt.Hooks(on_update=lambda s: s.replace(aux={"x": 3, "y": 4}))
    state = tnt.SGDEngine(tnt.chain(start, reset)).train(**problem.job())
    assert state.aux["x"].dtype == jnp.int32
    assert state.aux["y"].dtype == jnp.float32
    assert not state.aux["y"].weak_type


def enabling_x64():
    """The context that newer and older JAX have for 64 bits."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    return jax.experimental.enable_x64()


def test_a_rate_has_the_digits_of_float64_parameters():
    sample = {"input": np.ones(4), "target": np.zeros(4)}
    with enabling_x64():
        state = tnt.SGDEngine().train(
            network=lambda params, input: params * input,
            criterion=lambda output, target: output - target,
            iterator=tnt.DatasetIterator([sample]),
            params=np.zeros(()),
            lr=0.1,
            max_epoch=1,
        )
    assert float(state.params) == -0.1  # to the last digit
    assert state.params.dtype == "float64"


# ---- what it says to bad input ------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"lr": -1}, ValueError, "lr must be at least 0, got -1"),
        ({"lr": float("inf")}, ValueError, "lr must be finite, got inf"),
        ({"lr": float("nan")}, ValueError, "lr must be at least 0"),
        ({"max_epoch": -1}, ValueError, "max_epoch must be at least 0"),
        ({"max_epoch": 1.5}, TypeError, "max_epoch must be an integer, got 1.5"),
        ({"network": None}, TypeError, "Stateful; got None"),
        ({"criterion": 3}, TypeError, "criterion must be a function"),
        ({"iterator": [1]}, TypeError, "Wrap it: tnt.DatasetIterator"),
        ({"params": {"w": np.arange(3)}}, TypeError, r"params\['w'\] is int64\[3\]"),
        ({"steps_per_call": 0}, ValueError, 'steps_per_call must be "auto"'),
        ({"steps_per_call": "all"}, ValueError, "got 'all'"),
    ],
)
def test_bad_arguments(problem, change, error, words):
    with pytest.raises(error, match=words):
        tnt.SGDEngine().train(**problem.job(**change))


def test_a_key_is_one(problem):
    for make in (jax.random.key, jax.random.PRNGKey):
        key = make(0)
        tnt.SGDEngine().train(**problem.job(key=key, max_epoch=1))
        with pytest.raises(
            TypeError, match=r"must be one PRNG key, got .*\[2.*keys\[0"
        ):
            tnt.SGDEngine().train(**problem.job(key=jax.random.split(key)))


def test_hooks_may_not_unset_the_end(problem):
    hooks = tnt.Hooks(on_start=lambda state: state.replace(max_epoch=None))
    with pytest.raises(ValueError, match="max_epoch must be an integer"):
        tnt.SGDEngine(hooks).train(**problem.job())


def test_an_engine_needs_hooks():
    with pytest.raises(TypeError, match="SGDEngine needs Hooks"):
        tnt.SGDEngine({"on_start": print})  # pyright: ignore


def test_a_sample_without_the_fields_is_shown(problem):
    iterator = tnt.DatasetIterator([{"image": np.ones(3), "target": np.ones(3)}])
    with pytest.raises(KeyError, match="'input'.*the sample is .'image', 'target'."):
        tnt.SGDEngine().train(**problem.job(iterator=iterator))
    with pytest.raises(KeyError, match=r"the sample is float32\[3\]"):
        iterator = tnt.DatasetIterator([np.ones(3)])
        tnt.SGDEngine().train(**problem.job(iterator=iterator))


def test_a_mismatch_in_the_network_is_told_in_shapes(problem):
    params = {"weight": jnp.zeros((4, 3)), "bias": jnp.zeros(3)}
    with pytest.raises(TypeError) as caught:
        tnt.SGDEngine().train(**problem.job(params=params))
    notes = "".join(caught.value.__notes__)
    assert "network(params, input)" in notes
    assert "'weight': float32[4,3]" in notes
    assert "input = float32[8,5]" in notes


def test_a_mismatch_in_the_criterion_is_told_in_shapes(problem):
    def wrong(output, target):
        return output @ target

    with pytest.raises(TypeError) as caught:
        tnt.SGDEngine().train(**problem.job(criterion=wrong))
    notes = "".join(caught.value.__notes__)
    assert "criterion(output, target)" in notes
    assert "output = float32[8,3] and target = int32[8]" in notes


def test_a_loss_with_too_many_axes(problem):
    with pytest.raises(ValueError, match=r"shape \[\] or \[B\], got float32\[8,3\]"):
        tnt.SGDEngine().train(**problem.job(criterion=lambda o, t: o))


def test_a_mask_needs_a_loss_for_each_row(problem):
    iterator = problem.iterator(policy="pad-last")
    job = problem.job(iterator=iterator, criterion=lambda o, t: o.mean())
    with pytest.raises(ValueError, match="one loss for each row, got float32"):
        tnt.SGDEngine().train(**job)


def test_wide_numbers_on_devices_that_have_them(problem):
    data = {**problem.data, "id": np.arange(53, dtype=np.int64) + 2**40}
    with enabling_x64():
        job = problem.job(iterator=problem.over(tnt.TableDataset(data)), max_epoch=1)
        assert tnt.SGDEngine().train(**job).t == 7
