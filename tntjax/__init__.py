"""Torchnet's datasets, iterators, engines, meters and logs as a functional library."""

__version__ = "0.1.0"
