"""An image among the values of a log."""

import dataclasses
from typing import Any

import numpy as np
from jax.typing import ArrayLike

from tntjax._struct import describe


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Image:
    """An image, which trackers show as one; a bare array is numbers to them.

    Args:
      array: [H, W] or [H, W, 1] gray, [H, W, 3] RGB or [H, W, 4] RGBA. Integers and
        bytes are 0 to 255; floats and bools 0 to 1, and what lies outside is cut off.

    Raises:
      TypeError: if it is not an array of numbers.
      ValueError: if it has another shape, such as that of a batch.

    Example:
      >>> Image(np.zeros((28, 28), np.uint8))
      Image(uint8[28,28])
    """

    array: ArrayLike

    def __post_init__(self) -> None:
        shape = np.shape(self.array)
        gray = len(shape) == 2
        if not (gray or (len(shape) == 3 and shape[2] in (1, 3, 4))) or 0 in shape:
            raise ValueError(
                "Image needs one array [H, W] or [H, W, C] with C of 1, 3 or 4, got"
                f" {describe(self.array)}. Take one of a batch, and put channels last:"
                " Image(images[0].transpose(1, 2, 0))."
            )
        dtype = getattr(self.array, "dtype", np.asarray(self.array).dtype)
        if dtype.kind not in "biufV":
            raise TypeError(f"Image needs numbers, got {describe(self.array)}.")

    def pixels(self) -> np.ndarray:
        """Returns uint8[H, W, 3], or with 4 channels; waits for the device.

        Example:
          >>> Image([[0.0, 1.0]]).pixels().tolist()
          [[[0, 0, 0], [255, 255, 255]]]
        """
        array: Any = np.asarray(self.array)
        if array.dtype.kind not in "iu":
            array = 255 * np.nan_to_num(array.astype(np.float32))
        array = np.clip(np.rint(array), 0, 255).astype(np.uint8)
        array = array.reshape(*array.shape[:2], -1)  # [H, W, C]
        return np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array

    def __repr__(self) -> str:
        return f"Image({describe(self.array)})"
