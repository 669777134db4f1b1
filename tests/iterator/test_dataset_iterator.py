import pickle
import re
from itertools import islice, zip_longest

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.dataset import (
    BatchDataset,
    ListDataset,
    ResampleDataset,
    ShuffleDataset,
    TableDataset,
    TransformDataset,
    weighted_sampler,
)
from tntjax.iterator import DatasetIterator, ParallelDatasetIterator
from tntjax.iterator._chunk import IndexedChunk, StackedChunk


def table(length=11):
    rows = np.arange(length)
    return TableDataset({"x": np.stack([rows, rows * 10], 1), "y": rows * 0.5})


def on_device(length=11):
    return jax.device_put(table(length))


def is_odd(sample):
    return bool(sample["y"] * 2 % 2 == 1)


def halve(sample):
    return {"x": sample["x"] / 2}


def first(sample):
    """Gives samples of three different lengths."""
    n = int(sample["y"] * 2)
    return {"x": np.arange(n // 4)}


def bucketed(n):
    """Samples that are alike within a batch of two, and not beyond."""
    return np.full(1 + n // 4, n)


ITERATORS = {
    "list": DatasetIterator([{"x": n, "y": n / 2} for n in range(11)]),
    "list of jax arrays": DatasetIterator(BatchDataset(list(jnp.arange(11)), 2)),
    "array": DatasetIterator(np.arange(22).reshape(11, 2)),
    "jax array": DatasetIterator(jnp.arange(22).reshape(11, 2)),
    "table": DatasetIterator(table()),
    "batches": DatasetIterator(BatchDataset(table(24), 2)),
    "shorter last batch": DatasetIterator(BatchDataset(table(21), 2)),
    "padded": DatasetIterator(BatchDataset(table(21), 2, policy="pad-last")),
    "loaded": DatasetIterator(BatchDataset(ListDataset(range(21), float), 2)),
    "bucketed": DatasetIterator(BatchDataset(ListDataset(range(21), bucketed), 2)),
    "shuffled batches": DatasetIterator(ShuffleDataset(BatchDataset(table(21), 2), 0)),
    "batches of batches": DatasetIterator(BatchDataset(BatchDataset(table(21), 2), 1)),
    "filtered batches": DatasetIterator(BatchDataset(table(24), 2, filter=is_odd)),
    "each epoch": DatasetIterator(lambda epoch: BatchDataset(table(21), 2 + epoch)),
    "perm": DatasetIterator(BatchDataset(table(21), 2), perm=lambda i: (i + 3) % 11),
    "filter": DatasetIterator(table(), filter=is_odd),
    "transform": DatasetIterator(table(), transform=halve),
    "transform that changes shapes": DatasetIterator(table(24), transform=first),
    "all": DatasetIterator(table(), lambda i: 10 - i, is_odd, dict),
    "empty": DatasetIterator([]),
    "empty table": DatasetIterator(table(0)),
    "nothing left": DatasetIterator(table(), filter=lambda sample: False),
    "device": DatasetIterator(on_device()),
    "device, batches": DatasetIterator(BatchDataset(ShuffleDataset(on_device(), 0), 2)),
    "device, perm": DatasetIterator(
        BatchDataset(on_device(21), 2), perm=lambda i: (i + 3) % 11
    ),
    "device, filter": DatasetIterator(on_device(), filter=is_odd),
    "device, transform": DatasetIterator(on_device(), transform=halve),
    "device, perm within": DatasetIterator(
        BatchDataset(on_device(21), 2, perm=lambda i: 20 - i)
    ),
    "device, transformed": DatasetIterator(
        BatchDataset(TransformDataset(on_device(21), halve), 2)
    ),
    "device, batches of batches": DatasetIterator(
        BatchDataset(BatchDataset(on_device(21), 2), 1)
    ),
    "device, shuffled batches": DatasetIterator(
        ShuffleDataset(BatchDataset(on_device(21), 2), 0)
    ),
    "device, empty": DatasetIterator(on_device(0)),
}
ROOMS = {
    "1": lambda position, size, length=None: 1,
    "3": lambda position, size, length=None: 3,
    "99": lambda position, size, length=None: 99,
    "to the next 5th": lambda position, size, length=None: 5 - position % 5,
    "by bytes": lambda position, size, length=None: max(1, 40 // max(1, size)),
    "little but at the start": lambda position, size, length=None: (
        9 if position == 0 else 2
    ),
}
FAST = {"batches", "loaded", "perm", "filter", "transform", "empty", "device", "3"}
"""Rows that are in the fast lane."""


def rows(name, table):
    return pytest.mark.parametrize(
        name,
        [
            pytest.param(value, id=key, marks=[pytest.mark.slow] * (key not in FAST))
            for key, value in table.items()
        ],
    )


every_iterator = rows("iterator", ITERATORS)
every_room = rows("room", ROOMS)

read_compiled = jax.jit(lambda chunk: jax.lax.map(chunk.read, chunk.xs))


def samples_of(chunks):
    for chunk in chunks:
        stacked = isinstance(chunk, StackedChunk)
        samples = chunk.samples if stacked else read_compiled(chunk)
        for row in range(len(chunk)):
            yield jax.tree.map(lambda leaf, row=row: leaf[row], samples)


def assert_equal(samples, expected):
    samples, expected = list(samples), list(expected)
    assert len(samples) == len(expected)
    for sample, other in zip(samples, expected, strict=True):
        assert jax.tree.structure(sample) == jax.tree.structure(other)
        jax.tree.map(np.testing.assert_array_equal, sample, other)


@every_iterator
@pytest.mark.parametrize("epoch", [0, 1])
def test_a_start_leaves_out_that_many_samples(iterator, epoch):
    samples = list(iterator.run(epoch))
    for start in range(len(samples) + 2):
        assert_equal(iterator.run(epoch, start), samples[start:])


@every_iterator
def test_a_second_run_yields_the_same(iterator):
    assert_equal(iterator, iterator.run())


@every_iterator
@every_room
def test_chunks_hold_the_samples_of_a_run(iterator, room):
    for epoch, start in ((0, 0), (0, 4), (1, 3), (0, 99)):
        chunks = iterator.chunks(epoch, start, room)
        assert_equal(samples_of(chunks), iterator.run(epoch, start))


def sample_kind(chunk):
    """What must change for a chunk to end early: of what shapes its samples are."""
    shapes = jax.tree.map(lambda leaf: (leaf.shape[1:], leaf.dtype), chunk.xs)
    return type(chunk), str(shapes)


@every_iterator
@every_room
def test_chunks_fill_their_room_unless_the_samples_end_or_change(iterator, room):
    most = {}

    def asked(position, size, length=None):
        most[position] = room(position, size)
        return most[position]

    chunks, position = list(iterator.chunks(0, 0, asked)), 0
    for chunk, following in zip_longest(chunks, chunks[1:]):
        assert len(chunk) <= most[position]
        if following and sample_kind(following) == sample_kind(chunk):
            assert len(chunk) == most[position]
        position += len(chunk)


@every_iterator
@every_room
def test_chunks_depend_on_the_position_alone(iterator, room):
    lengths = [len(chunk) for chunk in iterator.chunks(0, 0, room)]
    for count in range(len(lengths)):
        rest = iterator.chunks(0, sum(lengths[:count]), room)
        assert [len(chunk) for chunk in rest] == lengths[count:]


def test_order_is_perm_get_transform_filter():
    calls = []

    def note(name, result):
        return lambda value: calls.append((name, value)) or result(value)

    iterator = DatasetIterator(
        ListDataset([10, 11], note("get", int)),
        perm=note("perm", lambda i: 1 - i),
        transform=note("transform", lambda n: n * 2),
        filter=note("filter", lambda n: n > 20),
    )
    assert list(iterator) == [22]
    assert calls == [
        ("perm", 0),
        ("get", 11),
        ("transform", 11),
        ("filter", 22),
        ("perm", 1),
        ("get", 10),
        ("transform", 10),
        ("filter", 20),
    ]


def test_none_is_a_sample_like_any_other():
    assert list(DatasetIterator([1, 2], transform=lambda n: None)) == [None, None]


def test_a_function_of_the_epoch_gives_the_dataset():
    iterator = DatasetIterator(lambda epoch: [epoch] * epoch)
    assert [list(iterator.run(epoch)) for epoch in range(3)] == [[], [1], [2, 2]]


def test_runs_do_not_share_a_position():
    iterator = DatasetIterator([1, 2, 3])
    one, other = iter(iterator), iter(iterator)
    next(one)
    assert list(other) == [1, 2, 3]
    assert list(one) == [2, 3]


def test_samples_are_read_when_they_are_asked_for():
    loaded = []
    samples = DatasetIterator(ListDataset(range(9), loaded.append)).run()
    next(samples)
    assert loaded == [0]


def test_a_full_chunk_does_not_wait_for_the_next_sample():
    loaded = []
    dataset = ListDataset(range(9), lambda n: loaded.append(n) or n)
    chunk = next(DatasetIterator(dataset).chunks(0, 0, ROOMS["3"]))
    assert loaded == [0, 1, 2]
    assert chunk.samples.tolist() == [0, 1, 2]


def test_a_chunk_of_the_host_is_one_take():
    taken = []

    class Counts(TableDataset):
        uniform_length = 9

        def take(self, indices):
            taken.append(np.asarray(indices).tolist())
            return super().take(indices)

    chunks = DatasetIterator(Counts(np.arange(9))).chunks(0, 0, ROOMS["3"])
    assert [type(chunk) for chunk in chunks] == [StackedChunk] * 3
    assert taken == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_batches_are_loaded_once_each():
    loaded = []
    dataset = ListDataset(range(6), lambda n: loaded.append(n) or n)
    size_of_one = [0]
    list(DatasetIterator(BatchDataset(dataset, 2)).chunks(0, 0, ROOMS["99"]))
    assert loaded == size_of_one + [0, 1, 2, 3, 4, 5]


def test_a_chunk_of_the_device_holds_numbers():
    iterator = ITERATORS["device, batches"]
    chunks = list(iterator.chunks(0, 0, ROOMS["3"]))
    assert [type(chunk) for chunk in chunks[:2]] == [IndexedChunk] * 2
    assert [chunk.indices.tolist() for chunk in chunks[:2]] == [[0, 1, 2], [3, 4]]
    assert {chunk.indices.dtype for chunk in chunks[:2]} == {np.dtype(np.int32)}


def test_the_shorter_last_batch_of_the_device_is_read_by_itself():
    chunks = list(ITERATORS["device, perm"].chunks(0, 0, ROOMS["99"]))
    assert {type(chunk) for chunk in chunks} == {IndexedChunk}
    assert [chunk.only for chunk in chunks] == [None, 10, None]
    assert [len(chunk) for chunk in chunks] == [7, 1, 3]


@pytest.mark.parametrize("name", ["batches", "device", "device, filter"])
def test_a_padded_chunk_holds_the_same_samples_in_front(name):
    (chunk,) = ITERATORS[name].chunks(0, 0, ROOMS["99"])
    padded, count = chunk.padded(40), len(chunk)
    assert len(padded) == 40
    assert_equal(list(samples_of([padded]))[:count], samples_of([chunk]))


def test_all_of_a_dataset_is_on_the_device_before_compiled_code_reads_it():
    shuffled = ShuffleDataset(on_device(), 0)
    assert isinstance(shuffled.order, np.ndarray)
    chunk = next(DatasetIterator(shuffled).chunks(0, 0, ROOMS["3"]))
    leaves = jax.tree.leaves(chunk.dataset)
    assert all(isinstance(leaf, jax.Array) for leaf in leaves)


@pytest.mark.parametrize("transform", [None, halve])
def test_a_new_epoch_compiles_nothing(transform):
    data, traces = on_device(12), []
    iterator = DatasetIterator(
        lambda epoch: BatchDataset(ShuffleDataset(data, seed=epoch), 2),
        transform=transform,
    )

    @jax.jit
    def read(chunk):
        traces.append(len(chunk))
        return jax.lax.map(chunk.read, chunk.xs)

    for epoch in range(3):
        for chunk in iterator.chunks(epoch, 0, ROOMS["3"]):
            read(chunk)
    assert traces == [3]


def test_a_list_of_jax_arrays_is_read_on_the_host():
    chunks = ITERATORS["list of jax arrays"].chunks(0, 0, ROOMS["3"])
    assert {type(chunk) for chunk in chunks} == {StackedChunk}


@pytest.mark.parametrize(
    ("iterator", "expected"),
    [
        (DatasetIterator(BatchDataset(table(4), 2)), 2 * 24),
        (DatasetIterator(table(1), filter=bool), 24),
        (DatasetIterator([7]), 8),
        (DatasetIterator(on_device(1)), 4),  # a number for each sample is transferred
    ],
    ids=["taken", "grouped", "number", "device"],
)
def test_room_hears_of_the_bytes_of_a_sample(iterator, expected):
    heard = []
    next(
        iterator.chunks(
            0, 0, lambda position, size, length=None: heard.append(size) or 99
        )
    )
    assert heard == [expected]


def test_random_keys_may_be_samples():
    keys = jax.random.split(jax.random.key(0), 3)
    (chunk,) = DatasetIterator(TableDataset(keys), filter=lambda key: True).chunks(
        0, 0, ROOMS["3"]
    )
    assert chunk.samples.shape == (3,)
    assert (chunk.padded(4).samples[:3] == keys).all()


@pytest.mark.parametrize(
    ("dataset", "what"),
    [
        ([{"x": 1, "name": "a"}], r"sample\['name'\] is \['a'\]"),
        (["a", "b"], r"sample is \['a', 'b'\]"),
        (BatchDataset([{"name": "a"}] * 4, 2), r"sample\['name'\] is \[\['a', 'a'\], "),
        ([{"x": [1, 2]}], r"sample\['x'\] is \[\[1, 2\]\]"),
        ([(1, None)], r"sample\[1\] is \[None\]"),
        (np.array(["a"]), r"sample is <U1\[1\]"),
        (np.array([{1}, {2}]), r"sample is object\[2\]"),
        (
            TableDataset({"t": np.zeros(1, "M8[s]")}),
            r"sample\['t'\] is datetime64\[s\]",
        ),
        (np.zeros(2, [("a", "i4")]), r"sample is \[\('a', '<i4'\)\]\[2\]"),
    ],
    ids=str,
)
def test_a_chunk_holds_arrays_of_numbers_only(dataset, what):
    chunks = DatasetIterator(dataset).chunks(0, 0, ROOMS["99"])
    with pytest.raises(TypeError, match=rf"arrays of numbers, but .*{what}.*Leave the"):
        list(chunks)


@pytest.mark.parametrize("sample", [{}, ()])
def test_a_chunk_holds_at_least_one_array(sample):
    with pytest.raises(TypeError, match=r"but a sample has none: (\{\}|\(\))\."):
        list(DatasetIterator([sample]).chunks(0, 0, ROOMS["3"]))


@pytest.mark.parametrize("error", [ValueError, TypeError, LookupError])
@pytest.mark.parametrize("batch", [False, True])
def test_an_error_of_load_comes_through(error, batch):
    def load(n):
        if n == 3:
            raise error("no sample")
        return n

    dataset = ListDataset(range(6), load)
    iterator = DatasetIterator(BatchDataset(dataset, 2) if batch else dataset)
    for samples in (iterator.run(), iterator.chunks(0, 0, ROOMS["3"])):
        with pytest.raises(error, match="no sample") as caught:
            list(samples)
        note = "ListDataset: while loading sample 3, 3."
        assert set(caught.value.__notes__) == {note}


@pytest.mark.parametrize(("epoch", "start"), [(-1, 0), (0, -1)])
def test_a_position_is_not_negative(epoch, start):
    message = f"epoch >= 0 and start >= 0, got {epoch} and {start}"
    with pytest.raises(ValueError, match=message):
        ITERATORS["list"].run(epoch, start)
    with pytest.raises(ValueError, match=message):
        list(ITERATORS["list"].chunks(epoch, start, ROOMS["3"]))


def test_the_source_is_a_dataset_or_a_function():
    with pytest.raises(TypeError, match=r"needs a dataset .*or a function .*, got int"):
        DatasetIterator(3)


def test_a_function_of_the_epoch_must_return_a_dataset():
    with pytest.raises(TypeError, match=r"must return a dataset .*, got NoneType"):
        DatasetIterator(lambda epoch: None).run()


@pytest.mark.parametrize(
    ("perm", "error", "message"),
    [
        (lambda i: i + 1, IndexError, r"has 11 samples, .*got index 11"),
        (lambda i: i - 1, IndexError, r"has 11 samples, .*got index -1"),
        (lambda i: i / 2, TypeError, r"needs one integer, got 0\.0"),
        (lambda i: bool(i), TypeError, r"needs one integer, got False"),
        (lambda i: jnp.int32(i - 1), IndexError, r"has 11 samples, .*got index -1"),
    ],
    ids=["past", "negative", "float", "bool", "of jax"],
)
@pytest.mark.parametrize(
    "read",
    [
        lambda dataset, perm: DatasetIterator(dataset, perm).run(),
        lambda dataset, perm: DatasetIterator(dataset, perm).chunks(0, 0, ROOMS["3"]),
        lambda dataset, perm: ParallelDatasetIterator(dataset, 2, perm=perm).run(),
    ],
    ids=["run", "chunks", "workers"],
)
@pytest.mark.parametrize("make", [lambda: list(range(11)), table, on_device])
def test_perm_must_give_indices(make, read, perm, error, message):
    with pytest.raises(error, match=message) as caught:
        list(read(make(), perm))
    assert re.fullmatch(r"This is what perm\(\d+\) gave\.", caught.value.__notes__[-1])


def test_perm_may_give_integers_of_any_kind():
    kinds = (int, np.uint8, np.int64, jnp.int32, np.asarray)
    for dataset in (list(range(11)), np.arange(11), jnp.arange(11)):
        for kind in kinds:
            run = DatasetIterator(dataset, lambda i, kind=kind: kind(10 - i)).run()
            assert [int(sample) for sample in run] == list(range(11))[::-1]


def large(length=10**12):
    rows = TableDataset({"x": np.arange(3)})
    return ResampleDataset(rows, weighted_sampler([1, 2, 3], 0), length)


@pytest.mark.parametrize("perm", [None, lambda position: position])
@pytest.mark.parametrize("start", [0, 2**31 // 4, 10**11])
def test_a_trillion_samples_take_no_memory(perm, start):
    """A list of all positions would have terabytes."""
    iterator = DatasetIterator(BatchDataset(large(), 4), perm)
    chunk = next(iterator.chunks(0, start, ROOMS["3"]))
    expected = list(islice(iterator.run(0, start), 3))
    assert_equal(samples_of([chunk]), expected)


def test_perm_is_asked_no_further_than_a_chunk_is_long():
    asked = []
    iterator = DatasetIterator(np.arange(99), lambda i: asked.append(i) or i)
    next(iterator.chunks(0, 0, ROOMS["3"]))
    assert asked == [0, 1, 2]


def test_positions_that_a_device_cannot_count_are_an_error():
    iterator = DatasetIterator(jax.device_put(large()))
    with pytest.raises(TypeError, match="a device counts to 2147483648 only"):
        read_compiled(next(iterator.chunks(0, 2**31, ROOMS["3"])))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: DatasetIterator([1, 2, 3]), 3),
        (lambda: DatasetIterator(BatchDataset(table(11), 2)), 6),
        (lambda: DatasetIterator(large()), 10**12),
        (lambda: DatasetIterator([1, 2], transform=str, perm=abs), 2),
        (lambda: DatasetIterator(lambda epoch: range(4 + epoch)), 4),
        (lambda: ParallelDatasetIterator([1, 2, 3], 2), 3),
        (lambda: ParallelDatasetIterator(lambda epoch: range(4 + epoch), 2), 4),
        (lambda: ParallelDatasetIterator(lambda worker: range(4), 2, perm=abs), 4),
    ],
)
def test_its_length_is_that_of_a_run(make, expected):
    assert len(make()) == expected


@pytest.mark.parametrize(
    "iterator",
    [
        DatasetIterator([1, 2], filter=bool),
        ParallelDatasetIterator([1, 2], 1, filter=bool),
    ],
)
def test_with_a_filter_the_length_is_not_known(iterator):
    with pytest.raises(TypeError, match=r"with a filter has no len: how many"):
        len(iterator)
    assert list(iterator) == [1, 2]


@pytest.mark.parametrize("asarray", [np.asarray, jnp.asarray])
def test_a_filter_says_yes_or_no_of_the_sample_and_not_of_its_parts(asarray):
    positive = lambda sample: asarray(sample) > 0  # noqa: E731
    samples = [np.ones(3), np.ones(3)]
    for read in (
        DatasetIterator(samples, filter=positive),
        ParallelDatasetIterator(samples, 1, filter=positive),
        BatchDataset(samples, 2, filter=positive),
    ):
        with pytest.raises(TypeError, match=r"got bool\[3\]. Of an array take"):
            list(read)
    assert len(list(DatasetIterator([np.ones(1)], filter=positive))) == 1


def test_a_filter_that_returns_nothing_drops_nothing_in_silence():
    forgets = lambda sample: None  # noqa: E731
    for make in (
        lambda: DatasetIterator([1, 2], filter=forgets),
        lambda: ParallelDatasetIterator([1, 2], 1, filter=forgets),
        lambda: BatchDataset([1, 2], 2, filter=forgets),
    ):
        with pytest.raises(TypeError, match=r"got None\. Does it end with no return"):
            list(make())


def test_survives_pickle():
    iterator = DatasetIterator(table(), filter=is_odd, transform=dict)
    assert_equal(pickle.loads(pickle.dumps(iterator)), iterator)


def test_the_repr_says_what_it_iterates_over():
    expected = (
        "DatasetIterator(source=[1, 2], perm=None, filter=is_odd, transform=None)"
    )
    assert repr(DatasetIterator([1, 2], filter=is_odd)) == expected


def test_a_transform_that_writes_to_its_sample_leaves_the_dataset():
    def subtract_one(sample):
        sample["x"] -= 1
        return sample

    samples = [{"x": np.full(2, n)} for n in range(3)]
    for iterator in (
        DatasetIterator(samples, transform=subtract_one),
        ParallelDatasetIterator(lambda worker: samples, 2, transform=subtract_one),
    ):
        read = [list(iterator.run(epoch)) for epoch in range(2)]
        assert [[s["x"].tolist() for s in run] for run in read] == [
            [[-1, -1], [0, 0], [1, 1]]
        ] * 2


def test_a_single_chunk_stays_one():
    chunk = IndexedChunk(jax.device_put(BatchDataset(np.arange(5), 2)), [2], only=2)
    for other in (chunk, chunk.part(0), chunk.padded(8)):
        assert len(other) == 1
        assert jax.jit(lambda chunk: chunk.read(0))(other).tolist() == [4]


class Doubled(DatasetIterator):
    """An iterator of the user's, with samples of its own."""

    def run(self, epoch=0, start=0):
        for sample in super().run(epoch, start):
            yield {"x": sample["x"] * 2}


def test_an_engine_reads_what_the_run_of_a_derived_class_yields():
    iterator = Doubled(BatchDataset(table(), 4))
    chunks = iterator.chunks(0, 1, lambda position, size, length=None: 8)
    assert_equal(samples_of(chunks), iterator.run(0, 1))
    expected = 2 * table().data["x"][4:8]
    np.testing.assert_array_equal(next(iterator.run(0, 1))["x"], expected)
