"""Reads a report back, as a browser would."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from tntjax.log import report

KINDS = {4: "<f4", 8: "<f8"}


class Page(HTMLParser):
    """What a browser sees: text, rows of tables by caption, and curves."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.text = ""
        self._data: dict[str, str] = {}
        self._reading: list[str] | None = None
        self._caption = self._rows = None
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag == "table":
            self._rows = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("th", "td"):
            self._rows[-1].append("")
        self._caption = "" if tag == "caption" else self._caption
        self._id = attributes.get("id") if tag == "script" else None

    def handle_endtag(self, tag: str) -> None:
        if tag == "caption":
            self.tables[self._caption] = self._rows
            self._caption = None
        elif tag == "table":
            self._rows = None

    def handle_data(self, data: str) -> None:
        last = self.tags[-1][0] if self.tags else ""
        if last in ("script", "style"):
            self._data[self._id] = self._data.get(self._id, "") + data
            return
        self.text += data
        if self._caption is not None:
            self._caption += data
        elif self._rows and self._rows[-1]:
            self._rows[-1][-1] += data.strip("\n")

    @property
    def payload(self) -> dict[str, Any]:
        return json.loads(self._data["data-curves"])

    @property
    def curves(self) -> dict[str, tuple[list[float], list[float]]]:
        """Points of each curve by `run/key`, or `run/key/member`, on the first axis."""
        payload, blob = self.payload, base64.b64decode(self._data["data-numbers"])

        def read(place: list[int]) -> list[float]:
            start, length, size = place
            return np.frombuffer(blob, KINDS[size], length, start).tolist()

        return {
            "/".join(
                filter(
                    None,
                    [
                        payload["runs"][curve["run"]],
                        curve["key"],
                        curve.get("member", curve.get("family")),
                    ],
                )
            ): (read(curve["x"][0]), read(curve["y"]))
            for plot in payload["plots"]
            for curve in plot["curves"]
        }

    def table(self, name: str) -> dict[str, list[str]]:
        """The rows of a table by their first cell."""
        return {row[0]: row[1:] for row in self.tables[name]}


def write_and_read(folder: Path, *runs: Any, **options: Any) -> Page:
    return Page(report(folder / "out.html", *runs, **options))


def count(pattern: str, text: str) -> int:
    return len(re.findall(pattern, text))
