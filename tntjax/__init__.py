"""Torchnet's datasets, iterators, engines, meters and logs as a functional library."""

import importlib as _importlib
import sys as _sys
import typing as _typing

from tntjax import checkpoint, dataset, hooks, log, network, testing, transform, utils
from tntjax import meter as _meter
from tntjax._summary import summary
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
    bptt,
    pad_batch,
    shuffle_and_batch,
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

if _typing.TYPE_CHECKING:
    from tntjax import speech, text, vision
    from tntjax.speech import CERMeter, PERMeter, WERMeter

__version__ = "0.2.0"

__all__ = [
    "BatchDataset",
    "BucketDataset",
    "BudgetDataset",
    "CERMeter",
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
    "PERMeter",
    "PackDataset",
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
    "WERMeter",
    "WorkerError",
    "bptt",
    "chain",
    "checkpoint",
    "dataset",
    "every",
    "fire",
    "hooks",
    "log",
    "network",
    "pad_batch",
    "shuffle_and_batch",
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


_LATE = {
    **{name: (name,) for name in ("speech", "text", "vision")},
    **{name: ("speech", name) for name in ("CERMeter", "PERMeter", "WERMeter")},
}


def __getattr__(name: str) -> _typing.Any:
    """Imports a domain when it is first asked for: few programs need all three."""
    if name not in _LATE:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message, name=name, obj=_sys.modules[__name__])
    domain, *rest = _LATE[name]
    found = _importlib.import_module(f"{__name__}.{domain}")
    return getattr(found, *rest) if rest else found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
