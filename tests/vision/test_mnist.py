"""mnist: where it looks and what it takes."""

import gzip
import subprocess
import sys

import numpy as np
import pytest

from tests.required import DATA, FULL_MNIST, leave_out
from tntjax.vision import _mnist_files as files
from tntjax.vision import mnist, read_idx


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_sample_is_an_image_and_its_class(tmp_path, digits, split):
    dataset = mnist(split, digits.write(tmp_path))
    assert len(dataset) == {"train": 6, "test": 4}[split]
    sample = dataset[3]
    assert sample["input"].dtype == np.uint8 and sample["target"].dtype == np.int32
    assert sample["input"].shape == (28, 28) and sample["target"].shape == ()
    np.testing.assert_array_equal(sample["input"], digits.images(split)[3])
    assert sample["target"] == digits.labels(split)[3]


def test_columns_are_contiguous_and_read_only(tmp_path, digits):
    for column in mnist("test", digits.write(tmp_path)).data.values():
        assert column.flags.c_contiguous and not column.flags.writeable


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("spell", ["{}", "{}.gz", "{0}/{0}"])
@pytest.mark.parametrize("dotted", [False, True])
def test_takes_every_spelling(tmp_path, digits, spell, pack, dotted):
    digits.write(tmp_path, spell, pack)
    for path in sorted(tmp_path.rglob("*ubyte*")):
        if dotted and path.is_file():
            path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    assert digits.equal(mnist("train", tmp_path), "train")


def test_takes_the_archive_of_keras(tmp_path, digits):
    folder = digits.write_archive(tmp_path)
    assert digits.equal(mnist("test", folder), "test")


@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_labels_of_an_archive_may_be_any_integers(tmp_path, digits, dtype):
    labels = digits.labels("test").astype(dtype)
    folder = digits.write_archive(tmp_path, y_test=labels)
    assert mnist("test", folder).data["target"].dtype == np.int32


def test_a_plain_file_goes_before_a_packed_one(tmp_path, digits):
    digits.write(tmp_path)
    for name in digits.arrays:
        (tmp_path / f"{name}.gz").write_bytes(b"not looked at")
    assert digits.equal(mnist("test", tmp_path), "test")


@pytest.mark.parametrize(
    ("variant", "inside"),
    [
        ("mnist", "."),
        ("mnist", "mnist"),
        ("mnist", "MNIST/raw"),
        ("fashion", "."),
        ("fashion", "fashion-mnist"),
        ("fashion", "FashionMNIST/raw"),
    ],
)
def test_looks_inside_data_dir(tmp_path, digits, clothes, variant, inside):
    content = {"mnist": digits, "fashion": clothes}[variant]
    content.write(tmp_path / inside)
    assert content.equal(mnist("test", str(tmp_path), variant=variant), "test")


@pytest.mark.parametrize(
    ("variant", "place"),
    [
        ("mnist", "data/mnist"),
        ("mnist", "data/MNIST/raw"),
        ("mnist", "cache/tntjax/mnist"),
        ("mnist", "system/mnist"),
        ("fashion", "data/fashion-mnist"),
        ("fashion", "data/FashionMNIST/raw"),
        ("fashion", "cache/tntjax/fashion-mnist"),
        ("fashion", "system/fashion-mnist"),
    ],
)
def test_looks_in_the_usual_places(
    tmp_path, monkeypatch, digits, clothes, variant, place
):
    monkeypatch.setenv("TNTJAX_DATA", str(tmp_path / "data"))
    content = {"mnist": digits, "fashion": clothes}[variant]
    content.write(tmp_path / place)
    assert content.equal(mnist("test", variant=variant), "test")


def test_places_come_in_order(tmp_path, monkeypatch, digits):
    monkeypatch.setenv("TNTJAX_DATA", str(tmp_path / "data"))
    order = ["given", "data/mnist", "cache/tntjax/mnist", "system/mnist"]
    for label, place in enumerate(order):
        digits.labels("test")[:] = label
        digits.write(tmp_path / place)
    found = []
    for place in order:
        found.append(int(mnist("test", tmp_path / "given").data["target"][0]))
        for path in (tmp_path / place).iterdir():
            path.unlink()
    assert found == [0, 1, 2, 3]


def test_home_means_home(tmp_path, monkeypatch, digits):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME")
    digits.write(tmp_path / ".cache/tntjax/mnist")
    assert digits.equal(mnist("test"), "test")
    assert digits.equal(mnist("test", "~/.cache/tntjax"), "test")


def test_both_variants_may_share_a_root(tmp_path, digits, clothes):
    digits.write(tmp_path)
    clothes.write(tmp_path / "fashion-mnist")
    assert digits.equal(mnist("test", tmp_path), "test")
    assert clothes.equal(mnist("test", tmp_path, variant="fashion"), "test")


def test_images_never_go_with_labels_of_another_folder(tmp_path, digits):
    digits.write(tmp_path / "given", names=["t10k-images-idx3-ubyte"])
    digits.write(tmp_path / "system/mnist")
    (tmp_path / "given/t10k-images-idx3-ubyte").write_bytes(b"not looked at")
    assert digits.equal(mnist("test", tmp_path / "given"), "test")


@pytest.mark.slow
def test_importing_loads_no_network_code_and_no_backend():
    code = (
        "import sys, jax, optax; before = set(sys.modules); import tntjax.vision;"
        "new = set(sys.modules) - before; from jax._src import xla_bridge;"
        "assert not {'urllib.request', 'http.client', 'ssl'} & new, new;"
        "assert not xla_bridge._backends"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_the_real_test_split_has_10000_images(tmp_path):
    labels = np.arange(10_000) % 10
    np.savez_compressed(
        tmp_path / "mnist.npz",
        x_test=np.zeros((10_000, 28, 28), np.uint8),
        y_test=labels,
    )
    assert len(mnist("test", tmp_path)) == 10_000


@FULL_MNIST
@pytest.mark.parametrize(
    ("split", "size", "first"),
    [("train", 60_000, [5, 0, 4, 1, 9, 2, 1, 3]), ("test", 10_000, [7, 2, 1, 0])],
)
def test_the_real_mnist(split, size, first):
    dataset = mnist(split, DATA)
    assert dataset.data["input"].shape == (size, 28, 28)
    assert dataset.data["target"][: len(first)].tolist() == first


@FULL_MNIST
def test_the_real_files_have_the_sums_that_downloads_are_checked_with(digits):
    real = files.VARIANTS["mnist"]._replace(sums=REAL_SUMS)
    for split in ("train", "test"):
        paths = files.locate(real, split, DATA)
        for name, path in zip(files.names(split), paths, strict=True):
            array = read_idx(path)
            header = bytes([0, 0, 8, array.ndim])
            sizes = np.array(array.shape, ">u4").tobytes()
            content = header + sizes + array.tobytes()
            files.check_sum(real.sums[name], len(content), content)


REAL_SUMS = files.VARIANTS["mnist"].sums  # before `digits` has its own put in


SYSTEM = files.SYSTEM  # Debian's folders, before `machine` hides them


def test_the_real_fashion_mnist(monkeypatch):
    monkeypatch.setattr(files, "SYSTEM", SYSTEM)
    if not files.locate(files.VARIANTS["fashion"], "test", DATA):
        leave_out("Fashion-MNIST is missing: apt-get install dataset-fashion-mnist")
    dataset = mnist("test", DATA, variant="fashion")
    assert dataset.data["target"][:4].tolist() == [9, 2, 1, 1]
