"""Datasets: each one file, each an index map over what it wraps."""

from tntjax.dataset._batch import BatchDataset
from tntjax.dataset._bptt import bptt
from tntjax.dataset._bucket import BucketDataset
from tntjax.dataset._budget import BudgetDataset
from tntjax.dataset._concat import ConcatDataset
from tntjax.dataset._coroutine_batch import CoroutineBatchDataset
from tntjax.dataset._list import ListDataset
from tntjax.dataset._pack import PackDataset
from tntjax.dataset._pad_batch import pad_batch
from tntjax.dataset._resample import ResampleDataset
from tntjax.dataset._shuffle import ShuffleDataset
from tntjax.dataset._shuffle_and_batch import shuffle_and_batch
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
    "BucketDataset",
    "BudgetDataset",
    "ConcatDataset",
    "CoroutineBatchDataset",
    "IndexedDataset",
    "IndexedDatasetReader",
    "IndexedDatasetWriter",
    "ListDataset",
    "PackDataset",
    "ResampleDataset",
    "ShuffleDataset",
    "SplitDataset",
    "TableDataset",
    "TransformDataset",
    "bptt",
    "pad_batch",
    "shuffle_and_batch",
    "take",
    "weighted_sampler",
]
