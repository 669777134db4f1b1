"""Meters of images, beside scikit-image and scikit-learn."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from sklearn.metrics import f1_score, jaccard_score

from tests.vision.photos import photos
from tntjax.vision import DiceMeter, MeanIoUMeter, PSNRMeter, SSIMMeter

WINDOWS = {
    "gaussian": {"gaussian_weights": True, "use_sample_covariance": False},
    "uniform": {},
}


def pair():
    noise = np.random.default_rng(0).normal(0, 12, photos().shape)
    return np.clip(photos() + noise, 0, 255).astype(np.uint8), photos()


def test_noise_ratio_is_that_of_scikit_image():
    output, target = pair()
    expected = np.mean(
        [peak_signal_noise_ratio(b, a) for a, b in zip(output, target, strict=True)]
    )
    assert PSNRMeter(255).add(output, target).value() == pytest.approx(
        expected, abs=1e-5
    )
    floats = PSNRMeter().add(output / np.float32(255), target / np.float32(255))
    assert floats.value() == pytest.approx(expected, abs=1e-5)
    assert PSNRMeter(255).add(target[0], target[0]).value() == np.inf


@pytest.mark.parametrize(
    "window", ["gaussian", pytest.param("uniform", marks=pytest.mark.slow)]
)
def test_similarity_is_that_of_scikit_image(window):
    output, target = (part[:, :90, :100] for part in pair())
    settings = {"channel_axis": -1, "data_range": 255, **WINDOWS[window]}
    values = [
        structural_similarity(a, b, **settings)
        for a, b in zip(output, target, strict=True)
    ]
    meter = SSIMMeter(255, window=window)
    assert meter.add(output, target).value() == pytest.approx(np.mean(values), abs=1e-6)
    flat = np.full((1, 16, 16, 1), 200, np.uint8)
    same = structural_similarity(flat[0], flat[0] - 9, **settings)
    alone = SSIMMeter(255, window=window).add(flat, flat - 9).value()
    assert alone == pytest.approx(same, abs=1e-6)


def test_what_does_not_fit_is_refused():
    image = np.zeros((1, 8, 8, 1))
    with pytest.raises(ValueError, match="images of 11 by 11 pixels or more"):
        SSIMMeter().add(image, image)
    with pytest.raises(ValueError, match="'gaussian' or 'uniform', got 'box'"):
        SSIMMeter(window="box")
    with pytest.raises(ValueError, match="0 < peak < infinity, got 0"):
        PSNRMeter(0)
    with pytest.raises(ValueError, match="output and target of one shape"):
        PSNRMeter().add(image, image[:, 1:])
    with pytest.raises(ValueError, match=r"images \[B, H, W, C\]"):
        PSNRMeter().add(np.zeros((4, 4)), np.zeros((4, 4)))


def maps():
    rng = np.random.default_rng(1)
    target = rng.integers(0, 4, (3, 9, 10))
    output = np.where(rng.random(target.shape) < 0.7, target, 2)
    target[:, :2] = 255  # to be left out
    return output, target


def test_overlaps_are_those_of_scikit_learn():
    output, target = maps()
    known = target != 255
    given = {"average": None, "labels": range(5), "zero_division": 0}
    for make, score in ((MeanIoUMeter, jaccard_score), (DiceMeter, f1_score)):
        value = make(5).add(output, target).value()
        expected = score(target[known], output[known], **given)
        np.testing.assert_allclose(value.classes[:4], expected[:4])
        assert np.isnan(value.classes[4])  # neither there nor predicted
        assert value.mean == pytest.approx(expected[:4].mean())
        parts = [
            make(5).add(output[at : at + 1], target[at : at + 1]) for at in range(3)
        ]
        assert parts[0].merge(parts[1]).merge(parts[2]).value().mean == value.mean
        scores = np.eye(5, dtype=np.float32)[output]
        assert make(5).add(scores, target).value().mean == value.mean


def test_masks_are_of_images_or_of_pixels():
    output, target = maps()
    first = MeanIoUMeter(4).add(output[:1], target[:1])
    masked = MeanIoUMeter(4).add(output, target, mask=np.arange(3) < 1)
    pixels = np.zeros(target.shape, bool)
    pixels[0] = True
    assert first.value().mean == masked.value().mean
    assert MeanIoUMeter(4).add(output, target, mask=pixels).value().mean == (
        first.value().mean
    )
    assert int(masked.n) == 70


@pytest.mark.parametrize("kind", [MeanIoUMeter, DiceMeter])
def test_errors_name_the_meter_that_was_added_to(kind):
    name, maps = kind.__name__, np.zeros((2, 4, 5), np.int32)
    with pytest.raises(ValueError, match=rf"^{name}.add needs output \[B, K\]"):
        kind(3).add(maps[:, :3], maps)
    with pytest.raises(ValueError, match=rf"^{name}\(num_classes=3\) needs a score"):
        kind(3).add(np.zeros((2, 4, 5, 7)), maps)
    with pytest.raises(ValueError, match=rf"^{name}.add: mask has shape \[3\]"):
        kind(3).add(np.zeros((2, 4, 5, 3)), maps, mask=np.ones(3, bool))
