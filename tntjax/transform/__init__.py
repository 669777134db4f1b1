"""Transforms: pure functions from sample to sample, and what makes them."""

from tntjax.transform._batch import make_batch
from tntjax.transform._compose import compose, identity, merge
from tntjax.transform._level_order import Levels, level_order
from tntjax.transform._normalize import normalize
from tntjax.transform._randperm import randperm
from tntjax.transform._table import table_apply, table_merge_keys

__all__ = [
    "Levels",
    "compose",
    "identity",
    "level_order",
    "make_batch",
    "merge",
    "normalize",
    "randperm",
    "table_apply",
    "table_merge_keys",
]
