"""Test sets of WMT in `.sgm` files, which look like XML and are not."""

import os
import re
from pathlib import Path
from typing import NamedTuple

from tntjax._files import as_place

TAG = re.compile(rb"<(?P<kind>/?(?:doc|seg))\b(?P<fields>[^>]*)>", re.IGNORECASE)
FIELD = re.compile(rb"""([\w-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")


class Segment(NamedTuple):
    """One segment of a test set: its document, its id there and its text."""

    document: str
    id: str
    text: str


def read_sgm(path: str | os.PathLike) -> list[Segment]:
    r"""Reads the segments of a `.sgm` file, in its order.

    Nothing is unescaped, neither `&` nor `&amp;`, as in references of published scores.

    Args:
      path: the file, in which a segment begins and ends on one line.

    Returns:
      The segments, their text without blanks at the ends.

    Raises:
      ValueError: if the file has no segments, one without an id or an end, one outside
        of a document, or is not UTF-8.

    Example:
      >>> import pathlib, tempfile
      >>> path = pathlib.Path(tempfile.mkdtemp(), "x.sgm")
      >>> _ = path.write_text('<doc docid="d">\n<seg id="1"> A & B </seg>\n</doc>')
      >>> read_sgm(path)
      [Segment(document='d', id='1', text='A & B')]
    """
    document, segments = None, []
    lines = Path(as_place(path, "read_sgm: path")).read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            document = _read_line(line, document, segments)
        except ValueError as error:  # of bytes that are not UTF-8 too
            raise ValueError(f"{path}, line {number}: {error}") from None
    if not segments:
        raise ValueError(f'{path} has no line with <seg id="...">: is it an .sgm file?')
    return segments


def _read_line(line: bytes, document: str | None, segments: list) -> str | None:
    """Appends the segments of a line; returns the document that is open behind it."""
    id, begin = None, 0
    for tag in TAG.finditer(line):
        kind, found = tag["kind"].lower(), FIELD.findall(tag["fields"])
        fields = {k.decode().lower(): b"".join(v).decode() for k, *v in found}
        if kind == b"seg":
            if "id" not in fields or id is not None:
                raise ValueError("a segment without an id, or within another.")
            if document is None:
                raise ValueError("a segment outside of a <doc>.")
            id, begin = fields["id"], tag.end()
        elif kind == b"/seg" and id is not None:
            text = line[begin : tag.start()].decode().strip()
            segments.append(Segment(document or "", id, text))
            id = None
        elif id is None:
            document = fields.get("docid")
    if id is not None:
        raise ValueError("a segment without </seg>.")
    return document
