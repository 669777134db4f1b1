"""The tables and sentences of a summary, as aligned text and as HTML."""

import html
from collections.abc import Sequence
from typing import NamedTuple

from tntjax._summary._arrays import Row, add_up
from tntjax._summary._cost import MEMORY, Cost

NO_INPUT = "Pass input=, a batch or its shapes, to see what the network costs to run."

NO_CRITERION = "Pass criterion= and target= to see what a train step costs."

PLAIN = "The train step is that of SGDEngine; pass optimizer= for another."

ANALYSED = {
    "FLOPs": "flops",
    "bytes accessed": "bytes_accessed",
    "memory": "memory",
}
"""What XLA may tell of a function, by what it is called in a sentence."""

PREFIXES = ("", "k", "M", "G", "T", "P", "E")


class Table(NamedTuple):
    """A table of texts; above columns of numbers stands what begins with ">"."""

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def format_count(number: float | None) -> str:
    """Formats a number with a prefix of thousands, such as `13.0 M`."""
    return _format(number, 1000, PREFIXES, "")


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


def show_arrays(
    rows: tuple[Row, ...], total: Row, model_state: Row | None, max_rows: int
) -> Table:
    """Makes the table of the parameters, cut in the middle if it is long."""
    shown = [_show_row(row, total) for row in _cut(rows, max_rows)]
    # Where a single array is the whole, its total would say the same again.
    shown += [] if len(rows) == 1 else [_show_row(total, total)]
    if model_state is not None:
        shown.append(_show_row(model_state, None))
    table = Table(
        ("parameters", "array", ">numbers", ">share", ">bytes", "lies"), shown
    )
    if any(row.sharding for row in (*rows, total)):
        return table
    return Table(table.head[:-1], [row[:-1] for row in table.rows])


def _cut(rows: tuple[Row, ...], max_rows: int) -> list[Row]:
    """Puts one row in the place of those in the middle, if there are too many."""
    if len(rows) <= max_rows:
        return list(rows)
    first, last = max_rows // 2, max_rows - 1 - max_rows // 2  # and one between them
    end = len(rows) - last
    return [*rows[:first], add_up("...", rows[first:end]), *rows[end:]]


def _show_row(row: Row, total: Row | None) -> tuple[str, ...]:
    share = "" if total is None else f"{100 * row.bytes / max(total.bytes, 1):.1f} %"
    return (
        row.path,
        row.shape,
        f"{row.size:,}",
        share,
        format_bytes(row.bytes),
        row.sharding,
    )


def show_costs(costs: dict[str, Cost]) -> Table:
    """Makes the table of what is analysed, one row each."""
    head = (">FLOPs", ">accessed", ">memory", *(f">{part}" for part in MEMORY))
    fields = ("bytes_accessed", "memory", *MEMORY)
    rows = [
        (
            name,
            format_count(cost.flops),
            *(format_bytes(getattr(cost, field)) for field in fields),
        )
        for name, cost in costs.items()
    ]
    return Table(("", *head), rows)


def list_notes(costs: dict[str, Cost], devices: int, platform: str) -> list[str]:
    """Lists what a reader of the numbers must know."""
    notes = []
    if devices > 1:
        notes.append(
            f"Bytes accessed and memory are those of one of {devices} devices; FLOPs"
            " and the parameters are those of all."
        )
    for name, cost in costs.items():
        lacking = [
            what for what, field in ANALYSED.items() if getattr(cost, field) is None
        ]
        if lacking:
            what = " and ".join(lacking)
            notes.append(f"The {name}: XLA does not tell {what} on {platform}.")
        if cost.loops:
            notes.append(
                f"The {name} has a loop: its body is counted once in FLOPs and bytes."
            )
        if cost.calls:
            notes.append(
                f"The {name} calls libraries {cost.calls} times, which XLA leaves out"
                " of the bytes accessed."
            )
    return notes
