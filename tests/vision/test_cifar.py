"""CIFAR from its official files: both versions, unpacked or not, safely unpickled."""

import io
import os
import pickle
import struct
import tarfile

import numpy as np
import pytest

from tests.vision.pictures import crop
from tntjax.vision import _cifar_files as files
from tntjax.vision import cifar10, cifar100, cifar_classes
from tntjax.vision._unpickle import unpickle_arrays

SIZES = {"train": 20, "test": 6}


class Python2Pickler(pickle._Pickler):
    """Writes bytes as the strings of Python 2, which made the official files."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_string(self, value):
        self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    dispatch[bytes] = save_string


def pickle_as_python_2(value):
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(value)
    return file.getvalue().replace(b"numpy._core.", b"numpy.core.")


def pickle_as_python_3(value):
    return pickle.dumps(value)


class Toy:
    """A small CIFAR of 32 x 32 pieces of photos, in each of the official forms."""

    def __init__(self):
        random = np.random.default_rng(0)
        self.images, self.fine, self.coarse = {}, {}, {}
        for number, (split, size) in enumerate(SIZES.items()):
            places = random.integers(0, 395, (size, 2))
            name = ["china", "flower"][number]
            self.images[split] = np.stack([crop(name, *place) for place in places])
            self.fine[split] = random.integers(0, 100, size)
            self.coarse[split] = random.integers(0, 20, size)
        self.ten = {split: labels % 10 for split, labels in self.fine.items()}

    def rows(self, split):
        """[N, 3072], planes of red, green and blue."""
        return self.images[split].transpose(0, 3, 1, 2).reshape(-1, 3072)

    def python(self, name, pack=pickle_as_python_2):
        made = {}
        for split in SIZES:
            rows, ten = self.rows(split), self.ten[split].tolist()
            parts = [slice(None)]
            if name == "cifar10" and split == "train":
                parts = [slice(4 * part, 4 * part + 4) for part in range(5)]
            variant = files.CIFAR10 if name == "cifar10" else files.CIFAR100
            for file, part in zip(variant.parts[split], parts, strict=True):
                batch = {b"batch_label": b"of a toy", b"data": rows[part]}
                if name == "cifar10":
                    batch[b"labels"] = ten[part]
                else:
                    batch[b"fine_labels"] = self.fine[split].tolist()
                    batch[b"coarse_labels"] = self.coarse[split].tolist()
                made[f"{variant.folders[0]}/{file}"] = pack(batch)
        return made

    def binary(self, name):
        made = {}
        for split in SIZES:
            labels = [self.coarse[split], self.fine[split]]
            labels = [self.ten[split]] if name == "cifar10" else labels
            table = np.column_stack([*labels, self.rows(split)]).astype(np.uint8)
            variant = files.CIFAR10 if name == "cifar10" else files.CIFAR100
            names = [f"{name}.bin" for name in variant.parts[split]]
            for file, part in zip(names, np.split(table, len(names)), strict=True):
                made[f"{variant.folders[1]}/{file}"] = part.tobytes()
        return made


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setattr(files, "SIZES", SIZES)
    return Toy()


def write(root, made):
    for name, content in made.items():
        os.makedirs((root / name).parent, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def write_tar(path, made):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, content in reversed(made.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def lay_out(root, toy, name, layout):
    version, _, form = layout.partition(" ")
    made = toy.python(name) if version == "python" else toy.binary(name)
    number = "10" if name == "cifar10" else "100"
    if form == "tar":
        write_tar(root / f"cifar-{number}-{version}.tar.gz", made)
    elif form == "inside":
        write(root, {key.partition("/")[2]: value for key, value in made.items()})
    elif form == "ours":
        write(root / name, made)
    else:
        write(root, made)


LAYOUTS = [f"{v} {form}" for v in ("python", "binary") for form in ("", "tar")]
LAYOUTS += ["python inside", "binary inside", "python ours"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("split", SIZES)
def test_cifar10_in_each_layout(tmp_path, toy, layout, split):
    lay_out(tmp_path, toy, "cifar10", layout)
    dataset = cifar10(split, tmp_path)
    np.testing.assert_array_equal(dataset.data["input"], toy.images[split])
    assert dataset.data["target"].tolist() == toy.ten[split].tolist()
    assert dataset[3]["input"].shape == (32, 32, 3)
    assert dataset.data["input"].dtype == np.uint8
    assert dataset.data["target"].dtype == np.int32


@pytest.mark.parametrize("layout", LAYOUTS)
def test_cifar100_in_each_layout_with_the_labels_that_are_asked_for(
    tmp_path, toy, layout
):
    lay_out(tmp_path, toy, "cifar100", layout)
    both = cifar100("train", tmp_path, labels="both").data
    assert both["target"].tolist() == toy.fine["train"].tolist()
    assert both["coarse"].tolist() == toy.coarse["train"].tolist()
    np.testing.assert_array_equal(both["input"], toy.images["train"])
    fine = cifar100("train", tmp_path).data
    assert list(fine) == ["input", "target"]
    assert fine["target"].tolist() == toy.fine["train"].tolist()
    coarse = cifar100("train", tmp_path, labels="coarse").data
    assert coarse["target"].tolist() == toy.coarse["train"].tolist()


def test_columns_are_read_only(tmp_path, toy):
    lay_out(tmp_path, toy, "cifar10", "python")
    dataset = cifar10("test", tmp_path)
    assert not any(column.flags.writeable for column in dataset.data.values())


def test_the_folder_is_found_by_the_environment(tmp_path, toy, monkeypatch):
    lay_out(tmp_path / "data", toy, "cifar10", "binary ours")
    monkeypatch.setenv("TNTJAX_DATA", str(tmp_path / "data"))
    assert len(cifar10("test")) == 6


def test_classes_are_those_of_the_official_metadata():
    assert [len(cifar_classes(n)) for n in ("cifar10", "fine", "coarse")] == [
        10,
        100,
        20,
    ]
    assert cifar_classes("cifar10")[6] == "frog"
    for labels in ("fine", "coarse"):
        names = cifar_classes(labels)
        assert list(names) == sorted(names) and len(set(names)) == len(names)
    assert cifar_classes("fine")[99] == "worm"
    with pytest.raises(
        ValueError, match="cifar_classes needs labels 'cifar10', .* got 'both'"
    ):
        cifar_classes("both")


class Evil:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("pack", [pickle_as_python_2, pickle_as_python_3])
@pytest.mark.parametrize(
    ("function", "arguments"),
    [(os.system, ("touch hacked",)), (eval, ("open('hacked', 'w')",))]
    + [(getattr, ("a", "upper")), (np.save, ("hacked", 0)), (np.memmap, ("hacked",))],
)
def test_a_pickle_that_wants_to_run_code_is_refused(
    tmp_path, toy, monkeypatch, pack, function, arguments
):
    monkeypatch.chdir(tmp_path)
    made = toy.python("cifar100")
    made["cifar-100-python/test"] = pack({b"data": Evil(function, *arguments)})
    write(tmp_path, made)
    with pytest.raises(
        ValueError, match=r"python.test wants to call .*, which no pickle"
    ):
        cifar100("test", tmp_path)
    assert not list(tmp_path.glob("hacked*"))


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_all_protocols_are_unpickled(protocol):
    value = {
        "x": np.arange(6, dtype=">i2").reshape(2, 3),
        b"f": np.asfortranarray(np.eye(3)[:, :2]),
        "names": [b"raw", "text", 1.5, None, (True,)],
    }
    found = unpickle_arrays(pickle.dumps(value, protocol), "x")
    np.testing.assert_array_equal(found["x"], value["x"])
    np.testing.assert_array_equal(found[b"f"], value[b"f"])
    assert found["names"] == value["names"]


def test_what_a_pickle_says_of_memory_is_not_trusted():
    value = {b"data": np.arange(6, dtype=np.int32)}
    whole, minus = pickle.dumps(value, 2), b"J\xff\xff\xff\xff" * 2
    assert whole.count(minus + b"K\0t") == 1
    # flags of a type of Python's objects, by which NumPy would follow the numbers
    found = unpickle_arrays(whole.replace(minus + b"K\0t", minus + b"K\x3ft"), "x")
    assert found[b"data"].tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="damaged or no pickle"):
        unpickle_arrays(whole.replace(b"K\x06\x85", b"K\x07\x85"), "x")


def test_a_pickle_does_not_change_the_functions_that_it_names():
    state = b"N}X\x0c\0\0\0__defaults__X\1\0\0\0a\x85s\x86b."
    with pytest.raises(ValueError, match="damaged or no pickle"):
        unpickle_arrays(b"\x80\x02c_codecs\nencode\n" + state, "x")


@pytest.mark.parametrize(
    "value", [np.array([print, 1], object), np.array([("a", 1)], "U3,i4")]
)
def test_arrays_of_objects_are_refused(value):
    with pytest.raises(ValueError, match="wants to call|damaged or no pickle"):
        unpickle_arrays(pickle.dumps(value), "x")


def test_bytes_in_other_encodings_are_refused():
    import codecs

    attack = pickle_as_python_3(Evil(codecs.encode, "text", "rot13"))
    with pytest.raises(ValueError, match="damaged or no pickle"):
        unpickle_arrays(attack, "x")


def broken(toy, change):
    made = toy.python("cifar10") | {}
    batch = {b"data": toy.rows("test"), b"labels": toy.ten["test"].tolist()}
    made["cifar-10-batches-py/test_batch"] = change(batch)
    return made


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b"", "test_batch is damaged or no pickle"),
        (lambda b: pickle_as_python_2(b)[:5000], "test_batch is damaged or no pickle"),
        (
            lambda b: pickle_as_python_2([1]),
            r"should hold a dict with .*, but holds \[1",
        ),
        (lambda b: pickle_as_python_2({b"data": b[b"data"]}), "another data set"),
        (
            lambda b: pickle_as_python_2(b | {b"labels": [9] * 5 + [10]}),
            "0 to 9, but has",
        ),
        (lambda b: pickle_as_python_2(b | {b"labels": [-1] * 6}), "but has -1 to -1"),
        (lambda b: pickle_as_python_2(b | {b"labels": ["a"] * 6}), "are no numbers"),
        (
            lambda b: pickle_as_python_2(b | {b"labels": [[1]] * 6}),
            "one for each image",
        ),
        (lambda b: pickle_as_python_2(b | {b"labels": [1] * 5}), r"uint8\[5,3072\]"),
        (
            lambda b: pickle_as_python_2(b | {b"data": b[b"data"][:, :9]}),
            "for its 6 lab",
        ),
        (
            lambda b: pickle_as_python_2({k: v[:5] for k, v in b.items()}),
            "should have 6 images, but the files hold 5",
        ),
    ],
)
def test_a_broken_batch_is_an_error_that_names_it(tmp_path, toy, change, message):
    write(tmp_path, broken(toy, change))
    with pytest.raises(ValueError, match=message):
        cifar10("test", tmp_path)


def test_a_binary_file_of_another_set_or_cut_short_is_an_error(tmp_path, toy):
    made = toy.binary("cifar10")
    name = "cifar-10-batches-bin/test_batch.bin"
    for content in (
        made[name][:-1],
        b"",
        toy.binary("cifar100")["cifar-100-binary/test.bin"],
    ):
        write(tmp_path, made | {name: content})
        with pytest.raises(ValueError, match="should hold rows of 3073 bytes"):
            cifar10("test", tmp_path)


def test_swapped_bytes_of_labels_are_noticed(tmp_path, toy):
    made = toy.binary("cifar100")
    rows = np.frombuffer(made["cifar-100-binary/test.bin"], np.uint8).reshape(-1, 3074)
    swapped = np.column_stack([rows[:, 1], rows[:, 0], rows[:, 2:]])
    write(tmp_path, made | {"cifar-100-binary/test.bin": swapped.tobytes()})
    with pytest.raises(ValueError, match="should have coarse_labels from 0 to 19"):
        cifar100("test", tmp_path)


def test_a_damaged_archive_is_an_error(tmp_path, toy):
    lay_out(tmp_path, toy, "cifar10", "python tar")
    path = tmp_path / "cifar-10-python.tar.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="tar.gz is truncated or damaged"):
        cifar10("test", tmp_path)
    write_tar(path, {"cifar-10-batches-py/readme.html": b"x"})
    with pytest.raises(ValueError, match=r"tar.gz lacks \['test_batch'\]"):
        cifar10("test", tmp_path)


@pytest.mark.parametrize(("load", "number"), [(cifar10, 10), (cifar100, 100)])
def test_what_is_missing_is_told_with_place_licence_and_layout(tmp_path, load, number):
    with pytest.raises(FileNotFoundError) as caught:
        load("train", tmp_path)
    text = str(caught.value)
    assert text.startswith(f"CIFAR-{number}: the train split is not on this machine.")
    assert str(tmp_path) in text and f"kriz/cifar-{number}-python.tar.gz (md5" in text
    assert "Licence: none is stated" in text
    assert f"cifar-{number}-binary.tar.gz, as they come" in text


def test_some_of_the_batches_are_not_the_set(tmp_path, toy):
    made = toy.python("cifar10")
    del made["cifar-10-batches-py/data_batch_3"]
    write(tmp_path, made)
    with pytest.raises(FileNotFoundError, match="the train split is not"):
        cifar10("train", tmp_path)
    assert len(cifar10("test", tmp_path)) == 6
