"""Real pictures, and the ways in which files of pictures are odd."""

import functools
import importlib.resources
import io

import numpy as np
from PIL import Image


@functools.cache
def photo(name):
    """The bytes of a JPEG of scikit-learn: "china" or "flower", [427, 640, 3]."""
    folder = importlib.resources.files("sklearn.datasets") / "images"
    return (folder / f"{name}.jpg").read_bytes()


@functools.cache
def pixels(name):
    return np.asarray(Image.open(io.BytesIO(photo(name))).convert("RGB"))


def crop(name, top, left, side=32):
    return pixels(name)[top : top + side, left : left + side]


def encode(image, format="jpeg", **options):
    file = io.BytesIO()
    Image.fromarray(np.asarray(image)).save(file, format, **options)
    return file.getvalue()


def save(image, format="jpeg", **options):
    """Encodes an image of Pillow, which may be of any mode."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def in_mode(mode, name="china"):
    return Image.fromarray(pixels(name)[:64, :96]).convert(mode)


def by_pillow(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
