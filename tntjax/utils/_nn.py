from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tntjax._numbers import check_integer
from tntjax._struct import describe

Layer = Mapping[str, Any]
"""`{"kernel": ..., "stride": 1, "padding": 0}`; without a kernel it changes no size.

Any layer may have a `"name"`, which is for whoever reads the list.
"""

FIELDS = ("kernel", "stride", "padding")


class InputSize(NamedTuple):
    """The smallest input, and how many inputs apart neighbours of the output look."""

    size: int
    stride: int


class OutputSize(NamedTuple):
    """The size of the output, and how many inputs apart its neighbours look."""

    size: int
    stride: int


def infer_input_size(layers: Sequence[Layer], size: int = 1) -> InputSize:
    """Computes the smallest input along one axis that gives an output.

    Args:
      layers: the network from input to output, each a `Layer`: a convolution or
        pooling, or `{}` for one that changes no size.
      size: the size of the output. For 1 and without padding the input is the
        receptive field.

    Returns:
      The size of the input, and the product of the strides.

    Raises:
      TypeError: if a layer is not a dict, or a number not an integer.
      ValueError: if a number is out of range, a key unknown, a stride or padding
        without a kernel, or the padding so wide that no input gives so small an
        output.

    Example:
      >>> infer_input_size([{"kernel": 5}, {"kernel": 2, "stride": 2}, {"kernel": 5}])
      InputSize(size=14, stride=2)

    Torchnet: `utils.nn.inferinputsize`, with `kw`, `dw` and `pw`, and a flag to print
    each step. It gives negative sizes where there is no input.
    """
    smallest = largest = _check_integer("size", size, 1)  # a stride leaves a choice
    total = 1
    for number, (kernel, stride, padding) in reversed(_convolutions(layers)):
        wanted, least = largest, (smallest - 1) * stride + kernel - 2 * padding
        smallest, largest = max(1, least), largest * stride + kernel - 1 - 2 * padding
        total *= stride
        if largest < smallest:
            raise ValueError(
                f"infer_input_size: layer {number} pads so much that none of its inputs"
                f" gives {wanted}: {describe(dict(layers[number]))}."
            )
    return InputSize(smallest, total)


def infer_output_size(layers: Sequence[Layer], size: int) -> OutputSize:
    """Computes the size of a network's output along one axis.

    Args:
      layers: the network, as for `infer_input_size`.
      size: the size of the input.

    Returns:
      The size of the output, and the product of the strides.

    Raises:
      TypeError: as `infer_input_size` does.
      ValueError: so too, and if an input is smaller than the kernel of its layer.

    Example:
      >>> infer_output_size([{"kernel": 5}, {"kernel": 2, "stride": 2}], size=28)
      OutputSize(size=12, stride=2)

    Torchnet: `utils.nn.inferoutputsize`, with `kw`, `dw` and `pw`, which fails at
    layers without a kernel, and when it is asked to print each step.
    """
    size, total = _check_integer("size", size, 1), 1
    for number, (kernel, stride, padding) in _convolutions(layers):
        if size + 2 * padding < kernel:
            raise ValueError(
                f"infer_output_size: layer {number} gets {size} inputs, less than its"
                f" kernel takes: {describe(dict(layers[number]))}."
            )
        size, total = (size + 2 * padding - kernel) // stride + 1, total * stride
    return OutputSize(size, total)


def _convolutions(layers: Sequence[Layer]) -> list[tuple[int, tuple[int, int, int]]]:
    """Lists number, and kernel, stride and padding, of the layers with a kernel."""
    found = []
    for number, layer in enumerate(layers):
        if not isinstance(layer, Mapping):
            raise TypeError(
                f"Layer {number} must be a dict such as {{'kernel': 3}}, got"
                f" {describe(layer)}."
            )
        if unknown := sorted(set(layer) - {*FIELDS, "name"}, key=str):
            raise ValueError(
                f"Layer {number} has {unknown[0]!r}; only 'kernel', 'stride',"
                " 'padding' and 'name' are known. For a layer that changes no size"
                " give {}."
            )
        if "kernel" not in layer:
            if lonely := [name for name in FIELDS if name in layer]:
                raise ValueError(f"Layer {number} has {lonely[0]!r} but no 'kernel'.")
            continue
        numbers = layer["kernel"], layer.get("stride", 1), layer.get("padding", 0)
        checked = (
            _check_integer(f"layer {number}: {name}", value, least)
            for name, value, least in zip(FIELDS, numbers, (1, 1, 0), strict=True)
        )
        found.append((number, tuple(checked)))
    return found


def _check_integer(name: str, value: Any, least: int) -> int:
    number = check_integer(value, f"Expected an integer {name}")
    if number < least:
        raise ValueError(f"Expected {name} >= {least}, got {value}.")
    return number  # Python's: one of NumPy would wrap
