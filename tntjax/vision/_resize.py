"""Images, or parts of them, in another size."""

import functools
import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._check import check_choice, require
from tntjax.vision._images import as_size, compiled, restore, widen
from tntjax.vision._window import find_windows

METHODS = ("linear", "nearest", "cubic", "lanczos3", "lanczos5")


@compiled
def resize(
    images: ArrayLike, size: int | tuple[int, int], method: str = "linear"
) -> jax.Array:
    """Resizes images, with the filter widened where they become smaller.

    Args:
      images: [B, H, W, C] uint8 or floats.
      size: height and width, or one number for both.
      method: "linear", within one grey level of Pillow's `BILINEAR`; "nearest",
        "cubic", "lanczos3" or "lanczos5", as `jax.image.resize` has them.

    Returns:
      [B, height, width, C] of the same dtype; levels are rounded.

    Raises:
      ValueError: if a size is below 1, `method` is another.

    Example:
      >>> resize(jnp.ones((2, 427, 640, 3), jnp.uint8), 224).shape
      (2, 224, 224, 3)
    """
    images, size = jnp.asarray(images), as_size(size, "resize")
    check_choice("resize", "method", method, METHODS)
    batch, height, width, channels = images.shape
    if method == "linear":
        whole = jnp.asarray([0, 0, width, height], jnp.float32)
        return _crop_resize(images, jnp.broadcast_to(whole, (batch, 4)), size)
    shape = (batch, *size, channels)
    resized = jax.image.resize(
        widen(images), shape, method, precision=jax.lax.Precision.HIGHEST
    )
    return restore(resized, images)


@compiled
def crop_resize(
    images: ArrayLike, boxes: ArrayLike, size: int | tuple[int, int]
) -> jax.Array:
    """Cuts a box out of each image and resizes it, in one step.

    Args:
      images: [B, H, W, C] uint8 or floats.
      boxes: [B, 4] left, top, right, bottom in pixels, or fractions of these, which may
        be traced; what is outside of the image is cut off.
      size: height and width, or one number for both.

    Returns:
      [B, height, width, C] of the same dtype; levels are rounded. Within one grey level
      of Pillow's `image.resize(size, BILINEAR, box=box)`: the pixels beside the box
      weigh in at its edges.

    Raises:
      ValueError: if there is not a box for each image.

    Example:
      >>> image = jnp.arange(16, dtype=jnp.float32).reshape(1, 4, 4, 1)
      >>> crop_resize(image, [[1, 1, 3, 3]], 2).ravel().tolist()
      [5.0, 6.0, 9.0, 10.0]
    """
    images, size = jnp.asarray(images), as_size(size, "crop_resize")
    boxes = jnp.asarray(boxes, jnp.float32)
    needs = f"crop_resize needs boxes [{len(images)}, 4], one for each image"
    require(boxes.shape == (len(images), 4), needs, boxes)
    return _crop_resize(images, boxes, size)


@compiled
def random_resized_crop(
    key: jax.Array,
    images: ArrayLike,
    size: int | tuple[int, int],
    scale: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> jax.Array:
    """Resizes a random part of each image.

    Args:
      key: a key, which is consumed, or [B] keys.
      images: [B, H, W, C] uint8 or floats.
      size: height and width, or one number for both.
      scale: the least and most share of the area.
      ratio: the least and most width of a part of height 1.

    Returns:
      [B, height, width, C] of the same dtype: `crop_resize` of `draw_windows`.

    Raises:
      ValueError: if a size or range is out of bounds.

    Example:
      >>> random_resized_crop(jax.random.key(0), jnp.zeros((8, 256, 256, 3)), 224).shape
      (8, 224, 224, 3)
    """
    images, size = jnp.asarray(images), as_size(size, "random_resized_crop")
    windows, _ = find_windows(key, images.shape[1:3], scale, ratio)
    return _crop_resize(images, windows, size)


def _crop_resize(
    images: jax.Array, boxes: jax.Array, size: tuple[int, int]
) -> jax.Array:
    if not len(images):  # matrices of no images have no shape to be cut from
        return jnp.zeros((0, *size, images.shape[-1]), images.dtype)
    limit = jnp.asarray([images.shape[2], images.shape[1]] * 2, jnp.float32)
    start, stop = jnp.split(jnp.clip(boxes, 0, limit), 2, axis=1)  # [B, 2], x and y
    stop = jnp.maximum(stop, start + 1e-3)  # an empty box would divide by 0
    dense = functools.partial(_resize_dense, size=size)
    if images.shape[-1] > 4:
        return dense(images, start, stop)
    banded = functools.partial(_resize_banded, size=size)
    return jax.lax.platform_dependent(images, start, stop, cpu=banded, default=dense)


def _resize_dense(
    images: jax.Array, start: jax.Array, stop: jax.Array, size: tuple[int, int]
) -> jax.Array:
    """Multiplies by matrices of all pixels, all images at once: for an accelerator."""
    _, down = _bands(start[:, 1], stop[:, 1], images.shape[1], size[0], size[0])
    _, across = _bands(start[:, 0], stop[:, 0], images.shape[2], size[1], size[1])
    values = jnp.einsum(  # of one block each: [B, H, rows], [B, W, columns]
        "bhwc,bhr,bwn->brnc",
        *(widen(images), down[:, 0], across[:, 0]),
        precision="highest",
    )
    return restore(values, images)


def _resize_banded(
    images: jax.Array, start: jax.Array, stop: jax.Array, size: tuple[int, int]
) -> jax.Array:
    """Multiplies by the bands of the matrices that are not 0, image by image.

    On a CPU this is several times as fast as `_resize_dense`: one image stays in the
    cache, and most of the weights are 0.
    """
    _, height, width, channels = images.shape
    rows, down = _bands(start[:, 1], stop[:, 1], height, size[0], 16)
    columns, across = _bands(start[:, 0], stop[:, 0], width, size[1], 8)
    # Rows of pixels are multiplied as they lie, [W * C], by weights [T * C, 8 * C].
    across = across[..., None, :, None] * jnp.eye(channels)[:, None, :]
    batch, blocks, taps = across.shape[:3]
    across = across.reshape(batch, blocks, taps * channels, -1)

    def one(parts: tuple[jax.Array, ...]) -> jax.Array:
        image, rows, down, columns, across = parts
        values = image.reshape(height, width * channels)
        values = [
            block.T @ widen(jax.lax.dynamic_slice_in_dim(values, first, len(block)))
            for first, block in zip(rows, down, strict=True)
        ]
        values = jnp.concatenate(values)  # [rows, W * C]
        values = [
            jax.lax.dynamic_slice_in_dim(values, first * channels, len(block), 1)
            @ block
            for first, block in zip(columns, across, strict=True)
        ]
        values = jnp.concatenate(values, 1)  # [rows, columns * C]
        values = values.reshape(len(values), -1, channels)[: size[0], : size[1]]
        return restore(values, image)

    return jax.lax.map(one, (images, rows, down, columns, across))


def _bands(
    start: jax.Array, stop: jax.Array, length: int, size: int, block: int
) -> tuple[jax.Array, jax.Array]:
    """Computes the weights of an axis of `length`, from `start` to `stop`, [B] each.

    `size` new pixels are made in blocks of N, the last of which may go beyond. Returned
    are [B, blocks] int32, the first pixel that a block is made of, and [B, blocks, T,
    N] float32, the weights of T pixels from there on.
    """
    block = min(block, size)
    blocks, most = -(-size // block), length / size  # most: pixels for a new one
    taps = min(length, math.ceil((block - 1) * most + 2 * max(most, 1)) + 1)
    scale = ((stop - start) / size)[:, None]  # [B, 1]
    reach = jnp.maximum(scale, 1)  # of the filter
    center = start[:, None] + (jnp.arange(blocks * block) + 0.5) * scale
    first = jnp.ceil(center[:, ::block] - reach - 0.5).astype(jnp.int32)
    first = jnp.clip(first, 0, length - taps)  # [B, blocks]
    pixel = first[..., None] + jnp.arange(taps) + 0.5  # [B, blocks, T]
    center = center.reshape(len(center), blocks, 1, block)
    distance = jnp.abs(pixel[..., None] - center) / reach[..., None, None]
    weights = jnp.maximum(0, 1 - distance)  # [B, blocks, T, N]
    total = weights.sum(-2, keepdims=True)
    return first, weights / jnp.where(total > 0, total, 1)
