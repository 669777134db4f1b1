"""Datasets of a million million samples take no memory, and count right."""

import tracemalloc
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax._struct import pytree, static
from tntjax.dataset import (
    BatchDataset,
    ConcatDataset,
    ListDataset,
    ResampleDataset,
    ShuffleDataset,
    SplitDataset,
    TableDataset,
    TransformDataset,
    take,
    weighted_sampler,
)

LONG = range(10**12)
FAR = [10**11 + 5, 2**31, 2**32 + 1, 10**12 - 1]
SAMPLER = weighted_sampler([1, 2, 3], seed=0)

WRAPPERS = {
    "shuffle": lambda: ShuffleDataset(LONG, 0),
    "replacement": lambda: ShuffleDataset(LONG, 0, size=10**12, replacement=True),
    "split": lambda: SplitDataset(LONG, {"a": 0.7, "b": 0.3}, "a"),
    "concat": lambda: ConcatDataset([LONG, LONG]),
    "transform": lambda: TransformDataset(LONG, abs),
    "list": lambda: ListDataset(LONG, abs),
    "resample": lambda: ResampleDataset(LONG, lambda dataset, index: index),
    "weights": lambda: ResampleDataset(TableDataset(np.arange(3)), SAMPLER, 10**12),
    "batch": lambda: BatchDataset(ShuffleDataset(LONG, 1), 7),
    "pad": lambda: BatchDataset(Fields(), 7, policy="pad-last"),
}


class Fields:
    def __len__(self):
        return 10**12

    def __getitem__(self, index):
        return {"x": index}


@pytest.mark.parametrize("make", WRAPPERS.values(), ids=WRAPPERS.keys())
def test_nothing_takes_memory_by_the_length(make):
    make()[0]  # what is imported and cached when it is first used
    tracemalloc.start()
    dataset = make()
    far = len(dataset) - 1
    one, many = dataset[far], take(dataset, [0, far - 1])
    batches = BatchDataset(dataset, 4, policy="skip-last")
    assert len(batches) == len(dataset) // 4
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
    assert one is not None and len(jax.tree.leaves(many)[0]) == 2


def test_positions_far_behind_are_counted_right():
    for index in FAR:
        assert SplitDataset(LONG, {"a": 5, "b": 10**12 - 5}, "b")[index - 5] == index
        assert ConcatDataset([LONG, LONG])[10**12 + index] == index
        assert TransformDataset(LONG, lambda n: n + 1)[index] == index + 1
        batch = BatchDataset(LONG, 64)[index // 64]
        assert batch.tolist()[index % 64] == index
    parts = ConcatDataset([LONG, LONG])
    assert take(parts, [10**12 + FAR[0], FAR[0]]).tolist() == [FAR[0]] * 2


@pytest.mark.slow
def test_weights_draw_alike_wherever_their_key_lies():
    host = ResampleDataset([0, 1, 2], SAMPLER, 10**12)
    resident = jax.device_put(host)
    rows = np.arange(10**11, 10**11 + 200)
    expected = take(host, rows).tolist()
    assert take(resident, rows).tolist() == expected
    assert [resident[int(row)] for row in rows[:20]] == expected[:20]
    assert (
        take(resident, np.arange(200)).tolist() == take(host, np.arange(200)).tolist()
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda table: ResampleDataset(table, SAMPLER, 10**12),
        lambda table: ShuffleDataset(table, 0, size=10**12, replacement=True),
        lambda table: ResampleDataset(ConcatDataset([table]), SAMPLER, 10**12),
        lambda table: BatchDataset(ResampleDataset(table, SAMPLER, 10**12), 2),
    ],
    ids=["weights", "shuffle", "concat", "batch"],
)
def test_positions_that_a_device_cannot_count_are_an_error(make):
    dataset = jax.device_put(make(TableDataset(np.arange(3))))
    message = "samples in all, but a device counts to 2147483648 only"
    for read in (
        lambda: dataset[2**31],
        lambda: take(dataset, [2**31]),
        lambda: take(dataset, jnp.array([0])),
        lambda: jax.jit(take)(dataset, np.array([0])),
    ):
        with pytest.raises(TypeError, match=message):
            read()
    assert take(dataset, [3]).shape[0] == 1


@pytest.fixture
def wide():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@pytree
class Numbers:
    """The first of very many numbers, each its own sample, on host and device."""

    zero: Any
    length: int = static(default=10**12)
    on_device = True

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return self.take(index)

    def take(self, indices):
        return indices + self.zero[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda numbers: ResampleDataset(numbers, flipped, batched=True),
        lambda numbers: ResampleDataset(TableDataset(np.arange(3)), SAMPLER, 10**12),
        lambda numbers: SplitDataset(numbers, {"a": 2**33, "b": 2**37}, "b"),
        lambda numbers: BatchDataset(numbers, 8),
        lambda numbers: ConcatDataset([numbers, numbers]),
    ],
    ids=["resample", "weights", "split", "batch", "concat"],
)
def test_compiled_code_with_64_bits_reads_what_the_host_reads(make, wide):
    dataset = make(Numbers(np.zeros(1, np.int64)))
    resident = jax.device_put(dataset)
    indices = np.array([3, 2**31 + 5, 2**32 + 7, 2**36 + 3])
    read = jax.jit(take)(resident, indices)
    assert read.tolist() == dataset.take(indices).tolist()
    assert [resident[jnp.int64(i)].tolist() for i in indices] == read.tolist()


def flipped(dataset, index):
    return len(dataset) - 1 - index
