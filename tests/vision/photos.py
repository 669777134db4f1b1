"""Two photographs, [2, 427, 640, 3] uint8, that come with scikit-learn."""

import functools

import numpy as np
from sklearn.datasets import load_sample_images


@functools.cache
def photos() -> np.ndarray:
    return np.stack(load_sample_images().images)
