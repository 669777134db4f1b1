import dataclasses
from collections import OrderedDict, UserDict, UserList
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.dataset import ListDataset, TableDataset, TransformDataset, take

SAMPLES = [{"input": 1, "target": 10}, {"input": 2, "target": 20}]


def table():
    return TableDataset({"input": np.arange(4), "target": np.arange(4) * 10})


def double(value):
    return value * 2


def named(value):
    """Works on NumPy values only."""
    return np.asarray(value) * 2


def test_a_function_gets_the_sample():
    assert list(TransformDataset([1, 2], double)) == [2, 4]


def test_a_function_with_a_key_gets_the_field():
    dataset = TransformDataset(SAMPLES, double, key="input")
    assert list(dataset) == [{"input": 2, "target": 10}, {"input": 4, "target": 20}]


def test_a_mapping_gives_each_field_its_function():
    dataset = TransformDataset(SAMPLES, {"target": str, "input": double})
    assert dataset[1] == {"input": 4, "target": "20"}


def test_an_empty_mapping_changes_nothing():
    assert list(TransformDataset(SAMPLES, {})) == SAMPLES


def test_the_length_stays():
    assert len(TransformDataset(SAMPLES, double)) == 2


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"transform": lambda sample, index: (sample["input"], index)}, (2, 1)),
        (
            {"transform": lambda field, index: (field, index), "key": "input"},
            {"input": (2, 1), "target": 20},
        ),
        (
            {"transform": {"target": lambda field, index: field + index}},
            {"input": 2, "target": 21},
        ),
    ],
    ids=["sample", "key", "mapping"],
)
def test_with_index_passes_the_index_too(options, expected):
    assert TransformDataset(SAMPLES, with_index=True, **options)[1] == expected


@pytest.mark.parametrize(
    "sample", [{"x": 1}, UserDict({"x": 1}), [1]], ids=["dict", "mapping", "list"]
)
def test_a_function_that_changes_its_sample_leaves_the_one_below(sample):
    def clear(sample):
        sample.clear()
        return sample

    assert len(TransformDataset([sample], clear)[0]) == 0
    assert len(sample) == 1


def subtract_one(value):
    value -= 1
    return value


def set_x(row):
    row["x"] -= 1
    return row["x"]


def append_to_first(rows):
    rows[0].append(2)
    return rows


def writes(field):
    """A function that writes into the array of a field."""

    def write(sample):
        sample[field][...] = -1
        return sample

    return write


@dataclasses.dataclass
class Tensor:
    """Like a tensor of torch: memory that NumPy sees, and that may be written to."""

    rows: np.ndarray

    def __array__(self, dtype=None, copy=None):
        return self.rows

    def clone(self):
        return Tensor(self.rows.copy())

    def __isub__(self, other):
        self.rows -= other
        return self


class Record(dict):
    """A mapping that JAX does not know."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Pair:
    left: np.ndarray
    right: np.ndarray


@pytest.mark.parametrize(
    ("below", "options"),
    [
        ([{"x": np.arange(3)}], {"transform": writes("x")}),
        ([{"x": {"y": np.arange(3)}}], {"transform": lambda s: writes("y")(s["x"])}),
        ([(np.arange(3), 1)], {"transform": writes(0)}),
        ([[np.arange(3)]], {"transform": writes(0)}),
        (
            [OrderedDict(x=np.arange(3))],
            {"transform": lambda sample: writes("x")(sample).popitem()},
        ),
        (
            [Pair(np.arange(3), np.arange(2))],
            {"transform": lambda pair: subtract_one(pair.left)},
        ),
        ([{"x": np.arange(3)}], {"transform": subtract_one, "key": "x"}),
        ([{"x": np.arange(3)}], {"transform": {"x": subtract_one}}),
        ([np.arange(3)], {"transform": subtract_one}),
        (np.arange(6).reshape(2, 3), {"transform": subtract_one}),
        (np.arange(6).reshape(2, 3), {"transform": subtract_one, "batched": True}),
        ([{"x": [1]}], {"transform": append_to_first, "key": "x", "batched": True}),
        ([[1, 2]], {"transform": lambda tokens: tokens.append(3) or tokens}),
        ([Tensor(np.arange(3))], {"transform": subtract_one}),
        ([Record(x=np.arange(3))], {"transform": writes("x")}),
        ([UserDict(x=np.arange(3))], {"transform": writes("x")}),
        ([UserList([np.arange(3)])], {"transform": writes(0)}),
        (
            [MappingProxyType({"x": np.arange(3)})],
            {"transform": lambda sample: subtract_one(sample["x"])},
        ),
        (np.zeros(2, [("x", np.float32)]), {"transform": set_x}),
        (ListDataset([np.arange(3)], lambda item: item), {"transform": subtract_one}),
    ],
)
def test_a_function_that_writes_to_arrays_leaves_those_below(below, options):
    before = repr(list(below))
    dataset = TransformDataset(below, **options)
    once, again = dataset[0], dataset[0]
    take(dataset, [0, 0])
    assert repr(once) == repr(again)
    assert repr(list(below)) == before


def test_what_cannot_be_written_to_is_not_copied():
    fixed = np.arange(3)
    fixed.flags.writeable = False
    device = jnp.arange(3)
    seen = TransformDataset([(fixed, device, "text")], lambda sample: sample)[0]
    assert seen[0] is fixed
    assert seen[1] is device


def test_a_field_of_any_mapping_may_be_changed():
    below = UserDict({"x": 1})
    assert TransformDataset([below], double, key="x")[0] == {"x": 2}
    assert below["x"] == 1


def test_take_stacks_transformed_samples():
    batch = TransformDataset(SAMPLES, double, key="input").take([[1, 0]])
    assert batch["input"].tolist() == [[4, 2]]


@pytest.mark.parametrize("indices", [1, [], [3, 1], [[0, 1], [2, 3]]], ids=str)
def test_a_batched_function_gives_what_a_function_of_one_gives(indices):
    one = TransformDataset(table(), double, key="input")
    many = TransformDataset(table(), double, key="input", batched=True)
    assert many[2] == one[2]
    np.testing.assert_equal(many.take(indices), one.take(indices))


def test_a_batched_function_is_called_once():
    calls = []
    dataset = TransformDataset(
        table(), lambda rows: calls.append(rows.shape) or rows, "input", batched=True
    )
    dataset.take([[0, 1, 2], [1, 2, 3]])
    assert calls == [(6,)]


def test_a_batched_function_gets_the_indices():
    def add(rows, indices):
        return rows + 100 * indices

    dataset = TransformDataset(table(), add, "target", batched=True, with_index=True)
    assert dataset.take([[3, 1]])["target"].tolist() == [[330, 110]]
    assert dataset[2]["target"] == 220


def test_a_batched_function_may_keep_strings_in_lists():
    def shout(batch):
        return {**batch, "s": [word.upper() for word in batch["s"]]}

    words = [{"s": "a", "n": 0}, {"s": "b", "n": 1}]
    dataset = TransformDataset(words, shout, batched=True)
    assert dataset[1] == {"s": "B", "n": 1}
    assert dataset.take([[1, 0]])["s"] == [["B", "A"]]


def test_a_batched_function_that_uses_jax_gives_numpy_samples():
    dataset = TransformDataset(table(), jnp.negative, key="input", batched=True)
    assert not isinstance(dataset[1]["input"], jax.Array)


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("indices", [2, [3, 0], [[0, 1], [2, 3]]], ids=str)
def test_on_a_device_the_function_is_traced(batched, indices):
    dataset = TransformDataset(table(), {"input": jnp.square}, batched=batched)
    read = jax.jit(lambda dataset, indices: dataset.take(indices))
    batch = read(jax.device_put(dataset), np.array(indices))
    assert batch["input"].tolist() == np.square(indices).tolist()


@pytest.mark.parametrize("batched", [True, False])
def test_on_a_device_a_fixed_index_may_be_read_in_compiled_code(batched):
    dataset = jax.device_put(TransformDataset(table(), double, "input", batched))
    assert int(jax.jit(lambda dataset: dataset[3])(dataset)["input"]) == 6


def test_on_a_device_a_batched_function_gives_jax_samples():
    keys = jax.random.split(jax.random.key(0), 3)
    dataset = TransformDataset(TableDataset(keys), lambda keys: keys, batched=True)
    assert dataset[1] == keys[1]


def test_on_a_device_take_calls_the_function_once_for_all():
    calls = []
    dataset = TransformDataset(table(), lambda s: calls.append(s["input"]) or s)
    jax.device_put(dataset).take([0, 1, 2])
    assert len(calls) == 1


def test_on_a_device_the_index_is_passed_on():
    dataset = TransformDataset(table(), lambda s, i: s["input"] + i, with_index=True)
    assert jax.device_put(dataset).take([[1, 3]]).tolist() == [[2, 6]]


def test_jax_indices_that_are_not_traced_read_any_dataset():
    dataset = TransformDataset(ListDataset([1, 2], float), str)
    assert dataset.take(jnp.array([1, 0])) == ["2.0", "1.0"]
    assert dataset[jnp.int32(1)] == "2.0"


def test_shapes_are_known_of_batches_and_on_a_device():
    one = TransformDataset(table(), double, "input")
    assert one.uniform_length == 0
    assert jax.device_put(one).uniform_length == 4
    assert TransformDataset(table(), double, "input", batched=True).uniform_length == 4


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"transform": None}, TypeError, r"function or \{field: function\}, got None"),
        ({"transform": [double]}, TypeError, r"got \[double\].*compose\(\["),
        ({"transform": (double, double)}, TypeError, r"got \(double, double\)"),
        ({"transform": {"x": 3}}, TypeError, r"got \(\('x', 3\)\)"),
        ({"transform": {"x": double}, "key": "x"}, ValueError, r"key=.*; got both"),
    ],
)
def test_refuses(options, error, message):
    with pytest.raises(error, match=message):
        TransformDataset(SAMPLES, **options)


def test_a_list_of_fields_is_no_field():
    with pytest.raises(KeyError, match=r"no field \['input', 'target'\], only"):
        TransformDataset(SAMPLES, double, key=["input", "target"])[0]


@pytest.mark.parametrize("options", [{"key": "x"}, {"batched": True, "key": "x"}])
def test_names_the_fields_when_one_is_missing(options):
    with pytest.raises(KeyError, match=r"no field 'x', only \['input', 'target'\]"):
        TransformDataset(SAMPLES, double, **options)[0]


def test_a_field_is_asked_for_of_dicts_only():
    with pytest.raises(TypeError, match=r"samples must be dicts; got \(1, 2\)"):
        TransformDataset([(1, 2)], double, key="input")[0]


@pytest.mark.parametrize(
    "function",
    [
        named,
        lambda value: value if value else value,
        lambda value: "ab"[value],
        lambda value: np.zeros(int(value)),
    ],
    ids=["array", "truth", "integer", "shape"],
)
def test_a_function_that_cannot_be_traced_is_named(function):
    dataset = jax.device_put(TransformDataset(table(), function, key="input"))
    message = rf"transform of TransformDataset.*{function.__name__}.*with jax\.numpy"
    with pytest.raises(TypeError, match=message):
        jax.jit(lambda dataset, index: dataset[index])(dataset, 0)


def test_a_batched_function_that_cannot_be_traced_is_named():
    dataset = jax.device_put(TransformDataset(table(), named, "input", batched=True))
    with pytest.raises(TypeError, match=r"transform of TransformDataset.*named.*NumPy"):
        jax.jit(lambda dataset: dataset.take([0, 1]))(dataset)


@pytest.mark.parametrize(
    ("function", "came"),
    [
        (lambda rows: rows[:1], r"int64\[1\]"),
        (lambda rows: rows.sum(), r"int64\[\]"),
        (lambda rows: ["one"], r"\['one'\]"),
    ],
    ids=["fewer", "none", "list"],
)
def test_a_batched_function_must_return_as_many_rows(function, came):
    dataset = TransformDataset(table(), function, "input", batched=True)
    with pytest.raises(ValueError, match=rf"given 3 samples .*many rows, got {came}"):
        dataset.take([0, 1, 2])
