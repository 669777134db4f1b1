"""Torchnet's utils, and small pure helpers with at least two callers each."""

from tntjax.utils._array import (
    as_array,
    as_mask,
    host_or_device,
    host_zeros,
    namespace,
    over_rows,
)
from tntjax.utils._check import (
    check_at_least,
    check_dataset,
    check_function,
    check_functions,
    check_integer,
    check_integers,
    check_max_load,
    check_optional_functions,
    find_outside,
)
from tntjax.utils._dtype import check_unmasked, common_dtype, convert, with_one_dtype
from tntjax.utils._files import list_image_files, load_list
from tntjax.utils._md5 import md5
from tntjax.utils._nn import (
    InputSize,
    OutputSize,
    infer_input_size,
    infer_output_size,
)
from tntjax.utils._plain import as_plain
from tntjax.utils._table import alike, can_merge, foreach, merge, merge_arrays

__all__ = [
    "InputSize",
    "OutputSize",
    "alike",
    "as_array",
    "as_mask",
    "as_plain",
    "can_merge",
    "check_at_least",
    "check_dataset",
    "check_function",
    "check_functions",
    "check_integer",
    "check_integers",
    "check_max_load",
    "check_optional_functions",
    "check_unmasked",
    "common_dtype",
    "convert",
    "find_outside",
    "foreach",
    "host_or_device",
    "host_zeros",
    "infer_input_size",
    "infer_output_size",
    "list_image_files",
    "load_list",
    "md5",
    "merge",
    "merge_arrays",
    "namespace",
    "over_rows",
    "with_one_dtype",
]
