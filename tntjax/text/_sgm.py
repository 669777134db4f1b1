"""Test sets of WMT in `.sgm` files, which look like XML and are not."""

import os
import re
from pathlib import Path
from typing import NamedTuple

DOCUMENT = re.compile(rb"""<doc\b[^>]*\bdocid=["']?([^"'>]+)""", re.IGNORECASE)
SEGMENT = re.compile(
    rb"""<seg\b[^>]*\bid=["']?([^"'>\s]+)["']?[^>]*>(.*?)(</seg>|$)""", re.IGNORECASE
)


class Segment(NamedTuple):
    """One segment of a test set: its document, its id there and its text."""

    document: str
    id: str
    text: str


def read_sgm(path: str | os.PathLike) -> list[Segment]:
    r"""Reads the segments of a `.sgm` file, in its order.

    Each stands on a line of its own. A bare `&` is text, and `&amp;` is too: nothing
    is unescaped, as the references of published scores are not.

    Args:
      path: the file.

    Returns:
      The segments, their text without blanks at the ends.

    Raises:
      ValueError: if the file has no segments, one without an end, or one outside of a
        document.

    Example:
      >>> import pathlib, tempfile
      >>> path = pathlib.Path(tempfile.mkdtemp(), "x.sgm")
      >>> _ = path.write_text('<doc docid="d">\n<seg id="1"> A & B </seg>\n</doc>')
      >>> read_sgm(path)
      [Segment(document='d', id='1', text='A & B')]
    """
    document, segments = None, []
    for number, line in enumerate(Path(path).read_bytes().split(b"\n"), start=1):
        if found := DOCUMENT.search(line):
            document = found[1].decode()
        for id, text, end in SEGMENT.findall(line):
            if not end or document is None:
                what = "without </seg>" if not end else "outside of a <doc>"
                raise ValueError(f"{path}, line {number}: a segment {what}.")
            segments.append(Segment(document, id.decode(), text.decode().strip()))
    if not segments:
        raise ValueError(f'{path} has no line with <seg id="...">: is it an .sgm file?')
    return segments
