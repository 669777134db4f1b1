"""mnist: what it says of files that it refuses."""

import numpy as np
import pytest

from tntjax.vision import mnist


@pytest.mark.parametrize("split", ["validation", "Train", "", None, ["train"]])
def test_an_unknown_split_is_an_error(split):
    with pytest.raises(ValueError, match="mnist needs split 'train' or 'test', got"):
        mnist(split)


def test_an_unknown_variant_is_an_error():
    with pytest.raises(ValueError, match="'mnist' or 'fashion', got 'kmnist'"):
        mnist("train", variant="kmnist")


def test_a_file_for_data_dir_is_an_error(tmp_path, digits):
    digits.write_archive(tmp_path)
    with pytest.raises(ValueError, match=r"mnist\.npz is a file"):
        mnist("train", tmp_path / "mnist.npz")


def test_a_truncated_file_is_named(tmp_path, digits):
    path = digits.write(tmp_path) / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="train-images-idx3-ubyte is truncated"):
        mnist("train", tmp_path)


def test_a_bad_file_is_not_passed_over_for_a_good_one(tmp_path, digits):
    digits.write(tmp_path / "given")
    digits.write(tmp_path / "system/mnist")
    (tmp_path / "given/t10k-labels-idx1-ubyte").write_bytes(b"")
    with pytest.raises(ValueError, match="given.*t10k-labels-idx1-ubyte is empty"):
        mnist("test", tmp_path / "given")


@pytest.mark.parametrize(
    ("one", "other", "wrong"),
    [
        (
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte",
            r"train-images-idx3-ubyte should hold the train images, uint8\[6, 28, 28\],"
            r" but holds uint8\[6\]. That is the form of train labels: are files swapp",
        ),
        (
            "train-images-idx3-ubyte",
            "t10k-images-idx3-ubyte",
            r"train-images-idx3-ubyte should hold the train images, .* but holds"
            r" uint8\[4,28,28\]. That is the form of test images",
        ),
        (
            "train-labels-idx1-ubyte",
            "t10k-labels-idx1-ubyte",
            r"train-labels-idx1-ubyte should hold the train labels, .* but holds"
            r" uint8\[4\]. That is the form of test labels",
        ),
    ],
)
def test_swapped_files_are_told(tmp_path, digits, one, other, wrong):
    arrays = digits.arrays
    arrays[one], arrays[other] = arrays[other], arrays[one]
    with pytest.raises(ValueError, match=wrong):
        mnist("train", digits.write(tmp_path))


def test_the_images_of_another_data_set_are_an_error(tmp_path, digits):
    digits.arrays["t10k-images-idx3-ubyte"] = np.zeros((4, 32, 32), np.uint8)
    with pytest.raises(ValueError, match="Is it the file of another data set?"):
        mnist("test", digits.write(tmp_path))


def test_labels_past_9_are_an_error(tmp_path, digits):
    digits.labels("test")[:] = [0, 10, 3, 4]
    with pytest.raises(ValueError, match="labels 0 to 9, but has 0 to 10"):
        mnist("test", digits.write(tmp_path))


def test_labels_below_0_are_an_error(tmp_path, digits):
    folder = digits.write_archive(tmp_path, y_test=np.array([1, -1, 0, 0]))
    with pytest.raises(ValueError, match=r"npz \(y_test\) .* but has -1 to 1"):
        mnist("test", folder)


def test_your_own_data_in_the_form_of_mnist_load(tmp_path, digits, clothes):
    digits.images("test")[:] = 7
    digits.labels("test")[:] = 3
    assert digits.equal(mnist("test", digits.write(tmp_path)), "test")


@pytest.mark.parametrize(
    ("variant", "wrong"),
    [
        ("mnist", "holds the labels of Fashion-MNIST, not of MNIST;"),
        ("fashion", "holds the labels of MNIST, not of Fashion-MNIST;"),
    ],
)
def test_the_other_variant_is_told(tmp_path, digits, clothes, variant, wrong):
    {"mnist": clothes, "fashion": digits}[variant].write(tmp_path)
    with pytest.raises(ValueError, match=f"t10k-labels-idx1-ubyte {wrong}"):
        mnist("test", tmp_path, variant=variant)


def test_a_damaged_archive_is_named(tmp_path, digits):
    path = digits.write_archive(tmp_path) / "mnist.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"mnist\.npz is damaged or is not Keras'"):
        mnist("train", tmp_path)


@pytest.mark.parametrize(
    ("arrays", "wrong"),
    [
        ({"x": np.zeros(3)}, "x_test is not a file in the archive"),
        ({"x_test": np.array([{}])}, "Object arrays cannot be loaded"),
    ],
)
def test_an_archive_of_something_else_is_named(tmp_path, digits, arrays, wrong):
    np.savez(tmp_path / "mnist.npz", **arrays)
    with pytest.raises(ValueError, match=rf"mnist\.npz is damaged .*{wrong}"):
        mnist("test", tmp_path)


def test_an_archive_that_is_none_is_named(tmp_path, digits):
    (tmp_path / "mnist.npz").write_bytes(b"<html>")
    with pytest.raises(ValueError, match=r"mnist\.npz is damaged .*it is no zip file"):
        mnist("test", tmp_path)


def test_images_of_an_archive_must_be_uint8(tmp_path, digits):
    images = digits.images("test").astype(np.float32)
    folder = digits.write_archive(tmp_path, x_test=images)
    with pytest.raises(ValueError, match=r"npz \(x_test\) .* holds float32\[4,28,28\]"):
        mnist("test", folder)
