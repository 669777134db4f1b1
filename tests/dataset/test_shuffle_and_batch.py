"""shuffle_and_batch: batches of a dataset in an order of each epoch."""

import pickle

import numpy as np
import pytest

import tntjax as tnt


def numbers(dataset):
    return [int(value) for batch in dataset for value in batch["input"]]


@pytest.fixture
def table():
    return tnt.TableDataset({"input": np.arange(10)})


def test_every_sample_comes_once_an_epoch_in_another_order(table):
    make = tnt.shuffle_and_batch(table, 4, seed=3)
    epochs = [numbers(make(epoch)) for epoch in range(20)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 20
    assert [len(batch["input"]) for batch in make(0)] == [4, 4, 2]
    assert numbers(make(0)) == epochs[0]


def test_a_seed_and_an_epoch_are_not_added(table):
    one, two = (tnt.shuffle_and_batch(table, 4, seed=seed) for seed in (1, 2))
    assert numbers(one(2)) != numbers(two(1))
    assert numbers(one(1)) != numbers(two(0))


def test_without_a_seed_it_is_the_order_of_the_epoch(table):
    by_hand = tnt.BatchDataset(tnt.ShuffleDataset(table, 5), 4)
    assert numbers(tnt.shuffle_and_batch(table, 4)(5)) == numbers(by_hand)


def test_an_epoch_is_a_number_of_any_kind_that_is_not_negative(table):
    batches = tnt.shuffle_and_batch(table, 4, seed=1)
    for epoch in (np.int8(3), np.array(3)):
        assert numbers(batches(epoch)) == numbers(batches(3))
    with pytest.raises(ValueError, match="epoch must be at least 0, got -1"):
        batches(-1)  # or it would be an epoch of seed 0
    with pytest.raises(TypeError, match="epoch must be an integer, got None"):
        batches(None)


def test_policy_and_merge_are_those_of_the_batches(table):
    padded = tnt.shuffle_and_batch(table, 4, policy="pad-last")(0)
    assert padded[2]["mask"].tolist() == [True, True, False, False]
    whole = tnt.shuffle_and_batch(range(4), 2, merge=sum)
    assert sum(whole(0)) == 6


def test_it_shows_what_it_was_made_of(table):
    shown = repr(tnt.shuffle_and_batch(range(9), 4, seed=2))
    words = "shuffle_and_batch(range(0, 9), 4, seed=2, policy='include-last')"
    assert shown == words


def test_what_is_made_beforehand_is_the_same(table):
    make = tnt.shuffle_and_batch(table, 4, seed=1)
    plain = numbers(make(2)), numbers(make(3))
    make.prepare(3)
    assert (numbers(make(2)), numbers(make(3)), numbers(make(3))) == (*plain, plain[1])


def test_other_processes_read_the_same(table):
    make = tnt.shuffle_and_batch(table, 4, seed=1)
    assert numbers(pickle.loads(pickle.dumps(make))(7)) == numbers(make(7))
    with tnt.ParallelDatasetIterator(make, 2) as parallel:
        assert numbers(parallel.run(7)) == numbers(tnt.DatasetIterator(make).run(7))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((3, 2), TypeError, "needs a dataset"),
        ((range(3), 0), ValueError, "batch_size must be at least 1, got 0"),
        ((range(3), 2.5), TypeError, "batch_size must be an integer"),
        ((range(3), 2, -1), ValueError, "seed must be at least 0, got -1"),
        ((range(3), 2, "0"), TypeError, "seed must be an integer, got '0'"),
        ((range(3), 2, 0, "last"), ValueError, "one of the policies"),
        ((range(3), 2, 0, "divisible-only"), ValueError, "which leaves 1"),
    ],
)
def test_what_it_refuses_it_refuses_at_once(arguments, error, words):
    with pytest.raises(error, match=words):
        tnt.shuffle_and_batch(*arguments)
