"""Curves drawn with matplotlib, which is optional."""

from typing import Any

from tntjax._optional import import_optional


def axes_of(axes: Any, name: str) -> Any:
    """Returns matplotlib's axes: the given ones, or if None those of a new figure."""
    if axes is not None:
        return axes
    subject = f"Without ax= {name}.plot"
    return import_optional("matplotlib.pyplot", subject, "plot").subplots()[1]


def draw_curve(
    meter: Any, ax: Any, x: Any, y: Any, labels: tuple[str, str], how: str = "default"
) -> Any:
    """Draws a curve [P] in the unit square, on `ax` or on a new figure.

    What stands in the brackets of the meter's `repr` goes with the curve; `how` is
    matplotlib's `drawstyle`.
    """
    axes = axes_of(ax, type(meter).__name__)
    label = repr(meter).partition("(")[2][:-1]
    axes.plot(x, y, label=label, drawstyle=how)
    axes.set(xlabel=labels[0], ylabel=labels[1], xlim=(0, 1), ylim=(0, 1.02))
    axes.legend()
    return axes
