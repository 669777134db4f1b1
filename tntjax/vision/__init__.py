"""Vision: readers of image data sets."""

from tntjax.vision._decode import decode_image
from tntjax.vision._fit import fit_boxes, fit_image
from tntjax.vision._idx import read_idx
from tntjax.vision._mnist import mnist, mnist_sample
from tntjax.vision._rle import (
    polygons_to_rle,
    rle_area,
    rle_decode,
    rle_encode,
    rle_iou,
)
from tntjax.vision._tar_index import TarIndex

__all__ = [
    "TarIndex",
    "decode_image",
    "fit_boxes",
    "fit_image",
    "mnist",
    "mnist_sample",
    "polygons_to_rle",
    "read_idx",
    "rle_area",
    "rle_decode",
    "rle_encode",
    "rle_iou",
]
