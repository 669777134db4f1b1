"""ImageFolder: folders are classes, whatever lies in them and wherever."""

import os
import pickle
import tarfile

import numpy as np
import pytest

import tntjax as tnt
from tests.vision.pictures import crop, encode, photo, pixels
from tntjax.vision import ImageFolder, fit_image
from tntjax.vision._names import Names

TREE = {
    "flower/1.jpg": photo("flower"),
    "flower/deep/er/2.PNG": encode(crop("flower", 0, 0), "png"),
    "a-b/x.jpeg": encode(crop("china", 9, 9)),
    "a/y.webp": encode(crop("china", 99, 9), "webp", lossless=True),
    "a/10.jpg": encode(crop("china", 50, 9)),
    "a/9.jpg": encode(crop("china", 70, 9)),
}
ORDER = ["a/10.jpg", "a/9.jpg", "a/y.webp", "a-b/x.jpeg", "flower/1.jpg"]
ORDER += ["flower/deep/er/2.PNG"]
BESIDE = {"readme.jpg": b"", "a/.DS_Store": b"", "a/notes.txt": b""}
BESIDE |= {"a/._9.jpg": b"\0\5\x16\7", "a/.old/9.jpg": b"", ".bin/1.jpg": b""}


def write(root, tree):
    for name, content in tree.items():
        os.makedirs((root / name).parent, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.fixture
def tree(tmp_path):
    return write(tmp_path / "photos", TREE | BESIDE)


def names(dataset):
    return [
        os.path.relpath(dataset.where(i), dataset.root) for i in range(len(dataset))
    ]


def test_samples_are_sorted_by_class_and_name_and_what_lies_beside_is_left_out(tree):
    dataset = ImageFolder(tree)
    assert dataset.classes == ("a", "a-b", "flower")
    assert names(dataset) == ORDER
    assert dataset.targets.tolist() == [0, 0, 0, 1, 2, 2]
    sample = dataset[4]
    np.testing.assert_array_equal(sample["input"], pixels("flower"))
    assert sample["target"] == 2 and sample["target"].dtype == np.int32


@pytest.mark.parametrize("form", ["tar", "tar of tars"])
def test_a_tar_has_the_same_samples_in_the_same_order(tree, tmp_path, form):
    path = tmp_path / "photos.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(tree / "a/._9.jpg", "._a.tar")  # as macOS writes beside a.tar
        for folder in ("flower", ".bin", "a", "a-b"):
            if form == "tar":
                tar.add(tree / folder, folder)
                continue
            with tarfile.open(tmp_path / f"{folder}.tar", "w") as inner:
                for entry in sorted(os.listdir(tree / folder), reverse=True):
                    inner.add(tree / folder / entry, entry)
            tar.add(tmp_path / f"{folder}.tar", f"{folder}.tar")
    dataset, packed = ImageFolder(tree), ImageFolder(path, cache=tmp_path / "x.npz")
    assert packed.classes == dataset.classes
    for ours, theirs in zip(packed, dataset, strict=True):
        np.testing.assert_array_equal(ours["input"], theirs["input"])
        assert ours["target"] == theirs["target"]
    assert "photos.tar: a" in packed.where(0)


def test_classes_can_be_chosen_and_numbered(tree):
    dataset = ImageFolder(tree, classes=["flower", "a"])
    assert dataset.targets.tolist() == [0, 0, 1, 1, 1]
    assert names(dataset)[0] == "flower/1.jpg" and dataset.classes == ("flower", "a")


def test_linked_folders_are_followed(tree, tmp_path):
    os.symlink(tree / "flower", tmp_path / "linked")
    (tmp_path / "root").mkdir()
    os.symlink(tree / "flower", tmp_path / "root" / "flower")
    assert len(ImageFolder(tmp_path / "root")) == 2


def test_the_decoder_can_be_another(tree):
    dataset = ImageFolder(tree, decode=len)
    assert dataset[4]["input"] == len(photo("flower"))


def test_a_damaged_file_is_an_error_that_names_it(tree):
    (tree / "a/9.jpg").write_bytes(TREE["a/9.jpg"][:400])
    with pytest.raises(ValueError, match="truncated") as caught:
        ImageFolder(tree)[1]
    assert caught.value.__notes__ == [f"While reading {tree}/a/9.jpg."]


def test_a_batch_of_one_size_is_made_after_a_transform(tree):
    def resize(image):
        return fit_image(image, 16)

    dataset = tnt.TransformDataset(ImageFolder(tree), resize, key="input")
    batch = tnt.BatchDataset(dataset, 6)[0]
    assert batch["input"].shape == (6, 16, 16, 3)
    assert batch["target"].tolist() == [0, 0, 0, 1, 2, 2]
    with pytest.raises(ValueError, match="shape"):
        tnt.take(ImageFolder(tree), [0, 4])


def test_pickled_it_is_arrays_and_reads_the_same(tree):
    many = write(tree.parent / "many", {f"c/{n:05}.jpg": b"x" for n in range(2000)})
    dataset = ImageFolder(many, decode=bytes)
    assert len(pickle.dumps(dataset)) < 2000 * (11 + 8 + 8 + 4) + 3000
    again = pickle.loads(pickle.dumps(dataset))
    assert again[7]["input"] == b"x" and again.where(7) == dataset.where(7)


def read_size(sample):
    return {"size": sample["input"].shape[0], "target": sample["target"]}


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["thread", "process"])
def test_workers_read_it(tree, tmp_path, backend):
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.add(tree, ".")
    for source in (tree, tmp_path / "x.tar")[backend == "process" :]:
        dataset = tnt.TransformDataset(ImageFolder(source), read_size)
        with tnt.ParallelDatasetIterator(dataset, 2, backend=backend) as iterator:
            read = [(int(s["size"]), int(s["target"])) for s in iterator]
        assert read == [(32, 0), (32, 0), (32, 0), (32, 1), (427, 2), (32, 2)]


def test_names_that_are_not_utf_8_are_kept(tmp_path):
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    with open(folder + b"/1.jpg", "wb") as file:
        file.write(photo("china"))
    dataset = ImageFolder(tmp_path)
    assert dataset[0]["input"].shape == (427, 640, 3)
    assert list(Names.pack(["", "Blüte", "\udcff"])) == ["", "Blüte", "\udcff"]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda root: ImageFolder(root / "gone"),
            FileNotFoundError,
            "cat/1.jpg, or a t",
        ),
        (
            lambda root: ImageFolder(root / "flower/deep/er"),
            ValueError,
            "no folders wi",
        ),
        (
            lambda root: ImageFolder(root, classes=["a", "dog"]),
            ValueError,
            r"has no images in the folders \['dog'\]",
        ),
        (
            lambda root: ImageFolder(root, classes="a"),
            TypeError,
            "list of classes, the names",
        ),
        (lambda root: ImageFolder(root, classes=[]), ValueError, "no folders with im"),
        (lambda root: ImageFolder(root, decode=3), TypeError, "but decode is 3"),
        (lambda root: ImageFolder(root / "a/notes.txt"), ValueError, "holds no files"),
    ],
)
def test_what_is_wrong_is_told(tree, make, error, message):
    with pytest.raises(error, match=message):
        make(tree)


def test_folders_that_link_to_each_other_are_refused(tmp_path):
    for here, there in (("a", "b"), ("b", "a")):
        (tmp_path / here).mkdir()
        (tmp_path / here / "1.jpg").write_bytes(photo("china"))
        os.symlink(f"../{there}", tmp_path / here / "other")
    with pytest.raises(ValueError, match="a/other/other is a link to a folder that"):
        ImageFolder(tmp_path)
