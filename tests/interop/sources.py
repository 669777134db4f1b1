"""The same samples as datasets of several libraries. Workers import this by name."""

import functools

import datasets
import grain
import numpy as np
import torch
from array_record.python import array_record_module as array_record

import tntjax as tnt

LENGTH = 11


def sample(index):
    """What every dataset here has at an index."""
    return {"input": np.arange(4, dtype=np.float32) + index, "target": index}


def as_list(folder):
    return [sample(index) for index in range(LENGTH)]


class MapStyle(torch.utils.data.Dataset):
    """A length and samples, of tensors."""

    def __len__(self):
        return LENGTH

    def __getitem__(self, index):
        found = sample(index)
        return {**found, "input": torch.from_numpy(found["input"])}


def of_torch(folder):
    return MapStyle()


def part_of_torch(folder):
    return torch.utils.data.Subset(MapStyle(), range(LENGTH))


def of_hugging_face(folder):
    rows = datasets.Dataset.from_list(as_list(folder))
    return rows.with_format("numpy")


def of_grain(folder):
    return grain.MapDataset.range(LENGTH).map(sample)


def source_of_grain(folder):
    return tnt.TransformDataset(grain.sources.RangeDataSource(0, LENGTH, 1), sample)


def encode(index):
    return sample(index)["input"].tobytes() + bytes([index])


def decode(record):
    return {"input": np.frombuffer(record[:-1], np.float32), "target": record[-1]}


def write_records(folder):
    writer = array_record.ArrayRecordWriter(f"{folder}/records", "group_size:1")
    for index in range(LENGTH):
        writer.write(encode(index))
    writer.close()


def of_array_record(folder):
    """What `write_records` wrote, by grain's source: bytes, decoded by ours."""
    records = grain.sources.ArrayRecordDataSource(f"{folder}/records")
    return tnt.TransformDataset(records, decode)


SOURCES = (
    as_list,
    of_torch,
    part_of_torch,
    of_hugging_face,
    of_grain,
    source_of_grain,
    of_array_record,
)


def batches(folder, number):
    """Batches of the source of that number, in an order of its own."""
    return tnt.BatchDataset(tnt.ShuffleDataset(SOURCES[number](folder), number), 4)


def closure(folder, worker):
    return functools.partial(batches, folder)
