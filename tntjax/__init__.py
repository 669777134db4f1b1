"""Torchnet's datasets, iterators, engines, meters and logs as a functional library."""

from tntjax import (
    checkpoint,
    dataset,
    hooks,
    log,
    network,
    speech,
    testing,
    text,
    transform,
    utils,
    vision,
)
from tntjax import meter as _meter
from tntjax._summary import summary
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
    StepEngine,
    chain,
    every,
    fire,
    watch,
)
from tntjax.iterator import DatasetIterator, ParallelDatasetIterator, WorkerError
from tntjax.log import Log
from tntjax.meter import *  # noqa: F403  # each meter is exported in one place

__version__ = "0.2.0"

__all__ = [
    "BatchDataset",
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
    "StepEngine",
    "TableDataset",
    "TransformDataset",
    "WorkerError",
    "chain",
    "checkpoint",
    "dataset",
    "every",
    "fire",
    "hooks",
    "log",
    "network",
    "speech",
    "summary",
    "take",
    "testing",
    "text",
    "transform",
    "utils",
    "vision",
    "watch",
]
__all__ += _meter.__all__
