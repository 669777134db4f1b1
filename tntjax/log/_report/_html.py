"""Pieces of HTML, with all text in them escaped."""

import html
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""Characters that HTML must not have; half a character has no bytes, either."""


class Markup(str):
    """Text that is HTML already."""


def escape(value: Any) -> str:
    """Escapes a text, but not markup.

    Example:
      >>> escape("<script>"), escape(Markup("<b>"))
      ('&lt;script&gt;', '<b>')
    """
    if isinstance(value, Markup):
        return value
    return html.escape(CONTROLS.sub("\ufffd", str(value)))


def tag(name: str, *inside: Any, **attributes: Any) -> Markup:
    """Makes an element of text, which is escaped, and markup.

    Attributes that are None or False are left out; `class_` is `class`.

    Example:
      >>> tag("td", "a < b", class_="number")
      '<td class="number">a &lt; b</td>'
    """
    shown = "".join(
        f' {key.strip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Markup(f"<{name}{shown}>{''.join(map(escape, inside))}</{name}>")


def join(parts: Iterable[Any]) -> Markup:
    """Puts pieces behind each other, text escaped."""
    return Markup("".join(map(escape, parts)))


def section(title: str, *inside: Any) -> Markup:
    """Makes a section with a heading."""
    name = re.sub(r"\W+", "-", title.lower())
    heading = tag("h2", title, id=name)
    return tag("section", heading, *inside, aria_labelledby=name)


def table(
    caption: str,
    head: Sequence[Any],
    rows: Iterable[Sequence[Any]],
    class_: str | None = None,
) -> Markup:
    """Makes a table that scrolls sideways; its first column names the rows."""
    columns = join(tag("th", name, scope="col") for name in head)
    body, before = [], None
    for first, *rest in rows:
        again = "again" if first == before else None
        heading = tag("th", first, scope="row", class_=again)
        body.append(tag("tr", heading, *map(_cell, rest)))
        before = first
    inside = (tag("caption", caption), tag("thead", tag("tr", columns)))
    return scroll(caption, tag("table", *inside, tag("tbody", *body), class_=class_))


def scroll(label: str, inside: Markup) -> Markup:
    """Makes a box that scrolls sideways."""
    box = {"class_": "scroll", "tabindex": "0", "role": "region"}
    return tag("div", inside, **box, aria_label=label)


def _cell(value: Any) -> Markup:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return tag("td", show_number(value), class_="number")
    return tag("td", "" if value is None else value)


def show_number(value: float) -> str:
    """Writes a number as a person reads it, five digits of a fraction.

    Example:
      >>> [show_number(x) for x in (6000, 0.1234567, 12345.678, 1e-7, float("-inf"))]
      ['6,000', '0.12346', '12,346', '1e-07', '\u2212∞']
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "\u221e" if value > 0 else "\u2212\u221e"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    digits = f"{value:.5g}"
    return f"{value:,.0f}" if abs(value) >= 1e4 and "e" not in digits else digits
