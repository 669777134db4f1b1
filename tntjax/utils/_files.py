import os
from collections.abc import Sequence
from itertools import islice

from tntjax._files import as_place, as_text
from tntjax._numbers import check_max_load


def load_list(path: str | os.PathLike, max_load: int | None = None) -> list[str]:
    r"""Reads the lines of a UTF-8 text file.

    Args:
      path: the file. Lines end at `\n` or `\r\n` only. A byte order mark at its start
        is no part of the first.
      max_load: how many lines to read at most, None for all.

    Returns:
      The lines without their ends. The index of a line is
      `{line: index for index, line in enumerate(lines)}`.

    Raises:
      TypeError: if `path` is not a path, or `max_load` not an integer.
      ValueError: if it is below 1, or the file is not in UTF-8.

    Example:
      >>> import pathlib, tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = pathlib.Path(folder, "classes.txt")
      ...     _ = path.write_text("cat\ndog\n")
      ...     load_list(path)
      ['cat', 'dog']

    Torchnet: `utils.sys.loadlist`, whose `revert` puts the indices into the same table.
    """
    check_max_load(max_load, "load_list")
    place = as_place(path, "load_list: path")  # `open` takes numbers too
    with open(place, encoding="utf-8-sig", newline="\n") as file:
        try:
            lines = list(islice(file, max_load))
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{os.fspath(path)} is not text in UTF-8: {error}. Convert it:"
                " iconv -f LATIN1 -t UTF-8, say."
            ) from error
    return [line.removesuffix("\n").removesuffix("\r") for line in lines]


def list_image_files(
    path: str | os.PathLike, extensions: Sequence[str] = ("jpg", "jpeg", "png")
) -> list[str]:
    """Lists the image files in a folder and in the folders inside.

    Args:
      path: the folder. Links to folders are not followed.
      extensions: the ends of names that count, in lower case; case is not told apart.

    Returns:
      The paths, `path` in front, sorted.

    Raises:
      TypeError: if `path` is not a path, or `extensions` is a string.
      OSError: if a folder cannot be read.

    Example:
      >>> import pathlib, tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     for name in ("b.png", "a.JPG", "notes.txt"):
      ...         pathlib.Path(folder, name).touch()
      ...     [os.path.basename(file) for file in list_image_files(folder)]
      ['a.JPG', 'b.png']

    Torchnet: `utils.sys.listimgfiles`, which lists in the order of the file system.
    """
    if isinstance(extensions, str):
        raise TypeError(f"extensions must be a list, such as [{extensions!r}].")
    ends = tuple(f".{end.lower().removeprefix('.')}" for end in extensions)

    def fail(error: OSError) -> None:
        raise error

    folder = as_text(path, "list_image_files: path")
    return sorted(
        os.path.join(inside, name)
        for inside, _, names in os.walk(folder, onerror=fail)
        for name in names
        if name.lower().endswith(ends)
    )
