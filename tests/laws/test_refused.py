"""What would be read, counted or written as something else, and is refused."""

import collections
import json
import os
import tempfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tntjax._types import is_dataset


class Series:
    """As one of pandas: `[label]`, which need not be the place."""

    def __init__(self, values, labels):
        self.iloc = np.asarray(values)
        self.labels = list(labels)
        self.shape, self.dtype = self.iloc.shape, self.iloc.dtype

    def __len__(self):
        return len(self.iloc)

    def __getitem__(self, label):
        return self.iloc[self.labels.index(label)]


SHUFFLED = Series([3, 2, 0, 1], labels=[3, 2, 0, 1])
ROWS = tnt.TableDataset(np.arange(4.0))
MASKED = np.ma.array([0.2, 0.9, 0.1], mask=[0, 0, 1])


# ---- datasets -----------------------------------------------------------------------


def test_a_series_is_neither_a_column_nor_a_dataset():
    words = r"data\['target'\] is of pandas.*data\['target'\].to_numpy\(\)"
    with pytest.raises(TypeError, match=words):
        tnt.TableDataset({"input": np.zeros(4), "target": SHUFFLED})
    for wrap in (
        lambda d: tnt.BatchDataset(d, 2),
        lambda d: tnt.ListDataset(d, str),
        tnt.DatasetIterator,
        lambda d: tnt.take(d, [0]),
    ):
        with pytest.raises(TypeError):
            wrap(SHUFFLED)


def test_a_dict_of_arrays_is_not_a_dataset():
    columns = {"input": np.zeros(3), "target": np.zeros(3)}
    with pytest.raises(TypeError, match="of a dict of arrays .* TableDataset"):
        tnt.BatchDataset(columns, 2)
    with pytest.raises(TypeError):
        tnt.DatasetIterator(columns)
    assert is_dataset({0: "a", 1: "b"}) and is_dataset({})


def test_a_filter_that_raises_stop_iteration_is_heard():
    def keep(sample):
        return next(iter([])) if sample == 3 else sample > 4

    with pytest.raises((StopIteration, RuntimeError)):
        tnt.BatchDataset([1, 2, 3, 4, 5, 6], 2, filter=keep)[0]


@pytest.mark.parametrize("nothing", [None, {}, ()])
def test_a_function_of_many_samples_returns_their_rows(nothing):
    rows = tnt.TransformDataset(np.arange(4), lambda x: nothing, batched=True)
    with pytest.raises(ValueError, match="must return the rows of 2 samples, got"):
        tnt.take(rows, [0, 1])


def test_namedtuples_of_other_fields_are_not_stacked_by_place():
    one = collections.namedtuple("One", "a b")
    other = collections.namedtuple("Other", "b a")
    with pytest.raises(TypeError, match="sample 1 is a Other where sample 0 is a One"):
        tnt.BatchDataset([one(1, 2), other(3, 4)], 2)[0]
    batch = tnt.BatchDataset([one(1, 2), one(3, 4)], 2)[0]
    assert batch.a.tolist() == [1, 3]


@pytest.mark.parametrize("position", [{"epoch": "0"}, {"epoch": 1.5}, {"start": True}])
@pytest.mark.parametrize("parallel", [True, False])
def test_a_position_is_of_integers(position, parallel):
    rows = np.arange(4)
    iterator = tnt.DatasetIterator(rows)
    if parallel:
        iterator = tnt.ParallelDatasetIterator(rows, 1)
    with pytest.raises(TypeError, match="A position needs an integer"):
        iterator.run(**position)
    assert list(iterator.run(np.int64(0), np.int64(3))) == [3]


# ---- meters -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "add",
    [
        lambda: tnt.AUCMeter().add(MASKED, [0, 1, 1]),
        lambda: tnt.APMeter().add(MASKED[:, None], np.ones((3, 1), int)),
        lambda: tnt.AverageValueMeter().add(MASKED),
        lambda: tnt.ClassErrorMeter().add(np.eye(3), np.ma.array([0, 1, 2], mask=1)),
        lambda: tnt.MSEMeter().add(MASKED, np.zeros(3)),
        lambda: tnt.LogLossMeter().add(MASKED[:, None], [0, 0, 0]),
        lambda: tnt.take(np.arange(5), np.ma.array([0, 1], mask=[0, 1])),
        lambda: tnt.dataset.weighted_sampler(MASKED, 0),
        lambda: tnt.utils.md5({"x": MASKED}),
        lambda: write(MASKED, "double"),
        lambda: write({"x": MASKED}, "table"),
        lambda: tnt.TransformDataset(ROWS, mask_large, batched=True).take([0, 1]),
        lambda: tnt.TransformDataset(
            tnt.TableDataset({"x": ROWS.data}), {"x": mask_large}, batched=True
        ).take([0, 1]),
    ],
)
def test_masked_arrays_are_refused(add):
    """Their mask would be lost."""
    with pytest.raises(TypeError, match="masked array, whose mask would be lost"):
        add()


def write(item, kind):
    with tempfile.TemporaryDirectory() as folder:
        names = (os.path.join(folder, name) for name in ("a.idx", "a.bin"))
        with tnt.IndexedDatasetWriter(*names, kind) as writer:
            writer.add(item)


def mask_large(x):
    return np.ma.array(x, mask=x > 0)


def test_text_of_any_length_is_batched_and_not_written():
    text = np.array(["a", "long"], np.dtypes.StringDType())
    batch = tnt.BatchDataset([{"x": text}, {"x": text}], 2)[0]["x"]
    assert batch.tolist() == [["a", "long"]] * 2
    for item, kind in ((text, "double"), ({"x": text}, "table")):
        with pytest.raises(TypeError, match="StringDType"):
            write(item, kind)


def test_one_index_for_each():
    with pytest.raises(TypeError, match=r"sampler must return one integer.*int64\[1\]"):
        tnt.ResampleDataset(ROWS, lambda dataset, index: [index])[0]
    with pytest.raises(TypeError, match=r"perm must return one integer.*int64\[2\]"):
        tnt.BatchDataset(ROWS, 2, perm=lambda index: (index, index))[0]


def test_weights_of_a_split_may_be_jax_numbers():
    split = tnt.SplitDataset(ROWS, {"a": jnp.float32(0.75), "b": np.array(0.25)})
    assert [len(split.select(name)) for name in "ab"] == [3, 1]
    hash(jax.tree.structure(split))


@pytest.mark.parametrize("meter", [tnt.AverageValueMeter, tnt.MovingAverageValueMeter])
def test_durations_are_not_numbers(meter):
    made = meter(3) if meter is tnt.MovingAverageValueMeter else meter()
    with pytest.raises(TypeError):
        made.add(np.array([1, 2], "m8[s]"))
    with pytest.raises(TypeError):
        tnt.MSEMeter().add(np.array([1], "m8[s]"), np.array([1000], "m8[ms]"))


@pytest.mark.parametrize("size", [2, 3, 4])
def test_moving_averages_of_many_merge_each_with_its_own(size):
    values = np.array([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]])
    empty = tnt.MovingAverageValueMeter(size)
    many = jax.vmap(empty.add)(values)
    mean = many.merge(many).value().mean
    for number, row in enumerate(values):
        one = empty.add(row)
        assert float(mean[number]) == pytest.approx(float(one.merge(one).value().mean))


# ---- log ----------------------------------------------------------------------------


def test_times_of_nanoseconds_are_not_bare_integers(tmp_path):
    when = np.datetime64("2020-01-01", "ns")
    log = tnt.Log(["when"], on_flush=[tnt.log.json(["when"], filename=tmp_path / "a")])
    assert log.set(when=when).get("when") == when
    for value in (when, np.array([when]), np.timedelta64(5, "ns")):
        with pytest.raises(TypeError, match="the value of 'when' must be numbers"):
            log.set(when=value).flush()


def test_a_row_is_a_line(tmp_path):
    path = tmp_path / "log"
    path.write_text('{"x": 1}')
    view = tnt.log.json(["x"], filename=path, append=True)
    tnt.Log(["x"], on_flush=[view]).set(x="two\u2028lines\x85").flush()
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert rows == [{"x": 1}, {"x": "two\u2028lines\x85"}]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"file": "log.txt"}, "needs an open file as file, got 'log.txt'. Open it"),
        ({"format": "%.2f"}, "needs a dict of formats, got '%.2f'"),
        ({"separator": 1}, "needs a string as separator, got 1"),
    ],
)
def test_arguments_of_a_view(given, words):
    with pytest.raises(TypeError, match=words):
        tnt.log.text(["x"], **given)


@pytest.mark.parametrize(
    "add",
    [
        lambda: tnt.AverageValueMeter().add(np.ones(4), mask=[False]),
        lambda: tnt.AverageValueMeter().add(np.ones(4), n=[2]),
        lambda: tnt.ClassErrorMeter().add(np.eye(4), np.arange(4), mask=[False]),
    ],
)
def test_one_entry_is_not_one_for_each_row(add):
    with pytest.raises(ValueError, match="one entry for each row|rows"):
        add()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tnt.QuantileMeter(bits=True), "needs integer bits, got True"),
        (lambda: tnt.FScoreMeter(beta="1"), "beta must be a number, got '1'"),
        (lambda: tnt.HistogramMeter("0", 1), "low must be a number, got '0'"),
        (lambda: tnt.HistogramMeter(0, None), "high must be a number, got None"),
        (lambda: tnt.TimeMeter(clock=5), "function that returns seconds.*got 5"),
        (lambda: tnt.RateMeter(5), "needs a TimeMeter as time, got 5"),
    ],
)
def test_meters_are_made_of_what_they_need(make, message):
    with pytest.raises(TypeError, match=message):
        make()


def test_meters_are_made_of_numbers_of_any_library():
    assert tnt.QuantileMeter(bits=np.int64(7)).add(3.0).value()[0.5] == 3.0078125
    made = tnt.HistogramMeter(jnp.float32(0), np.float16(1), np.int8(2))
    assert jax.jit(lambda m: m.add([0.1]))(made).value().counts.tolist() == [1, 0]


def test_a_large_beta_is_recall():
    meter = tnt.FScoreMeter(beta=1e200).add([0.9, 0.9, 0.1], [1, 0, 1])
    assert meter.value() == {0.5: 50.0}


def test_lists_of_unequal_lengths_are_no_array():
    with pytest.raises(ValueError, match="parts must have one shape"):
        tnt.AverageValueMeter().add([[1.0], [1.0, 2.0]])
