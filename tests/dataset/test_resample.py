from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax._struct import pytree
from tntjax.dataset import BatchDataset, ResampleDataset, TableDataset, take


def backwards(dataset, index):
    return len(dataset) - 1 - index


def table(length=5):
    return TableDataset(np.arange(length) * 10)


@pytree
class Ordered:
    """A sampler with an array of its own."""

    order: Any
    batched = True

    def __call__(self, dataset, index):
        return self.order[index]


@pytest.mark.parametrize("batched", [False, True])
def test_the_sampler_says_which_sample_comes(batched):
    dataset = ResampleDataset(table(), backwards, batched=batched)
    assert [int(sample) for sample in dataset] == [40, 30, 20, 10, 0]
    assert dataset.take([[1, 0]]).tolist() == [[30, 40]]
    assert dataset.take(2).tolist() == 20


def test_without_a_sampler_it_is_the_dataset_or_its_start():
    assert list(ResampleDataset("abc")) == ["a", "b", "c"]
    assert list(ResampleDataset("abc", size=2)) == ["a", "b"]


def test_the_size_may_be_any_where_there_is_a_sampler():
    dataset = ResampleDataset("abc", lambda d, i: i % len(d), size=7)
    assert "".join(dataset) == "abcabca"
    assert len(ResampleDataset("abc", backwards, np.int64(2))) == 2


def test_a_sampler_is_called_with_the_dataset_and_a_python_integer():
    calls = []
    dataset = ResampleDataset("abc", lambda *args: calls.append(args) or 0)
    assert dataset[np.int64(2)] == "a"
    assert dataset.take([1]) == ["a"]
    assert calls == [("abc", 2), ("abc", 1)]
    assert [type(index) for _, index in calls] == [int, int]


def test_a_batched_sampler_is_called_once():
    calls = []

    def note(dataset, indices):
        calls.append(indices.tolist())
        return indices

    dataset = ResampleDataset(table(), note, batched=True)
    assert dataset.take([[3, 1], [0, 0]]).tolist() == [[30, 10], [0, 0]]
    assert int(dataset[2]) == 20
    assert calls == [[3, 1, 0, 0], [2]]


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("wrong", [-1, 5])
def test_what_the_sampler_gives_is_checked(wrong, batched):
    def sampler(dataset, index):
        return index * 0 + wrong

    dataset = ResampleDataset(table(), sampler, size=9, batched=batched)
    for read in (lambda: dataset[7], lambda: dataset.take([0])):
        with pytest.raises(IndexError, match=rf"got index {wrong}\.\n.*the sampler .*"):
            read()


@pytest.mark.parametrize("batched", [False, True])
def test_a_sampler_gives_integers(batched):
    dataset = ResampleDataset(table(), lambda d, i: i / 2, batched=batched)
    with pytest.raises(TypeError, match="integer"):
        dataset[2]


def test_a_batched_sampler_gives_as_many_as_it_was_given():
    dataset = ResampleDataset(table(), lambda d, i: i[:1], batched=True)
    with pytest.raises(ValueError, match=r"given 2 indices .* as many, got int64\[1\]"):
        dataset.take([0, 1])


def test_errors_of_the_sampler_name_it():
    def broken(dataset, index):
        raise OSError("no luck")

    with pytest.raises(OSError, match="no luck\n.*sampler .*broken was asked"):
        ResampleDataset(table(), broken)[0]


def test_a_batched_sampler_is_traced_on_a_device():
    dataset = jax.device_put(ResampleDataset(table(), backwards, 4, batched=True))
    assert dataset.on_device
    assert jax.jit(take)(dataset, np.array([[0, 3]])).tolist() == [[40, 10]]
    assert int(dataset[jnp.int32(1)]) == 30


def test_a_sampler_of_one_index_runs_on_the_host():
    dataset = jax.device_put(ResampleDataset(table(), backwards))
    assert not dataset.on_device
    assert [int(dataset[0]), int(dataset[jnp.int32(1)])] == [40, 30]
    with pytest.raises(TypeError, match="ResampleDataset is read on the host"):
        jax.jit(take)(dataset, 0)


def test_a_batched_sampler_that_cannot_be_traced_says_so():
    order = np.arange(5)
    dataset = jax.device_put(
        ResampleDataset(table(), lambda d, i: order[i], batched=True)
    )
    with pytest.raises(TypeError, match=r"sampler of ResampleDataset\(.*NumPy values"):
        jax.jit(take)(dataset, np.array([0]))


def test_the_arrays_of_a_sampler_are_leaves():
    traces = []

    @jax.jit
    def read(dataset, indices):
        traces.append(indices)
        return take(dataset, indices)

    for order in ([3, 0, 1], [1, 1, 4]):
        dataset = ResampleDataset(table(), Ordered(np.array(order)), size=3)
        assert dataset.take([0, 2]).tolist() == [order[0] * 10, order[2] * 10]
        resident = jax.device_put(dataset)
        assert int(resident[0]) == order[0] * 10
        assert (
            read(resident, np.array([0, 2])).tolist() == dataset.take([0, 2]).tolist()
        )
    assert len(traces) == 1


def test_how_many_samples_are_known_to_be_alike():
    ragged = BatchDataset(np.arange(5), 2)
    assert ResampleDataset(table(), backwards, 9).uniform_length == 9
    assert ResampleDataset(ragged, backwards).uniform_length == 0
    assert ResampleDataset(ragged).uniform_length == 2
    assert ResampleDataset(ragged, size=1).uniform_length == 1


def test_a_sample_has_the_bytes_of_one_below():
    assert ResampleDataset(table(), backwards).sample_bytes == 8


def test_the_repr_names_the_sampler():
    shown = (
        "ResampleDataset(dataset='abc', sampler=backwards, size=None, batched=False)"
    )
    assert repr(ResampleDataset("abc", backwards)) == shown


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"sampler": [1, 0]}, TypeError, r"but sampler is \[1, 0\]"),
        ({"size": 0}, ValueError, "size must be at least 1, got 0"),
        ({"size": -1}, ValueError, "size must be at least 1, got -1"),
        ({"size": 2**63}, ValueError, r"size must be less than 2\*\*63, got"),
        ({"size": 1.5}, TypeError, "size must be an integer, got 1.5"),
        ({"size": True}, TypeError, "size must be an integer, got True"),
        ({"size": 4}, ValueError, "has the 3 samples .* got size 4. Pass a sampler"),
    ],
    ids=str,
)
def test_refuses(options, error, message):
    with pytest.raises(error, match=message):
        ResampleDataset("abc", **options)


@pytest.mark.parametrize(("dataset", "came"), [(5, "5"), (list, "list")], ids=str)
def test_refuses_what_is_no_dataset(dataset, came):
    with pytest.raises(
        TypeError, match=f"ResampleDataset needs a dataset .*, got {came}"
    ):
        ResampleDataset(dataset)


@pytest.mark.parametrize("wrong", [-1, 3, 2**70, True, np.True_, 0.5])
@pytest.mark.parametrize("batched", [False, True])
def test_what_a_sampler_gives_is_checked(wrong, batched):
    def sampler(dataset, index):
        return [wrong] * len(index) if batched else wrong

    dataset = ResampleDataset([1, 2, 3], sampler, batched=batched)
    with pytest.raises(
        (IndexError, TypeError), match=r"list has 3 samples|integer ind"
    ):
        dataset[0]
    with pytest.raises(
        (IndexError, TypeError), match=r"list has 3 samples|integer ind"
    ):
        dataset.take([0, 1])
