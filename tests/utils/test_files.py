import os

import pytest

from tntjax.utils import list_image_files, load_list


def test_lines_lose_their_ends_and_nothing_else(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes("a b \r\n\n\u00e9\u2028x\nlast".encode())
    assert load_list(path) == ["a b ", "", "\u00e9\u2028x", "last"]
    assert load_list(str(path), max_load=2) == ["a b ", ""]
    assert load_list(path, max_load=99) == load_list(path)


def test_an_empty_file_is_an_empty_list(tmp_path):
    path = tmp_path / "list.txt"
    path.touch()
    assert load_list(path) == []


@pytest.mark.parametrize("max_load", [0, -1])
def test_at_least_one_line_is_read(tmp_path, max_load):
    with pytest.raises(ValueError, match=f"max_load >= 1 or None, got {max_load}"):
        load_list(tmp_path, max_load)


@pytest.mark.parametrize("max_load", ["3", 2.0, True])
def test_a_number_of_lines_is_an_integer(tmp_path, max_load):
    message = f"load_list needs an integer max_load or None, got {max_load!r}"
    with pytest.raises(TypeError, match=message):
        load_list(tmp_path, max_load)


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("\ufeffcat\r\n\ufeffdog", encoding="utf-8", newline="")
    assert load_list(path) == ["cat", "\ufeffdog"]


def test_a_file_in_another_code_is_named(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"caf\xe9\n")
    with pytest.raises(ValueError, match=r"list\.txt is not text in UTF-8.*iconv"):
        load_list(path)


@pytest.fixture
def folder(tmp_path):
    for name in (
        "b.png",
        "a.jpg",
        "C.JPEG",
        "no.txt",
        "jpg",
        "x.jpg.gz",
        "d/e/f.Png",
        "d/a a.jpeg",
        "d/g.gif",
        "empty/.keep",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def names(files, folder):
    return [os.path.relpath(file, folder).replace(os.sep, "/") for file in files]


def test_images_are_listed_sorted_with_their_paths(folder):
    files = list_image_files(folder)
    expected = ["C.JPEG", "a.jpg", "b.png", "d/a a.jpeg", "d/e/f.Png"]
    assert names(files, folder) == expected
    assert files == sorted(files)
    assert all(os.path.isfile(file) for file in files)


def test_other_extensions(folder):
    assert names(list_image_files(str(folder), ["gif", ".PNG"]), folder) == [
        "b.png",
        "d/e/f.Png",
        "d/g.gif",
    ]


def test_a_string_of_extensions_is_refused(folder):
    with pytest.raises(TypeError, match=r"must be a list, such as \['gif'\]"):
        list_image_files(folder, "gif")


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        list_image_files(tmp_path / "none")
