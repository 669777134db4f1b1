"""Iterators: samples in order, one by one or in chunks for an engine."""

from tntjax.iterator._dataset import DatasetIterator

__all__ = ["DatasetIterator"]
