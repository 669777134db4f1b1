"""Iterators: samples in order, one by one or in chunks for an engine."""

from tntjax.iterator._dataset import DatasetIterator
from tntjax.iterator._errors import WorkerError
from tntjax.iterator._parallel_dataset import ParallelDatasetIterator

__all__ = ["DatasetIterator", "ParallelDatasetIterator", "WorkerError"]
