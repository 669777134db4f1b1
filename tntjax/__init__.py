"""Torchnet's datasets, iterators, engines, meters and logs as a functional library."""

from tntjax import checkpoint, dataset, log, network, transform, utils, vision
from tntjax.dataset import (
    BatchDataset,
    ConcatDataset,
    CoroutineBatchDataset,
    IndexedDataset,
    IndexedDatasetReader,
    IndexedDatasetWriter,
    ListDataset,
    ResampleDataset,
    ShuffleDataset,
    SplitDataset,
    TableDataset,
    TransformDataset,
    take,
)
from tntjax.engine import (
    Hooks,
    OptimEngine,
    Seconds,
    SGDEngine,
    State,
    chain,
    every,
    watch,
)
from tntjax.iterator import DatasetIterator, ParallelDatasetIterator
from tntjax.log import Log
from tntjax.meter import AverageValueMeter, ClassErrorMeter, TimeMeter

__version__ = "0.1.0"

__all__ = [
    "AverageValueMeter",
    "BatchDataset",
    "ClassErrorMeter",
    "ConcatDataset",
    "CoroutineBatchDataset",
    "DatasetIterator",
    "Hooks",
    "IndexedDataset",
    "IndexedDatasetReader",
    "IndexedDatasetWriter",
    "ListDataset",
    "Log",
    "OptimEngine",
    "ParallelDatasetIterator",
    "ResampleDataset",
    "SGDEngine",
    "Seconds",
    "ShuffleDataset",
    "SplitDataset",
    "State",
    "TableDataset",
    "TimeMeter",
    "TransformDataset",
    "chain",
    "checkpoint",
    "dataset",
    "every",
    "log",
    "network",
    "take",
    "transform",
    "utils",
    "vision",
    "watch",
]
