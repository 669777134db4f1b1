"""The laws of every dataset, over one table. A dataset without a row fails."""

import atexit
import copy
import dataclasses
import functools
import json
import operator
import os
import pickle
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tntjax.dataset
import tntjax.vision
from tests.garbage import left_by
from tntjax._types import Dataset
from tntjax.dataset import (
    BatchDataset,
    BucketDataset,
    BudgetDataset,
    ConcatDataset,
    CoroutineBatchDataset,
    IndexedDataset,
    IndexedDatasetReader,
    IndexedDatasetWriter,
    ListDataset,
    PackDataset,
    ResampleDataset,
    ShuffleDataset,
    SplitDataset,
    TableDataset,
    TransformDataset,
    take,
    weighted_sampler,
)
from tntjax.dataset._many import read_samples
from tntjax.dataset._protocol import find_spec
from tntjax.iterator import DatasetIterator, ParallelDatasetIterator
from tntjax.vision import CocoDetection, ImageFolder, ImageNet


def table(length=13):
    rows = np.arange(length, dtype=np.int32)
    return TableDataset({"x": np.stack([rows, rows * rows], 1), "y": rows % 3})


def listed():
    return [{"x": np.full(2, n), "y": n} for n in range(13)]


def ragged():
    return [
        {"x": np.arange(n % 4 + 1), "y": np.arange(n % 4 + 1) * 0.5} for n in range(13)
    ]


def graphs():
    """Paths of up to four nodes, with a label."""
    return [
        {"node": np.ones(n, np.float32), "from": np.arange(n - 1), "label": n % 3}
        for n in (1, 3, 2, 4, 2, 1, 3)
    ]


def measure_graph(graph):
    return {"nodes": len(graph["node"]), "edges": len(graph["from"])}


def budgeted(**options):
    budgets = {"nodes": 5, "edges": 4, "graphs": 2}
    fields = {"node": "nodes", "from": "edges", "label": "graphs"}
    options = {"offsets": {"from": "nodes"}, **options}
    return lambda: BudgetDataset(graphs(), budgets, measure_graph, fields, **options)


def load(item):
    return {"x": np.arange(3) * int(item), "y": 1.5}


def load_path(item):
    return load(item.removeprefix("folder/"))


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Pair:
    """A pytree that is neither dict nor tuple."""

    left: object
    right: object


def nodes(item):
    return OrderedDict(b=Pair(np.arange(2) + item, {"n": item}), a=(1.5, np.eye(2)))


def affine(sample):
    return jax.tree.map(lambda leaf: leaf * 2 + 1, sample)


def in_place(sample):
    """What Torchnet's transforms often do."""
    sample["z"] = sample.pop("x") * 2
    return sample


def add_index(sample, index):
    """Adds the index to each leaf, for one sample and for many."""

    def add(leaf):
        return leaf + index.reshape(index.shape + (1,) * (leaf.ndim - index.ndim))

    return jax.tree.map(add, sample)


def add_number(sample, index):
    return jax.tree.map(lambda leaf: leaf + index, sample)


def backwards(position):
    return 12 - position


def flipped(dataset, index):
    return len(dataset) - 1 - index


def merge(fields):
    return {name: np.stack(values)[::-1] for name, values in fields.items()}


def some(sample):
    return int(np.sum(jax.tree.leaves(sample)[0])) % 5 > 0


@dataclasses.dataclass(frozen=True)
class Case:
    """A dataset, and what may be asked of it.

    make: makes it, on the host.
    traced: on a device it can be read by compiled code.
    alike: how many of its first samples can be stacked, None for all.
    """

    make: Callable
    traced: bool = False
    alike: int | None = None


def batched(*args, **options):
    return lambda: BatchDataset(table(), *args, **options)


@dataclasses.dataclass(frozen=True)
class Later:
    """Sample `number` when it is called; deferred reads are made of such."""

    number: int

    def __call__(self):
        return load(self.number)


def deferred(*args, **options):
    promises = ListDataset(range(13), Later)
    return lambda: CoroutineBatchDataset(promises, *args, **options)


def keyed(*args, **options):
    """A shuffle without a table, as more than a million samples have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tntjax.dataset._shuffle.MOST_IN_TABLE", 0)
        return ShuffleDataset(*args, **options)


@functools.cache
def archives():
    """A folder with archives of 13 items: x of one shape, y of another, and tables."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    columns = {"x": ("int", table()), "y": ("byte", table()), "table": ("table", None)}
    for name, (kind, _) in columns.items():
        names = f"{folder}/{name}.idx", f"{folder}/{name}.bin"
        with IndexedDatasetWriter(*names, kind) as writer:
            for sample in table():
                row = {"x": sample["x"], "y": np.uint8(sample["y"]), "table": sample}
                writer.add(row[name])
    return folder


def indexed(*fields, **options):
    return lambda: IndexedDataset(fields, path=archives(), **options)


def reader(name, **options):
    folder = archives()
    names = f"{folder}/{name}.idx", f"{folder}/{name}.bin"
    return IndexedDatasetReader(*names, **options)


@functools.cache
def pictures():
    """A folder of images as ImageNet has them, and COCO's list of some of them."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    boxes = [(1, 1), (1, 4), (3, 9), (3, 4), (4, 1)]  # of which image and category
    listed = {"images": [], "categories": [{"id": n, "name": "x"} for n in (1, 4, 9)]}
    for number in range(5):
        name = f"train/n0{number % 2:07}/{number}.ppm"
        os.makedirs(os.path.dirname(f"{folder}/{name}"), exist_ok=True)
        with open(f"{folder}/{name}", "wb") as file:
            file.write(b"P6 4 3 255\n" + bytes(range(number, number + 36)))
        row = {"id": number, "file_name": name, "height": 3, "width": 4}
        listed["images"].append(row)
    listed["annotations"] = [
        {"image_id": i, "category_id": k, "bbox": [0, i, k, 1]} for i, k in boxes
    ]
    with open(f"{folder}/instances.json", "w") as file:
        json.dump(listed, file)
    return folder


WITH_TEXT = {"CocoCaptions"}
"""Datasets whose samples hold strings, which are no arrays; they have their tests."""


CASES = {
    "TableDataset": Case(table, traced=True),
    "TableDataset, tuple": Case(
        lambda: TableDataset((np.eye(4), {"y": np.arange(4)})), traced=True
    ),
    "TableDataset, nodes": Case(
        lambda: TableDataset(take([nodes(n) for n in range(5)], range(5))), traced=True
    ),
    "TableDataset, array": Case(lambda: TableDataset(np.arange(4)), traced=True),
    "ListDataset": Case(lambda: ListDataset(range(9), load)),
    "ListDataset, nodes": Case(lambda: ListDataset(range(5), nodes)),
    "ListDataset, array": Case(lambda: ListDataset(np.arange(5), load)),
    "ListDataset, path": Case(lambda: ListDataset(["1", "4"], load_path, "folder")),
    "TransformDataset": Case(lambda: TransformDataset(table(), affine), traced=True),
    "TransformDataset, in place": Case(
        lambda: TransformDataset(table(), in_place), traced=True
    ),
    "TransformDataset, list": Case(lambda: TransformDataset(listed(), in_place)),
    "TransformDataset, key": Case(
        lambda: TransformDataset(table(), abs, key="x"), traced=True
    ),
    "TransformDataset, fields": Case(
        lambda: TransformDataset(table(), {"x": abs, "y": operator.neg}), traced=True
    ),
    "TransformDataset, index": Case(
        lambda: TransformDataset(table(), add_number, with_index=True), traced=True
    ),
    "TransformDataset, nodes": Case(
        lambda: TransformDataset(table(), nodes, key="y"),
        traced=True,
    ),
    "TransformDataset, batched": Case(
        lambda: TransformDataset(table(), in_place, batched=True), traced=True
    ),
    "TransformDataset, batched, index": Case(
        lambda: TransformDataset(table(), add_index, batched=True, with_index=True),
        traced=True,
    ),
    "TransformDataset, batched, list": Case(
        lambda: TransformDataset(listed(), in_place, batched=True)
    ),
    "BatchDataset": Case(batched(3), traced=True, alike=4),
    "BatchDataset, skip-last": Case(batched(3, policy="skip-last"), traced=True),
    "BatchDataset, divisible-only": Case(
        batched(1, policy="divisible-only"), traced=True
    ),
    "BatchDataset, pad-last": Case(batched(3, policy="pad-last"), traced=True),
    "BatchDataset, perm": Case(batched(3, perm=backwards), alike=4),
    "BatchDataset, merge": Case(batched(3, merge=merge), alike=4),
    "BatchDataset, filter": Case(batched(3, policy="pad-last", filter=some)),
    "BatchDataset, list": Case(lambda: BatchDataset(listed(), 3), alike=4),
    "BatchDataset, batches": Case(
        lambda: BatchDataset(batched(3, policy="pad-last")(), 2), traced=True, alike=2
    ),
    "BucketDataset": Case(lambda: BucketDataset(ragged(), 3, shapes=2), alike=2),
    "BucketDataset, tokens": Case(
        lambda: BucketDataset(ragged(), None, "x", tokens=8, shapes=1, seed=0)
    ),
    "PackDataset": Case(lambda: PackDataset(ragged(), 5)),
    "PackDataset, seed": Case(lambda: PackDataset(ragged(), 5, 4, seed=0, fill=-1)),
    "BudgetDataset": Case(budgeted()),
    "BudgetDataset, seed": Case(budgeted(seed=0, epoch=3)),
    "CoroutineBatchDataset": Case(deferred(3), alike=4),
    "CoroutineBatchDataset, pad-last": Case(deferred(3, policy="pad-last")),
    "CoroutineBatchDataset, perm": Case(
        deferred(4, perm=backwards, concurrency=2), alike=3
    ),
    "CoroutineBatchDataset, merge": Case(deferred(3, merge=merge), alike=4),
    "CoroutineBatchDataset, not deferred": Case(
        lambda: CoroutineBatchDataset(table(), 3, policy="skip-last")
    ),
    "IndexedDataset": Case(indexed("x", "y")),
    "IndexedDataset, tables": Case(indexed("y", "table", max_load=9)),
    "IndexedDataset, standalone": Case(indexed("x", standalone=True)),
    "IndexedDataset, not mapped": Case(indexed("x", "table", mmap=False)),
    "IndexedDatasetReader": Case(lambda: reader("x")),
    "IndexedDatasetReader, tables": Case(lambda: reader("table", mmap=False)),
    "ImageFolder": Case(lambda: ImageFolder(f"{pictures()}/train")),
    "ImageNet": Case(lambda: ImageNet(pictures())),
    "CocoDetection": Case(
        lambda: CocoDetection(pictures(), f"{pictures()}/instances.json", empty="drop"),
        alike=2,
    ),
    "ConcatDataset": Case(
        lambda: ConcatDataset([table(0), table(5), table(0), table(3)]), traced=True
    ),
    "ConcatDataset, one": Case(lambda: ConcatDataset([table(5)]), traced=True),
    "ConcatDataset, kinds": Case(
        lambda: ConcatDataset([table(4), listed(), TransformDataset(table(), affine)])
    ),
    "ConcatDataset, batches": Case(
        lambda: ConcatDataset([batched(3)(), batched(3)()]), traced=True, alike=4
    ),
    "ResampleDataset": Case(lambda: ResampleDataset(table(), flipped)),
    "ResampleDataset, size": Case(
        lambda: ResampleDataset(table(), size=4), traced=True
    ),
    "ResampleDataset, batched": Case(
        lambda: ResampleDataset(table(), flipped, 9, batched=True), traced=True
    ),
    "ResampleDataset, weights": Case(
        lambda: ResampleDataset(table(), weighted_sampler(range(13), seed=3), 40),
        traced=True,
    ),
    "ResampleDataset, list": Case(
        lambda: ResampleDataset(listed(), flipped, batched=True)
    ),
    "ShuffleDataset": Case(lambda: ShuffleDataset(table(), seed=1), traced=True),
    "ShuffleDataset, replacement": Case(
        lambda: ShuffleDataset(table(), 1, size=20, replacement=True), traced=True
    ),
    "ShuffleDataset, list": Case(lambda: ShuffleDataset(listed(), seed=1, size=5)),
    "ShuffleDataset, keyed": Case(lambda: keyed(table(), seed=1), traced=True),
    "ShuffleDataset, keyed, replacement": Case(
        lambda: keyed(table(), 1, size=20, replacement=True), traced=True
    ),
    "ShuffleDataset, keyed, list": Case(lambda: keyed(listed(), seed=1, size=5)),
    "SplitDataset": Case(
        lambda: SplitDataset(table(), {"a": 0.3, "b": 0.5}, "b"), traced=True
    ),
    "SplitDataset, list": Case(
        lambda: SplitDataset(listed(), {"a": 3, "b": 8}).select("a")
    ),
}


def rows(chosen):
    """Parametrizes a law; in the fast lane it is asked once a family."""
    return pytest.mark.parametrize(
        "case",
        [
            pytest.param(case, id=name, marks=[pytest.mark.slow] * ("," in name))
            for name, case in CASES.items()
            if chosen(name, case)
        ],
    )


every_dataset = rows(lambda name, case: True)
every_traced_dataset = rows(lambda name, case: case.traced)
one_a_family = rows(lambda name, case: "," not in name)  # what the base sees to


def samples_of(dataset):
    return [dataset[index] for index in range(len(dataset))]


def dtypes(sample):
    """The dtype that JAX has for each leaf; NumPy's own for what JAX has no array."""

    def dtype(leaf):
        own = np.asarray(leaf).dtype
        return jax.dtypes.canonicalize_dtype(own) if own.kind in "biufc" else own.kind

    return jax.tree.map(dtype, sample)


def assert_equal(value, expected):
    assert jax.tree.structure(value) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, value, expected)
    assert dtypes(value) == dtypes(expected)


def stacked(dataset, indices):
    """What `take` must give: samples one by one, put together by NumPy."""
    samples = [dataset[int(index)] for index in np.ravel(indices)]

    def stack(*rows):
        return np.stack(rows).reshape(np.shape(indices) + np.shape(rows[0]))

    return jax.tree.map(stack, *samples)


def indices_of(case, dataset):
    """Indices of shapes [], [n] and [2, 3], of samples that can be stacked."""
    number = len(dataset) if case.alike is None else case.alike
    some = np.random.default_rng(0).integers(number, size=(2, 3))
    return [some[0, 0], some[0], some, np.arange(number)[::-1]]


def test_every_dataset_is_in_the_table():
    exported = {
        name
        for package in (tntjax.dataset, tntjax.vision)
        for name in package.__all__
        if hasattr(getattr(package, name), "_take")
    }
    assert exported - WITH_TEXT == {name.split(",")[0] for name in CASES}


@every_dataset
def test_follows_the_protocol(case):
    assert isinstance(case.make(), Dataset)


@every_dataset
def test_an_index_gives_equal_samples_each_time(case):
    dataset = case.make()
    assert_equal(samples_of(dataset), samples_of(dataset))


@one_a_family
@pytest.mark.parametrize(
    "read",
    [
        lambda d, i: d[i],
        take,
        lambda d, i: take(d, [i]),
        lambda d, i: d[jnp.int32(i)],
        lambda d, i: take(d, jnp.array([[i]])),
    ],
    ids=["get", "take", "take one", "get of JAX", "take of JAX"],
)
def test_an_index_below_0_or_at_the_length_is_an_error(case, read):
    dataset = case.make()
    for index in (len(dataset), -1):
        message = f"{type(dataset).__name__} has .* samples, .*got index {index}"
        with pytest.raises(IndexError, match=message):
            read(dataset, index)


@one_a_family
def test_an_index_below_0_or_at_the_length_is_an_error_on_a_device_too(case):
    dataset = jax.device_put(case.make())
    for index in (len(dataset), -1):
        message = f"{type(dataset).__name__} has .* samples, .*got index {index}"
        for wrong in (index, jnp.int32(index)):
            with pytest.raises(IndexError, match=message):
                dataset[wrong]
        for wrong in ([0, index], jnp.array([[0, index]])):
            with pytest.raises(IndexError, match=message):
                take(dataset, wrong)


NO_INDEX = [1.0, "0", None, slice(2), np.arange(2), jnp.arange(2), True, np.True_]


@one_a_family
@pytest.mark.parametrize("index", NO_INDEX, ids=str)
def test_an_index_is_an_integer(case, index):
    with pytest.raises(TypeError, match=r"\w\[index\] needs one integer, got"):
        case.make()[index]


@one_a_family
def test_a_bool_is_not_an_index(case):
    for dataset in (case.make(), jax.device_put(case.make())):
        for index in (True, np.True_, np.array(True), jnp.array(True)):
            with pytest.raises(TypeError, match="integer.*, got"):
                dataset[index]
            with pytest.raises(TypeError, match=r"integer indices, got bool\[\]"):
                take(dataset, index)


@one_a_family
@pytest.mark.parametrize(
    "indices",
    [
        [False, True],
        [0, True],
        [np.int64(0), np.True_],
        [[0], [False]],
        [np.array([0]), np.array([True])],
        np.array([True, False]),
        np.zeros(0, bool),
        jnp.array([True]),
        [jnp.int32(0), True],
    ],
    ids=str,
)
def test_bools_are_no_indices(case, indices):
    for dataset in (case.make(), jax.device_put(case.make())):
        with pytest.raises(TypeError, match="Expected integer indices, got"):
            take(dataset, indices)


@one_a_family
@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.array, jnp.uint8, jnp.int32])
def test_an_index_may_be_an_integer_of_numpy_or_jax(case, kind):
    dataset = case.make()
    last = len(dataset) - 1
    assert_equal(dataset[kind(last)], dataset[last])
    assert_equal(take(dataset, kind([last])), take(dataset, [last]))


@pytest.mark.parametrize(
    "make",
    [
        lambda dataset: TransformDataset(dataset, abs),
        lambda dataset: BatchDataset(dataset, 2),
        lambda dataset: CoroutineBatchDataset(dataset, 2),
        lambda dataset: ConcatDataset([dataset]),
        lambda dataset: ShuffleDataset(dataset, 0),
        lambda dataset: SplitDataset(dataset, {"a": 1, "b": 1}),
        lambda dataset: BucketDataset(dataset, 2),
        lambda dataset: PackDataset(dataset, 2),
        lambda dataset: BudgetDataset(dataset, {"n": 2}, {}, {"x": "n"}),
        ResampleDataset,
    ],
)
@pytest.mark.parametrize("dataset", [5, None, iter([1]), list], ids=type)
def test_what_is_no_dataset_is_refused_at_once(make, dataset):
    with pytest.raises(TypeError, match=r"Dataset.* needs a dataset \(anything"):
        make(dataset)


@one_a_family
def test_iterating_is_indexing(case):
    dataset = case.make()
    assert_equal(list(dataset), samples_of(dataset))


def test_what_was_read_and_the_dataset_are_gone_with_their_names():
    """No cycle keeps files open, or makes garbage of each batch."""

    def read():
        for case in CASES.values():
            dataset = case.make()
            samples_of(dataset)
            take(dataset, indices_of(case, dataset)[1])

    assert left_by(read) == []


@every_dataset
def test_survives_pickle(case):
    dataset = case.make()
    assert_equal(samples_of(pickle.loads(pickle.dumps(dataset))), samples_of(dataset))


@every_dataset
def test_the_repr_names_the_class_and_no_address(case):
    shown = repr(case.make())
    assert shown.startswith(f"{type(case.make()).__name__}(")
    assert " at 0x" not in shown  # a temporary folder may be called tmp0x


@every_dataset
def test_reading_changes_nothing_below(case):
    dataset = case.make()
    below = dataset.dataset if hasattr(dataset, "dataset") else dataset
    before = copy.deepcopy(samples_of(below))
    samples_of(dataset)
    for indices in indices_of(case, dataset):
        take(dataset, indices)
    assert_equal(samples_of(below), before)


@every_dataset
def test_take_stacks_samples(case):
    dataset = case.make()
    for indices in indices_of(case, dataset):
        assert_equal(take(dataset, indices), stacked(dataset, indices))
        assert_equal(dataset.take(indices.tolist()), stacked(dataset, indices))


@every_dataset
def test_take_keeps_the_dtypes_of_samples(case):
    dataset = case.make()
    own = jax.tree.map(lambda leaf: np.asarray(leaf).dtype, dataset[0])
    batch = take(dataset, [0, 0])
    assert jax.tree.map(lambda leaf: leaf.dtype, batch) == own


@every_dataset
def test_a_batch_is_arrays_of_its_own(case):
    dataset = case.make()
    for indices in ([0], [0, 0], np.zeros((1, 2), int), np.arange(case.alike or 2)):
        batch, expected = take(dataset, indices), stacked(dataset, indices)
        for leaf in jax.tree.leaves(batch):
            assert leaf.flags.writeable
            leaf[...] = 7
        assert_equal(take(dataset, indices), expected)


@every_dataset
def test_take_of_nothing_has_the_shapes_of_samples(case):
    dataset = case.make()
    batch = take(dataset, np.zeros((2, 0), int))
    expected = jax.tree.map(lambda leaf: (2, 0, *np.shape(leaf)), dataset[0])
    assert jax.tree.map(np.shape, batch) == expected


@every_dataset
def test_many_samples_are_those_that_are_read_one_by_one(case):
    for dataset in (case.make(), jax.device_put(case.make())):
        for indices in ([len(dataset) - 1, 0, 0], []):
            expected = [dataset[index] for index in indices]
            assert_equal(list(read_samples(dataset, indices)), expected)


@pytest.mark.slow
@every_dataset
def test_threads_read_what_one_thread_reads(case):
    dataset = case.make()
    indices = [index % len(dataset) for index in range(100)]
    with ThreadPoolExecutor(8) as threads:
        samples = list(threads.map(dataset.__getitem__, indices))
    assert_equal(samples, [dataset[index] for index in indices])


@every_dataset
def test_a_round_trip_through_the_leaves_keeps_all(case):
    dataset = case.make()
    leaves, structure = jax.tree.flatten(dataset)
    assert_equal(samples_of(jax.tree.unflatten(structure, leaves)), samples_of(dataset))


@every_dataset
def test_may_be_put_on_a_device(case):
    dataset = case.make()
    assert_equal(samples_of(jax.device_put(dataset)), samples_of(dataset))


@one_a_family
def test_cannot_be_changed(case):
    dataset = case.make()
    for name in vars(dataset):
        with pytest.raises(AttributeError, match="cannot assign"):
            setattr(dataset, name, None)


@every_dataset
def test_samples_that_are_said_to_be_alike_are_alike(case):
    dataset = case.make()
    alike = find_spec(dataset).alike
    assert alike <= len(dataset)
    kinds = [
        jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), dataset[index])
        for index in range(alike)
    ]
    assert all(kind == kinds[0] for kind in kinds)


@every_dataset
def test_the_bytes_of_a_sample_are_known(case):
    dataset = case.make()
    if hasattr(dataset, "merge"):  # of what a user's function makes nothing is known
        dataset = dataclasses.replace(dataset, merge=None)
    sizes = [np.asarray(leaf).nbytes for leaf in jax.tree.leaves(dataset[0])]
    assert find_spec(dataset).bytes() == sum(sizes)


@every_dataset
def test_says_whether_compiled_code_can_read_it(case):
    assert not find_spec(case.make()).on_device
    assert find_spec(jax.device_put(case.make())).on_device == case.traced


@pytest.mark.slow
@every_traced_dataset
def test_compiled_code_reads_what_the_host_reads(case):
    dataset = case.make()
    read = jax.jit(take)
    for indices in indices_of(case, dataset):
        batch = read(jax.device_put(dataset), indices)
        assert_equal(batch, stacked(dataset, indices))


@every_traced_dataset
def test_other_indices_and_other_leaves_compile_nothing(case):
    traces = []

    @jax.jit
    def read(dataset, indices):
        traces.append(indices)
        return take(dataset, indices)

    dataset = jax.device_put(case.make())
    changed = jax.tree.map(lambda leaf: leaf[::-1], dataset)
    for one in (dataset, changed):
        for indices in ([0, 1], [1, 1]):
            read(one, np.array(indices))
    assert len(traces) == 1


@rows(lambda name, case: not case.traced)
def test_what_compiled_code_cannot_read_says_so(case):
    dataset = case.make()
    with pytest.raises(TypeError, match=r"(on|in) (the host|NumPy)|holds NumPy arrays"):
        jax.jit(lambda index: take(dataset, index))(0)


LEAVES = {
    "table": table,
    "list": lambda: listed(),
    "loaded": lambda: ListDataset(range(13), load),
    "archive": indexed("x"),
}


def transformed(draw, dataset):
    many, index = draw(st.booleans()), draw(st.booleans())
    if draw(st.booleans()):
        name = next(iter(dataset[0]))
        change = draw(st.sampled_from([{name: affine}, {}]))
        return TransformDataset(dataset, change, batched=many)
    key = draw(st.sampled_from([None, *dataset[0]]))
    change = (add_index if many else add_number) if index else affine
    return TransformDataset(dataset, change, key, many, index)


def shuffled(draw, dataset):
    size, again = draw(st.integers(1, 30)), draw(st.booleans())
    size = size if again else min(size, len(dataset))
    make, seed = draw(st.sampled_from([ShuffleDataset, keyed])), draw(st.integers(0))
    return make(dataset, seed, size=size, replacement=again)


def joined(draw, dataset):
    return ConcatDataset([dataset] * draw(st.integers(1, 3)))


def resampled(draw, dataset):
    length = len(dataset)
    if draw(st.booleans()):
        weights = draw(st.lists(st.floats(0.1, 9), min_size=length, max_size=length))
        return ResampleDataset(dataset, weighted_sampler(weights, 5), 2 * length)
    size, many = draw(st.integers(1, length)), draw(st.booleans())
    return ResampleDataset(dataset, flipped, size, batched=many)


def split(draw, dataset):
    part = draw(st.integers(0, len(dataset) - 1))
    return SplitDataset(dataset, {"a": part, "b": len(dataset) - part}, "b")


def in_batches(draw, dataset):
    assume(alike(dataset) == list(range(len(dataset))))
    size = draw(st.integers(1, 5))
    options = {"policy": draw(st.sampled_from(["include-last", "skip-last"]))}
    if len(dataset) % size == 0 and draw(st.booleans()):
        options["policy"] = "divisible-only"
    if draw(st.booleans()):
        options["perm"] = lambda position: len(dataset) - 1 - position
    if draw(st.booleans()):
        options["merge"] = merge
    if draw(st.booleans()):
        options["filter"] = some
        assume("merge" not in options or any(map(some, dataset)))
    elif draw(st.booleans()) and "mask" not in dataset[0] and "merge" not in options:
        options["policy"] = "pad-last"
    make = draw(st.sampled_from([BatchDataset, BatchDataset, CoroutineBatchDataset]))
    return make(dataset, size, **options)


WRAPPERS = [transformed, shuffled, joined, resampled, split, in_batches]


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (BatchDataset, ["perm", "merge", "filter"]),
        (CoroutineBatchDataset, ["perm", "merge", "filter"]),
        (lambda data, _, **given: DatasetIterator(data, **given), ["perm", "filter"]),
        (ParallelDatasetIterator, ["init", "perm", "filter", "transform"]),
    ],
)
def test_an_argument_that_is_no_function_is_refused_at_once(make, arguments):
    for argument in arguments:
        with pytest.raises(TypeError, match=rf"needs a .* but {argument} is \[2, 1\]"):
            make(range(9), 3, **{argument: [2, 1]})


@st.composite
def compositions(draw):
    """A dataset under up to four others; batches may be of unequal lengths."""
    dataset = LEAVES[draw(st.sampled_from(["table", "table", *LEAVES]))]()
    for wrapped in draw(st.lists(st.sampled_from(WRAPPERS), max_size=4)):
        dataset = wrapped(draw, dataset)
        assume(len(dataset))
    return dataset


def alike(dataset):
    """The positions of samples that can be stacked with the first."""
    shapes = [jax.tree.map(np.shape, sample) for sample in samples_of(dataset)]
    return [position for position, shape in enumerate(shapes) if shape == shapes[0]]


@pytest.mark.slow
@settings(max_examples=100)
@given(compositions(), st.data())
def test_compositions_read_alike_one_by_one_together_and_compiled(dataset, data):
    shape = data.draw(st.sampled_from([(), (1,), (4,), (2, 3)]))
    seed, positions = data.draw(st.integers(0, 99)), alike(dataset)
    indices = np.random.default_rng(seed).choice(positions, size=shape)
    expected = stacked(dataset, indices)
    assert_equal(take(dataset, indices), expected)
    resident = jax.device_put(dataset)
    assert_equal(take(resident, indices), expected)
    if not find_spec(resident).on_device:
        with pytest.raises(TypeError, match=r"on (the host|NumPy)|holds NumPy arrays"):
            jax.jit(take)(resident, indices)
    elif len(positions) == len(dataset):  # else compiled code fills the shorter up
        assert_equal(jax.jit(take)(resident, indices), expected)


@pytest.mark.slow
@settings(max_examples=30)
@given(compositions(), st.integers(1, 9), st.integers(0, 5))
def test_chunks_of_compositions_hold_their_samples(dataset, room, start):
    samples = samples_of(dataset)[start:]
    for source in (dataset, jax.device_put(dataset)):
        chunks = DatasetIterator(source).chunks(
            0, start, lambda position, size, length: room
        )
        read = [
            chunk.read(jax.tree.map(lambda leaf, row=row: leaf[row], chunk.xs))
            for chunk in chunks
            for row in range(len(chunk))
        ]
        assert_equal(read, samples)


@settings(max_examples=30)
@given(compositions(), st.integers(1, 3), st.integers(0, 5))
def test_workers_read_the_samples_of_compositions(dataset, num_workers, start):
    run = ParallelDatasetIterator(dataset, num_workers).run(0, start)
    assert_equal(list(run), samples_of(dataset)[start:])
