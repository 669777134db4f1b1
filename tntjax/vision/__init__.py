"""Vision: readers of image data sets."""

from tntjax.vision._idx import read_idx
from tntjax.vision._mnist import mnist, mnist_sample

__all__ = ["mnist", "mnist_sample", "read_idx"]
