"""fit_image, fit_boxes: images of many sizes on one canvas."""

import numpy as np
from numpy.typing import ArrayLike

from tntjax._check import check_choice, require
from tntjax._numbers import check_integer
from tntjax._optional import import_optional
from tntjax.meter.parts._inputs import as_real
from tntjax.vision._images import as_size

MODES = ("crop", "pad", "squash")


def fit_image(
    image: ArrayLike, size: int | tuple[int, int], *, mode: str = "crop", fill: int = 0
) -> np.ndarray:
    """Resizes an image to a fixed canvas on the host, as Pillow's `BILINEAR` does.

    Args:
      image: uint8 [H, W, 3] or [H, W].
      size: (height, width), or one number for a square.
      mode: "crop" keeps the middle that has the canvas' shape, "pad" keeps all and
        fills two borders, "squash" keeps all and changes the shape.
      fill: the grey of the borders, 0 to 255.

    Returns:
      uint8 [height, width, 3] or [height, width].

    Raises:
      ImportError: if Pillow is not installed.
      TypeError, ValueError: if image, size or mode is something else.

    Example:
      >>> wide = np.zeros((40, 80, 3), np.uint8)
      >>> fit_image(wide, 20).shape, fit_image(wide, (30, 20), mode="pad").shape
      ((20, 20, 3), (30, 20, 3))
    """
    image = np.asarray(image)
    require(image.dtype == np.uint8, "fit_image needs uint8", image, error=TypeError)
    fits = image.ndim in (2, 3) and image.size and image.shape[2:] in ((), (3,))
    require(fits, "fit_image needs [H, W, 3] or [H, W]", image)
    height, width = as_size(size, "fit_image")
    if not 0 <= check_integer(fill, "fit_image: fill must be an integer") <= 255:
        raise ValueError(f"fit_image needs 0 <= fill <= 255, got {fill}.")
    shape = image.shape[:2]
    inner, origin, scale = _plan("fit_image", shape, (height, width), mode)
    pillow = import_optional("PIL.Image", "fit_image", "vision")
    top, left = (max(0.0, -o) / s for o, s in zip(origin, scale, strict=True))
    box = (left, top, shape[1] - left, shape[0] - top)
    picture = pillow.fromarray(np.ascontiguousarray(image))
    # Pillow's order is (width, height).
    resized = np.array(picture.resize(inner[::-1], pillow.Resampling.BILINEAR, box))
    if inner == (height, width):
        return resized
    canvas = np.full((height, width, *image.shape[2:]), fill, np.uint8)
    top, left = map(int, origin)
    canvas[top : top + inner[0], left : left + inner[1]] = resized
    return canvas


def fit_boxes(
    boxes: ArrayLike,
    shape: tuple[int, ...],
    size: int | tuple[int, int],
    *,
    mode: str = "crop",
) -> np.ndarray:
    """Moves boxes as `fit_image` moves the image that they are on.

    Args:
      boxes: [n, 4] (left, top, right, bottom) in pixels of the image.
      shape: the shape of the image, (H, W, ...).
      size: as for `fit_image`.
      mode: as for `fit_image`.

    Returns:
      float32 [n, 4] in pixels of the canvas, clipped to it: a box that was cut off
      whole has no width or no height.

    Raises:
      TypeError, ValueError: if boxes, size or mode is something else.

    Example:
      >>> fit_boxes([[30, 10, 50, 30]], (40, 80, 3), 20).tolist()
      [[5.0, 5.0, 15.0, 15.0]]
    """
    boxes = np.asarray(as_real(boxes, "fit_boxes needs boxes of real numbers"))
    fits = boxes.ndim == 2 and boxes.shape[1] == 4
    require(fits, "fit_boxes needs boxes [n, 4]", boxes)
    size = as_size(size, "fit_boxes")
    fits = isinstance(shape, tuple | list) and len(shape) >= 2
    require(fits, "fit_boxes needs shape (H, W, ...)", shape)
    sides = as_size(shape[:2], "fit_boxes: shape")
    _, origin, scale = _plan("fit_boxes", sides, size, mode)
    # [4], of horizontal and vertical places in turn
    scales, origins, most = (np.tile(pair[::-1], 2) for pair in (scale, origin, size))
    moved = np.clip(boxes.astype(np.float64) * scales + origins, 0, most)
    return moved.astype(np.float32)


Pair = tuple[float, float]


def _plan(
    name: str, shape: tuple[int, ...], size: tuple[int, int], mode: str
) -> tuple[tuple[int, int], Pair, Pair]:
    """Returns pairs (vertical, horizontal) that tell where an image comes to lie.

    They are the size that it is resized to, where it begins on the canvas (negative if
    it is cut off), and pixels of the canvas for a pixel of the image.
    """
    check_choice(name, "mode", mode, MODES)
    ratios = size[0] / shape[0], size[1] / shape[1]
    if mode == "squash":
        return size, (0.0, 0.0), ratios
    if mode == "crop":
        scale = max(ratios)
        top, left = ((s - scale * n) / 2 for s, n in zip(size, shape, strict=True))
        return size, (top, left), (scale, scale)
    height, width = (max(1, round(min(ratios) * side)) for side in shape)
    origin = ((size[0] - height) // 2, (size[1] - width) // 2)
    # The resized image has whole pixels, so its sides are scaled by a little more or
    # less than the ratio.
    return (height, width), origin, (height / shape[0], width / shape[1])
