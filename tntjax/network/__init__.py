"""Networks: what an engine can call, and how modules of other libraries become one."""

from tntjax.network._adapted import Adapted
from tntjax.network._equinox import equinox
from tntjax.network._haiku import haiku
from tntjax.network._linen import linen
from tntjax.network._mixed_precision import mixed_precision
from tntjax.network._nnx import nnx
from tntjax.network._stateful import Stateful, forward

__all__ = [
    "Adapted",
    "Stateful",
    "equinox",
    "forward",
    "haiku",
    "linen",
    "mixed_precision",
    "nnx",
]
