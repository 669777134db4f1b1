"""Torchnet's utils: tables, files, sizes of convolutions, and a sum over a value."""

from tntjax.utils._files import list_image_files, load_list
from tntjax.utils._md5 import md5
from tntjax.utils._nn import (
    InputSize,
    OutputSize,
    infer_input_size,
    infer_output_size,
)
from tntjax.utils._table import can_merge, foreach, merge, merge_arrays

__all__ = [
    "InputSize",
    "OutputSize",
    "can_merge",
    "foreach",
    "infer_input_size",
    "infer_output_size",
    "list_image_files",
    "load_list",
    "md5",
    "merge",
    "merge_arrays",
]
