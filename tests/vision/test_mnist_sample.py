"""mnist_sample: the tenth of MNIST that comes with the package."""

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest

import tntjax.vision
from tests.required import DATA, FULL_MNIST
from tntjax.vision import mnist, mnist_sample, read_idx

FOLDER = Path(tntjax.vision.__file__).parent / "data"
SCRIPT = Path(__file__).parents[2] / "tools" / "make_mnist_sample.py"


@pytest.mark.parametrize(
    ("split", "counts"),
    [
        ("train", [579, 665, 611, 590, 609, 554, 575, 639, 555, 623]),
        ("test", [87, 121, 104, 106, 92, 74, 93, 115, 99, 109]),
    ],
)
def test_has_the_classes_of_one_digit_in_ten(split, counts):
    dataset = mnist_sample(split)
    assert np.bincount(dataset.data["target"]).tolist() == counts
    assert dataset.data["input"].shape == (sum(counts), 28, 28)


def test_a_sample_has_the_form_of_mnist():
    sample = mnist_sample("train")[5999]
    assert sample["input"].dtype == np.uint8 and sample["target"].dtype == np.int32
    assert sample["input"].shape == (28, 28) and sample["target"].shape == ()


@pytest.mark.parametrize("split", ["train", "test"])
def test_columns_are_contiguous_and_read_only(split):
    for column in mnist_sample(split).data.values():
        assert column.flags.c_contiguous and not column.flags.writeable


@pytest.mark.parametrize("split", ["train", "test"])
def test_pixels_are_the_committed_ones(split):
    pixels = mnist_sample(split).data["input"]
    assert (
        hashlib.sha256(pixels.tobytes()).hexdigest()[:16]
        == {
            "train": "2936c2d5236485df",
            "test": "94b96729fce43248",
        }[split]
    )


def test_an_unknown_split_is_an_error():
    with pytest.raises(ValueError, match="mnist_sample needs split 'train' or 'test'"):
        mnist_sample("all")


def test_the_package_grows_by_about_a_megabyte():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_150_000


@FULL_MNIST
@pytest.mark.parametrize("split", ["train", "test"])
def test_is_the_fifth_of_each_ten_digits_of_mnist(split):
    whole, sample = mnist(split, DATA).data, mnist_sample(split).data
    for key in ("input", "target"):
        np.testing.assert_array_equal(sample[key], whole[key][4::10])


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("make_mnist_sample", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@FULL_MNIST
def test_the_script_makes_the_committed_files(tmp_path, script):
    script.main([DATA, "--output", str(tmp_path)])
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == sorted(path.name for path in FOLDER.iterdir())
    for name in made:  # the digits and not the bytes: those depend on the zlib
        np.testing.assert_array_equal(
            read_idx(tmp_path / name), read_idx(FOLDER / name)
        )


def test_the_script_refuses_what_is_not_mnist(tmp_path, script, digits):
    digits.images("test")[:] = 0
    with pytest.raises(SystemExit, match="t10k-images-idx3-ubyte is not that of MNIST"):
        script.main([str(digits.write(tmp_path)), "--output", str(tmp_path / "made")])


def test_the_script_takes_one_in_so_many(tmp_path, script, digits, monkeypatch):
    monkeypatch.setattr(script, "EVERY", 2)
    monkeypatch.setattr(script, "FIRST", 1)
    script.main([str(digits.write(tmp_path)), "--output", str(tmp_path / "made")])
    made = read_idx(tmp_path / "made" / "train-labels-idx1-ubyte.gz")
    assert made.tolist() == digits.labels("train")[1::2].tolist()
