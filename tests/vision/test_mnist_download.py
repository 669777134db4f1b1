"""What mnist makes of downloads, and what it says when there are none."""

import functools
import gzip

import numpy as np
import pytest

from tntjax.vision import _mnist_files as files
from tntjax.vision import mnist

packed = functools.partial(gzip.compress, mtime=0)  # tests are named by its bytes


def listing(folder):
    return sorted(path.name for path in folder.iterdir())


def not_there(request):
    request.send_error(404)


def test_mnist_downloads_to_the_cache_once(tmp_path, digits, online):
    first, second = mnist("test"), mnist("test")
    np.testing.assert_array_equal(first.data["input"], digits.images("test"))
    np.testing.assert_array_equal(second.data["target"], digits.labels("test"))
    assert len(online.asked) == 2
    assert listing(tmp_path / "cache/tntjax/mnist") == [
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    ]


@pytest.mark.parametrize(
    ("data_dir", "folder"), [("data", "data/mnist"), ("mnist", "mnist")]
)
def test_mnist_downloads_to_data_dir(tmp_path, digits, online, data_dir, folder):
    mnist("train", tmp_path / data_dir)
    assert listing(tmp_path / folder) == [
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
    ]
    assert listing(tmp_path) == [data_dir]


def test_mnist_downloads_only_what_is_missing(tmp_path, digits, online):
    digits.write(tmp_path / "mnist", names=["t10k-images-idx3-ubyte"])
    assert len(mnist("test", tmp_path)) == 4
    assert len(online.asked) == 1


def test_mnist_puts_no_downloaded_labels_to_other_images(tmp_path, digits, online):
    digits.write(tmp_path / "mnist", names=["t10k-images-idx3-ubyte"])
    path = tmp_path / "mnist/t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(ValueError, match="t10k-images-idx3-ubyte has no partner"):
        mnist("test", tmp_path)


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"<html>", "wrong content, it begins with b'<html>'; unpacked sha256"),
        (packed(b"other digits"), "wrong content, it begins with b'other dig"),
        (packed(bytes(9999)), r"wrong content, it begins with b'\\x00"),
        (packed(bytes(99))[:-9], "truncated or damaged gzip file"),
    ],
)
def test_mnist_takes_only_the_real_files(
    digits, server, serve, monkeypatch, content, wrong
):
    mirrors = (server.mirror("wrong", serve(content)),)
    variant = files.VARIANTS["mnist"]._replace(mirrors=mirrors)
    monkeypatch.setitem(files.VARIANTS, "mnist", variant)
    with pytest.raises(FileNotFoundError, match=wrong):
        mnist("test")


def test_mnist_says_all_that_one_needs_when_there_is_nothing(
    tmp_path, digits, server, monkeypatch
):
    mirrors = server.mirror("one", not_there), server.mirror("two", not_there)
    variant = files.VARIANTS["mnist"]._replace(mirrors=mirrors)
    monkeypatch.setitem(files.VARIANTS, "mnist", variant)
    monkeypatch.setenv("TNTJAX_DATA", str(tmp_path / "data"))
    digits.write(tmp_path / "given", names=["t10k-labels-idx1-ubyte"])
    with pytest.raises(FileNotFoundError) as caught:
        mnist("test", tmp_path / "given")
    assert (
        str(caught.value)
        == f"""\
MNIST: the test split is not on this machine. Looked in
  {tmp_path}/given/mnist
  {tmp_path}/given/MNIST/raw
  {tmp_path}/given (has only t10k-labels-idx1-ubyte)
  {tmp_path}/data/mnist
  {tmp_path}/data/MNIST/raw
  {tmp_path}/cache/tntjax/mnist
  {tmp_path}/system/mnist
Get it: the files below, into a folder 'mnist' of data_dir or of $TNTJAX_DATA; \
tnt.vision.mnist_sample has a tenth, with no network
Licence: none is stated; cite Y. LeCun et al., 1998
Layout, any of:
  {{train,t10k}}-{{images-idx3,labels-idx1}}-ubyte, also .gz, or .idx for -idx
  mnist.npz, as Keras has it
Tried to download t10k-images-idx3-ubyte.gz to {tmp_path}/given/mnist from
  {mirrors[0]}t10k-images-idx3-ubyte.gz: HTTP Error 404: Not Found
  {mirrors[1]}t10k-images-idx3-ubyte.gz: HTTP Error 404: Not Found"""
    )


def test_fashion_mnist_does_not_offer_digits():
    with pytest.raises(FileNotFoundError) as caught:
        mnist("test", variant="fashion")
    text = str(caught.value)
    assert "a folder 'fashion-mnist' of data_dir" in text and "Licence: MIT" in text
    assert "mnist_sample" not in text and "mnist.npz" not in text
