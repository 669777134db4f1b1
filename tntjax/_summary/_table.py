"""Tables as aligned text and as HTML, and numbers in readable units."""

import html
from collections.abc import Sequence
from typing import NamedTuple

PREFIXES = ("", "k", "M", "G", "T", "P", "E")


class Table(NamedTuple):
    """A table of texts.

    Args:
      head: what stands above each column; those that begin with ">" are for numbers.
      rows: of as many texts each.
    """

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def format_count(number: float | None, unit: str = "") -> str:
    """Formats a number with a prefix of thousands, such as `13.0 M`."""
    return _format(number, 1000, PREFIXES, unit)


def format_bytes(number: float | None) -> str:
    """Formats a number of bytes, such as `392.0 KiB`."""
    binary = ("", *(f"{prefix.upper()}i" for prefix in PREFIXES[1:]))
    return _format(number, 1024, binary, "B")


def _format(number: float | None, base: int, prefixes: Sequence[str], unit: str) -> str:
    if number is None:
        return "-"
    power = 0
    # 999.96 would be printed as 1000.0
    while number >= base - 0.05 and power < len(prefixes) - 1:
        number, power = number / base, power + 1
    digits = f"{number:.1f}" if power else f"{number:.0f}"
    return f"{digits} {prefixes[power]}{unit}".rstrip()


def write_text(table: Table) -> str:
    """Writes a table as lines of text, numbers to the right."""
    head = tuple(text.removeprefix(">") for text in table.head)
    columns = list(zip(head, *table.rows, strict=True))
    widths = [max(map(len, column)) for column in columns]

    def write(row: tuple[str, ...]) -> str:
        cells = zip(row, widths, table.head, strict=True)
        line = "  ".join(
            cell.rjust(width) if name.startswith(">") else cell.ljust(width)
            for cell, width, name in cells
        )
        return line.rstrip()

    return "\n".join(map(write, (head, *table.rows)))


def write_html(table: Table) -> str:
    """Writes a table as HTML; all texts are escaped."""

    def write(tag: str, row: tuple[str, ...]) -> str:
        cells = "".join(
            f'<{tag} style="text-align:{"right" if name.startswith(">") else "left"}">'
            f"{html.escape(cell)}</{tag}>"
            for name, cell in zip(table.head, row, strict=True)
        )
        return f"<tr>{cells}</tr>"

    head = write("th", tuple(text.removeprefix(">") for text in table.head))
    body = "".join(write("td", row) for row in table.rows)
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


def write_paragraph(text: str) -> str:
    """Writes a text as a paragraph of HTML, escaped."""
    return f"<p>{html.escape(text)}</p>"
