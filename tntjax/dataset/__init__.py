"""Datasets: each one file, each an index map over what it wraps."""

from tntjax.dataset._batch import BatchDataset
from tntjax.dataset._concat import ConcatDataset
from tntjax.dataset._coroutine_batch import CoroutineBatchDataset
from tntjax.dataset._list import ListDataset
from tntjax.dataset._resample import ResampleDataset
from tntjax.dataset._shuffle import ShuffleDataset
from tntjax.dataset._split import SplitDataset
from tntjax.dataset._table import TableDataset
from tntjax.dataset._take import take
from tntjax.dataset._transform import TransformDataset
from tntjax.dataset._weighted_sampler import weighted_sampler
from tntjax.dataset.indexed import (
    IndexedDataset,
    IndexedDatasetReader,
    IndexedDatasetWriter,
)

__all__ = [
    "BatchDataset",
    "ConcatDataset",
    "CoroutineBatchDataset",
    "IndexedDataset",
    "IndexedDatasetReader",
    "IndexedDatasetWriter",
    "ListDataset",
    "ResampleDataset",
    "ShuffleDataset",
    "SplitDataset",
    "TableDataset",
    "TransformDataset",
    "take",
    "weighted_sampler",
]
