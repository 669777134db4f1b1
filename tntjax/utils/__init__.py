"""Small pure helpers, each with at least two callers."""

from tntjax.utils._array import (
    as_array,
    as_mask,
    host_or_device,
    host_zeros,
    namespace,
    over_rows,
)
from tntjax.utils._check import check_function, check_functions

__all__ = [
    "as_array",
    "as_mask",
    "check_function",
    "check_functions",
    "host_or_device",
    "host_zeros",
    "namespace",
    "over_rows",
]
