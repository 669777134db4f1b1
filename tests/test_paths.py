"""Paths: text, bytes and `os.PathLike` name one place, anything else is refused."""

import os
from pathlib import Path

import numpy as np
import pytest

import tntjax as tnt
from tntjax.dataset import IndexedDatasetReader, IndexedDatasetWriter


class Like:
    """A path of another library, made of text or bytes."""

    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return self.path


WAYS = [str, Path, os.fsencode, Like, lambda path: Like(os.fsencode(path))]


def write_words(folder):
    with IndexedDatasetWriter(f"{folder}/w.idx", f"{folder}/w.bin", "int") as writer:
        writer.add(np.arange(3, dtype=np.int32))


def write_row(path):
    view = tnt.log.csv(["a"], filename=path)
    tnt.Log(["a"], on_flush=[view]).set(a=1).flush()
    return Path(os.fsdecode(path)).read_text()


USES = {
    "IndexedDataset: path": (lambda path: tnt.IndexedDataset(["w"], path=path)[0], "."),
    "ListDataset: path": (lambda path: tnt.ListDataset(["w"], str, path)[0][-6:], "."),
    "list_image_files: path": (tnt.utils.list_image_files, "."),
    "csv: filename": (write_row, "rows"),
    "profile: directory": (lambda path: len(tnt.hooks.profile(path).scheduled), "."),
    "IndexedDatasetReader: index_filename": (
        lambda path: IndexedDatasetReader(path, f"{Path.cwd()}/w.bin")[0].tolist(),
        "w.idx",
    ),
    "recover: index_filename": (
        lambda path: IndexedDatasetWriter.recover(path, f"{Path.cwd()}/w.bin"),
        "w.idx",
    ),
}


@pytest.mark.parametrize("subject", USES)
def test_all_kinds_of_paths_name_one_place(subject, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_words(tmp_path)
    (tmp_path / "a.png").touch()
    use, name = USES[subject]
    results = [repr(use(way(str(tmp_path / name)))) for way in WAYS]
    assert results == results[:1] * len(WAYS)


@pytest.mark.parametrize("subject", USES)
def test_what_is_not_a_path_is_refused(subject, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    use, _ = USES[subject]
    with pytest.raises(TypeError, match=f"{subject} must be a path, got 5"):
        use(5)


def test_home_is_found_wherever_a_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    tnt.log.report("~/page.html", [{"t": 1, "loss": 0.5}])
    tnt.log.text(["a"], filename="~/rows")
    assert sorted(os.listdir(tmp_path)) == ["page.html", "rows"]


def test_a_writer_ends_in_the_folder_where_it_began(tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    with IndexedDatasetWriter("w.idx", "w.bin", "int") as writer:
        writer.add(np.arange(3, dtype=np.int32))
        monkeypatch.chdir(tmp_path / "other")
    monkeypatch.chdir(tmp_path)
    dataset = tnt.IndexedDataset(["w"], path=".")
    monkeypatch.chdir(tmp_path / "other")
    assert os.listdir() == [] and dataset[0]["w"].tolist() == [0, 1, 2]
