"""Boxes: their forms, and how much two of them have in common."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._check import check_choice, require
from tntjax._struct import describe
from tntjax.vision._images import compiled

FORMATS = ("xyxy", "xywh", "cxcywh")


@compiled
def convert_boxes(boxes: ArrayLike, source: str, target: str) -> jax.Array:
    """Converts boxes from one form to another.

    Args:
      boxes: [..., 4] real.
      source: their form: "xyxy" is left, top, right, bottom; "xywh" left, top, width,
        height, as in COCO's files; "cxcywh" the middle, width and height.
      target: the form that is wanted.

    Returns:
      [..., 4] float32.

    Raises:
      ValueError: if a form is unknown, or the last axis is not 4.

    Example:
      >>> convert_boxes([1, 2, 3, 4], "xywh", "xyxy").tolist()
      [1.0, 2.0, 4.0, 6.0]
    """
    check_choice("convert_boxes", "source", source, FORMATS)
    check_choice("convert_boxes", "target", target, FORMATS)
    boxes = as_boxes(boxes, "convert_boxes")
    if source == target:
        return boxes
    first, second = boxes[..., :2], boxes[..., 2:]
    if source == "cxcywh":
        first = first - second / 2
    size = second - first if source == "xyxy" else second
    if target == "cxcywh":
        return jnp.concatenate([first + size / 2, size], -1)
    return jnp.concatenate([first, size if target == "xywh" else first + size], -1)


@compiled
def box_iou(first: ArrayLike, second: ArrayLike) -> jax.Array:
    """Computes the intersection over union of each box with each other.

    Args:
      first: [..., N, 4] left, top, right, bottom.
      second: [..., M, 4] the same.

    Returns:
      [..., N, M] float32, from 0 to 1; 0 of two boxes without an area.

    Raises:
      ValueError: if the last axis is not 4.

    Example:
      >>> box_iou([[0, 0, 2, 2]], [[1, 0, 3, 2], [5, 5, 6, 6]]).round(3).tolist()
      [[0.3330000042915344, 0.0]]
    """
    shared, union, _ = _measure(first, second, "box_iou")
    return divide(shared, union)


@compiled
def box_giou(first: ArrayLike, second: ArrayLike) -> jax.Array:
    """Computes the generalized intersection over union of each box with each other.

    Args:
      first: [..., N, 4] left, top, right, bottom.
      second: [..., M, 4] the same.

    Returns:
      [..., N, M] float32, from -1 to 1: the intersection over union less the share that
      neither box has of the box around both. Its gradient pulls apart boxes together.

    Raises:
      ValueError: if the last axis is not 4.

    Example:
      >>> box_giou([[0, 0, 1, 1]], [[2, 0, 3, 1], [0, 0, 1, 1]]).round(3).tolist()
      [[-0.3330000042915344, 1.0]]

    "Generalized Intersection over Union" (2019).
    """
    shared, union, around = _measure(first, second, "box_giou")
    return divide(shared, union) - divide(around - union, around)


def as_boxes(boxes: Any, name: str, shape: str = "[..., 4]") -> jax.Array:
    """Converts to float32; raises a ValueError unless boxes have a shape "[N, 4]"."""
    axes = shape.count(",") + 1
    fits = boxes.ndim >= axes - 1 if "..." in shape else boxes.ndim == axes
    require(fits and boxes.shape[-1:] == (4,), f"{name} needs boxes {shape}", boxes)
    real = jnp.issubdtype(boxes.dtype, jnp.floating) or boxes.dtype.kind in "iu"
    require(real, f"{name} needs boxes of real numbers", boxes, error=TypeError)
    return jnp.asarray(boxes, jnp.float32)


def as_bools(mask: Any, shape: tuple[int, ...], subject: str) -> jax.Array:
    """Checks a mask, which is to be bool and of one shape."""
    if mask.dtype != bool:
        raise TypeError(f"{subject} must be bool, got {mask.dtype}. Pass `mask != 0`.")
    require(mask.shape == shape, f"{subject} must be {list(shape)}", mask)
    return jnp.asarray(mask)


def _measure(
    first: Any, second: Any, name: str
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns the areas [..., N, M] of intersections, unions and boxes around both."""
    one = as_boxes(first, name, "[..., N, 4]")[..., :, None, :]  # [..., N, 1, 4]
    other = as_boxes(second, name, "[..., N, 4]")[..., None, :, :]  # [..., 1, M, 4]
    try:
        jnp.broadcast_shapes(one.shape, other.shape)
    except ValueError:
        raise ValueError(
            f"{name} needs batches of one length, got {describe(first)} and"
            f" {describe(second)}."
        ) from None
    low, high = jnp.minimum(one, other), jnp.maximum(one, other)
    shared = _area(jnp.concatenate([high[..., :2], low[..., 2:]], -1))
    around = _area(jnp.concatenate([low[..., :2], high[..., 2:]], -1))
    return shared, _area(one) + _area(other) - shared, around


def _area(boxes: jax.Array) -> jax.Array:
    return jnp.maximum(boxes[..., 2:] - boxes[..., :2], 0).prod(-1)


def divide(part: jax.Array, whole: jax.Array) -> jax.Array:
    """Divides; 0 of nothing, in the gradient too."""
    return jnp.where(whole > 0, part / jnp.where(whole > 0, whole, 1), 0)
