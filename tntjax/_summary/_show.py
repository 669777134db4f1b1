"""The tables and sentences of a summary."""

from tntjax._summary._arrays import Row, add_up
from tntjax._summary._cost import Cost
from tntjax._summary._table import Table, format_bytes, format_count

NO_INPUT = "Pass input=, a batch or its shapes, to see what the network costs to run."

NO_CRITERION = "Pass criterion= and target= to see what a train step costs."

PLAIN = "The train step is that of SGDEngine; pass optimizer= for another."

ANALYSED = {
    "FLOPs": "flops",
    "bytes accessed": "bytes_accessed",
    "memory": "memory",
}
"""What XLA may tell of a function, by what it is called in a sentence."""


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
    head = (">FLOPs", ">accessed", ">memory", ">arguments", ">outputs", ">temporaries")
    rows = [
        (
            name,
            format_count(cost.flops),
            format_bytes(cost.bytes_accessed),
            format_bytes(cost.memory),
            format_bytes(cost.arguments),
            format_bytes(cost.outputs),
            format_bytes(cost.temporaries),
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
        lacking = [what for what, field in ANALYSED.items() if _lacks(cost, field)]
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


def _lacks(cost: Cost, field: str) -> bool:
    return getattr(cost, field) is None
