"""The compile guard: says once, and why, that a step was compiled too often."""

import warnings

import jax
import numpy as np
import pytest

import tntjax as tnt
from tests.engine.conftest import criterion, network
from tntjax.engine._traces import BUDGET


def ragged(problem, sizes):
    """Batches of the sizes given, each another shape."""
    data = problem.data
    batches = [jax.tree.map(lambda column: column[:n], data) for n in sizes]  # noqa: B023
    return tnt.DatasetIterator(batches)


def test_a_state_tells_how_often_a_step_was_compiled(problem):
    def own(params, input):
        return network(params, input)

    job = problem.job(network=own, iterator=ragged(problem, [8, 8, 5]), max_epoch=2)
    assert tnt.SGDEngine().train(**job).compiled == 2  # for 8 rows, and for 5
    assert tnt.SGDEngine().train(**job).compiled == 0  # it was there


@pytest.mark.slow
def test_too_many_shapes_are_told_once(problem):
    job = problem.job(iterator=ragged(problem, range(1, 20)), max_epoch=1)
    words = r"compiled 9 times(.|\n)*chunk\['input'\].*8,5\] became .*9,5\]"
    with pytest.warns(UserWarning, match=words) as caught:
        tnt.SGDEngine().train(**job)
    assert len(caught) == 1


@pytest.fixture(scope="module")
def buckets():
    """Batches of twelve shapes, more than the guard allows, mixed each epoch."""
    samples = [
        {"input": np.full(1 + n % 12, 0.1, np.float32), "target": n % 3}
        for n in range(120)
    ]
    return tnt.BucketDataset(samples, 4, "input", shapes=12, seed=0)


def ragged_job(iterator):
    def network(params, input):  # [B, T] -> [B, 3]
        return input.sum(1, keepdims=True) * params

    params = np.ones(3, np.float32)
    return {
        "network": network,
        "criterion": criterion,
        "iterator": iterator,
        "params": params,
        "lr": 0.1,
        "max_epoch": 2,
    }


@pytest.mark.slow
def test_shapes_that_a_dataset_states_are_compiled_once_each_without_a_word(buckets):
    wrapped = tnt.TransformDataset(buckets, lambda sample: sample)
    iterators = [tnt.DatasetIterator(buckets.at_epoch), tnt.DatasetIterator(wrapped)]
    for iterator in iterators:
        assert iterator.shapes == buckets.shapes and len(buckets.shapes) == 12
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            state = tnt.SGDEngine().train(**ragged_job(iterator), steps_per_call=1)
        assert state.compiled == 12


@pytest.mark.slow
def test_the_same_shapes_are_told_where_no_dataset_states_them(buckets):
    job = ragged_job(tnt.DatasetIterator(list(buckets)))
    with pytest.warns(UserWarning, match="compiled 9 times"):
        tnt.SGDEngine().train(**job, steps_per_call=1)


def test_iterators_tell_the_shapes_of_their_dataset(buckets):
    assert tnt.ParallelDatasetIterator(buckets, 1).shapes == buckets.shapes
    assert tnt.DatasetIterator(np.zeros((3, 2))).shapes == ()


@pytest.mark.slow
def test_new_functions_each_epoch_are_told(problem):
    def renew(state):
        return state.replace(network=lambda params, input: network(params, input))

    job = problem.job(max_epoch=BUDGET + 1)
    hooks = tnt.Hooks(on_start_epoch=renew)
    whole = tnt.DatasetIterator(tnt.BatchDataset(problem.dataset(), 53))
    with pytest.warns(UserWarning, match=r"(state|the) ?.network: .*became .*lambda"):
        tnt.SGDEngine(hooks).train(**{**job, "iterator": whole})


@pytest.mark.slow
def test_new_functions_of_a_dataset_on_the_device_are_told(problem):
    rows = jax.device_put(problem.dataset())

    def batches(epoch):
        return tnt.BatchDataset(tnt.TransformDataset(rows, lambda sample: sample), 53)

    job = problem.job(iterator=tnt.DatasetIterator(batches), max_epoch=BUDGET + 1)
    words = r"reason was\n  the dataset: .*<lambda>.* became .*<lambda>"
    with pytest.warns(UserWarning, match=words):
        tnt.SGDEngine().train(**job)


@pytest.mark.slow
def test_a_changed_static_value_is_told(problem):
    kinds = [np.float16, np.float32]

    def change(state):
        kind = kinds[int(state.epoch) % 2]
        aux = {"x": np.zeros(int(state.epoch), kind)}
        return state.replace(aux=aux)

    whole = tnt.DatasetIterator(tnt.BatchDataset(problem.dataset(), 53))
    job = problem.job(iterator=whole, max_epoch=BUDGET + 1)
    with pytest.warns(UserWarning, match=r"state.aux\['x'\].*\[7\] became .*\[8\]"):
        tnt.SGDEngine(tnt.Hooks(on_start_epoch=change)).train(**job)


@pytest.mark.slow
def test_usual_training_is_within_the_budget(problem):
    hooks = tnt.chain(tnt.every(3, lambda state: state), tnt.watch(4, lambda s: None))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tnt.SGDEngine(hooks).train(**problem.job(max_epoch=12), steps_per_call=5)


@pytest.mark.slow
def test_each_run_counts_for_itself(problem):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for size in range(1, BUDGET + 3):
            job = problem.job(iterator=problem.iterator(size), max_epoch=1)
            job["criterion"] = lambda output, target: criterion(output, target)
            tnt.SGDEngine().train(**job)


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 2])
def test_without_jit_by_jax_nothing_is_compiled(problem, accumulate):
    job = problem.job(iterator=problem.iterator(3), accumulate=accumulate)
    with jax.disable_jit(), warnings.catch_warnings():
        warnings.simplefilter("error")
        state = tnt.SGDEngine().train(**job)
    expected = tnt.SGDEngine().train(**job)
    np.testing.assert_allclose(
        state.params["weight"], expected.params["weight"], rtol=1e-4, atol=1e-6
    )


def test_traces_of_runs_that_failed_are_not_counted(problem):
    def fail(state):
        raise ValueError("in a trace")

    hooks = tnt.Hooks(on_update=fail)
    for _ in range(BUDGET + 2):
        with warnings.catch_warnings(), pytest.raises(ValueError, match="in a trace"):
            warnings.simplefilter("error")
            tnt.SGDEngine(hooks).train(**problem.job())
