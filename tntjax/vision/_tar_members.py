"""The members of a tar: where the bytes of each file lie."""

import os
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

BLOCK = 512

PACKED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"PK": "zip"}

MOST_HEADER = 1 << 20
"""Bytes of a long name or of a pax header; a larger one is damage."""


class Member(NamedTuple):
    """A file in a tar."""

    name: str  # its path; in a tar in a tar that tar's path comes first
    offset: int  # where its bytes begin in the outermost file
    size: int
    link: str = ""  # the name of the earlier file that a hard link leads to


def list_members(path: str | os.PathLike[str], nested: bool) -> Iterator[Member]:
    """Yields the regular files of a tar, or also of tars in it, by their headers.

    Each header's sum is compared: `tarfile` takes a damaged header for the end.
    """
    with open(path, "rb", buffering=0) as file:
        front = os.pread(file.fileno(), 2, 0)
        if front in PACKED:
            raise ValueError(
                f"{path} is packed with {PACKED[front]}, where nothing can be read at"
                " random: unpack it to a plain .tar first."
            )
        end = os.fstat(file.fileno()).st_size
        yield from _walk(file.fileno(), os.fspath(path), 0, end, nested, "")


def _walk(
    file: int, path: str, position: int, end: int, nested: bool, prefix: str
) -> Iterator[Member]:
    extended: dict[str, Any] = {}
    while position < end:
        where = f"{path}, byte {position:,}"
        header = os.pread(file, BLOCK, position)
        if not any(header):  # the mark of the end
            return
        name, size, kind = _parse(header, where)
        size = extended.get("size", size)
        if not str(size).isdigit():
            raise ValueError(f"{where}: {name!r} has a size of {size}, so damaged.")
        size = int(size)
        position, filled = position + BLOCK, -(-size // BLOCK) * BLOCK
        if position + filled > end:
            raise ValueError(
                f"{where}: {name!r} should have {size:,} bytes, filled up to"
                f" {filled:,}, but only {max(0, end - position):,} follow. The tar is"
                " cut short."
            )
        if kind in (b"L", b"K", b"x"):
            extended |= _read_extended(file, position, size, kind, where)
        elif kind == b"S" or any(key.startswith("GNU.sparse") for key in extended):
            raise ValueError(f"{where}: {name!r} has holes, which cannot be read so.")
        else:
            full = prefix + extended.get("path", name).removeprefix("./")
            linked = extended.get("linkpath", _text(header[157:257]))
            if kind == b"1":
                yield Member(full, 0, 0, prefix + linked.removeprefix("./"))
            elif kind in (b"0", b"\0", b"7") and nested and _is_tar(full):
                inner = position + size
                yield from _walk(file, path, position, inner, nested, f"{full}/")
            elif kind in (b"0", b"\0", b"7"):
                yield Member(full, position, size)
            extended = {}
        position += filled
    if position:  # the file is not empty
        warnings.warn(
            f"{path}: {prefix or 'the tar'} has no mark of its end, so it may have been"
            " cut short after a file. Compare its size, or write it anew.",
            stacklevel=2,
        )


def _is_tar(name: str) -> bool:
    """True for the name of a tar; macOS keeps attributes of `a.tar` in `._a.tar`."""
    return name.endswith(".tar") and "/._" not in f"/{name}"


def _parse(header: bytes, where: str) -> tuple[str, int, bytes]:
    """Reads the name, the size and the kind of a member; raises if the sum is wrong."""
    try:
        # The sum is that of a header whose own field is blank.
        found = sum(header) - sum(header[148:156]) + 8 * 32
        if len(header) == BLOCK and _number(header[148:156]) == found:
            name = _text(header[:100])
            if header[257:263] == b"ustar\0" and header[345]:
                name = f"{_text(header[345:500])}/{name}"
            return name, _number(header[124:136]), header[156:157]
    except ValueError:  # of what is no number
        pass
    raise ValueError(
        f"{where} should begin a member, but is no header of a tar. It is another"
        " kind of file, damaged, or cut short."
    )


def _number(field: bytes) -> int:
    """Reads octal digits, or GNU's binary numbers for what has more digits."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    return int(field.split(b"\0")[0].strip() or b"0", 8)


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("utf-8", "surrogateescape")


def _read_extended(
    file: int, position: int, size: int, kind: bytes, where: str
) -> dict[str, str]:
    """Reads a long name, or records `length key=value` that end with line feeds."""
    if size > MOST_HEADER:
        raise ValueError(f"{where}: a header of {size:,} bytes, so damaged.")
    content, found = os.pread(file, size, position), {}
    if kind != b"x":
        return {"path" if kind == b"L" else "linkpath": _text(content)}
    while content.strip(b"\0"):
        length, _, _ = content.partition(b" ")
        whole = length.isdigit() and len(length) < int(length) <= len(content)
        if not whole or b"=" not in content[: int(length)]:
            raise ValueError(f"{where}: a damaged pax header.")
        key, _, value = content[len(length) + 1 : int(length) - 1].partition(b"=")
        found[key.decode(errors="replace")] = value.decode("utf-8", "surrogateescape")
        content = content[int(length) :]
    return found
