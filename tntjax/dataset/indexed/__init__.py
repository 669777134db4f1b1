"""Torchnet's archives: many items in two files, read and written."""

from tntjax.dataset.indexed._indexed import IndexedDataset
from tntjax.dataset.indexed._reader import IndexedDatasetReader
from tntjax.dataset.indexed._writer import IndexedDatasetWriter

__all__ = ["IndexedDataset", "IndexedDatasetReader", "IndexedDatasetWriter"]
