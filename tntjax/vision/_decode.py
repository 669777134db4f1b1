"""decode_image: the bytes of a file become an array."""

import io
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from tntjax._numbers import check_at_least, check_boolean
from tntjax._optional import import_optional

NO_RANGE = "decode_image: an image of {} has no range to be seen in."


def decode_image(
    data: bytes, *, min_size: int | None = None, rotate: bool = False
) -> np.ndarray:
    """Decodes a JPEG, PNG or whatever else Pillow reads by itself into RGB.

    What it is is told by the bytes and never by a name: ImageNet has a PNG named JPEG.
    Pixels are those of Pillow. JPEGs in YCbCr or grey are read by simplejpeg where it
    is installed, faster and with the same pixels; in CMYK and YCCK, as 22 files of
    ImageNet, the two differ. EPS is refused, for which Pillow starts Ghostscript.

    Args:
      data: the content of a file.
      min_size: decode a JPEG at 1/2, 1/4 or 1/8 of its size, the least of which both
        sides keep so many pixels; takes a fraction of the time. None for full size.
      rotate: turn the image as its EXIF block says, which the usual pipelines don't:
        COCO's boxes are for the image as it is stored.

    Returns:
      uint8 [H, W, 3]. Grey is repeated, alpha is dropped (the colours stay what is
      stored below it), 16 bits become the upper 8, of several frames it is the first.

    Raises:
      ImportError: if Pillow is not installed.
      TypeError: if `data` are not bytes.
      ValueError: if they are empty, truncated, damaged, or no image, or one of more
        pixels than Pillow trusts, or of floats or 32-bit integers.

    Example:
      >>> from PIL import Image
      >>> file = io.BytesIO()
      >>> Image.new("L", (4, 2), 7).save(file, "png")
      >>> decode_image(file.getvalue())[0, 0].tolist()
      [7, 7, 7]
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(
            f"decode_image needs the bytes of a file, got {type(data).__name__};"
            " of a path, pathlib.Path(path).read_bytes()."
        )
    if min_size is not None:
        check_at_least("decode_image: min_size", min_size, 1)
    if not data:
        raise ValueError("decode_image was given no bytes: an empty file.")
    if not check_boolean("decode_image: rotate", rotate) and data[:2] == b"\xff\xd8":
        image = _decode_fast(bytes(data), min_size)
        if image is not None:
            return image
    return _decode_with_pillow(data, min_size, rotate)


class _RefusedError(Exception):
    pass


@cache
def _find_simplejpeg() -> Any:
    with suppress(ImportError):
        return import_module("simplejpeg")


def _decode_fast(data: bytes, min_size: int | None) -> np.ndarray | None:
    simplejpeg = _find_simplejpeg()
    if simplejpeg is None:
        return None
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
        if colorspace not in ("YCbCr", "Gray"):
            return None
        scale = _find_scale(height, width, min_size)
        sides = {"min_height": -(-height // scale), "min_width": -(-width // scale)}
        # Without `fastdct` and `fastupsample`, which are up to 44 levels off.
        return simplejpeg.decode_jpeg(data, "RGB", **(sides if scale > 1 else {}))
    except ValueError:  # junk between its parts, which Pillow skips, or truncated
        return None


def _find_scale(height: int, width: int, min_size: int | None) -> int:
    least = min(height, width)
    scales = (s for s in (8, 4, 2) if min_size and -(-least // s) >= min_size)
    return next(scales, 1)


def _decode_with_pillow(data: Any, min_size: int | None, rotate: bool) -> np.ndarray:
    pillow = import_optional("PIL.Image", "decode_image", "vision")
    operations = import_optional("PIL.ImageOps", "decode_image", "vision")
    try:
        with pillow.open(io.BytesIO(data)) as image:
            if image.format == "EPS":  # for which Pillow would start Ghostscript
                text = "decode_image: EPS has no pixels. Make a PNG of it."
                raise _RefusedError(text)
            scale = _find_scale(image.height, image.width, min_size)
            if scale > 1:  # does nothing unless it is a JPEG
                image.draft(image.mode, (image.width // scale, image.height // scale))
            image.load()
            if image.format == "TIFF" and image.mode == "I":
                raise _RefusedError(NO_RANGE.format("32-bit integers"))
            return _to_rgb(operations.exif_transpose(image) if rotate else image)
    except _RefusedError as error:
        raise ValueError(str(error)) from None
    except pillow.UnidentifiedImageError as error:
        text = f"no image that Pillow knows; it begins with {bytes(data[:8])!r}"
        raise ValueError(f"decode_image: {text}.") from error
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as error:
        raise ValueError(
            f"decode_image: {error} If the file is to be trusted, set"
            " PIL.Image.MAX_IMAGE_PIXELS."
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # whatever the bytes of a damaged one mean
        raise ValueError(f"decode_image: truncated or damaged: {error}") from error


def _to_rgb(image: Any) -> np.ndarray:
    if image.mode.startswith("I"):  # Pillow would cut what is above 255
        grey = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=-1)  # [H, W, 3]
    if image.mode == "F":
        raise _RefusedError(NO_RANGE.format("floats"))
    if image.mode in ("P", "PA"):  # the palette may have its own transparency
        image = image.convert("RGBA")
    return np.array(image.convert("RGB"))
