"""Curves drawn with matplotlib, which is optional."""

import importlib
from typing import Any


def axes_of(axes: Any, name: str) -> Any:
    """Returns axes to draw on: the given ones, or those of a new figure.

    Args:
      axes: matplotlib's Axes, or None for a new figure.
      name: what is drawn, for the error.

    Raises:
      ImportError: if new ones are wanted and matplotlib isn't installed.
    """
    if axes is not None:
        return axes
    try:
        pyplot = importlib.import_module("matplotlib.pyplot")
    except ImportError as error:
        raise ImportError(
            f"{name}.plot needs matplotlib to make axes: pip install"
            ' "tntjax[plot]". Or pass ax=.'
        ) from error
    return pyplot.subplots()[1]


def draw_curve(
    meter: Any, ax: Any, x: Any, y: Any, labels: tuple[str, str], how: str
) -> Any:
    """Draws a curve in the unit square.

    Args:
      meter: the meter; what stands in the brackets of its `repr` goes with the curve.
      ax: matplotlib's Axes, or None for those of a new figure.
      x: [P] float.
      y: [P] float.
      labels: that of the x-axis and that of the y-axis.
      how: matplotlib's `drawstyle`: "default" or "steps-pre".

    Returns:
      The Axes.

    Raises:
      ImportError: if `ax` is None and matplotlib isn't installed.
    """
    axes = axes_of(ax, type(meter).__name__)
    label = repr(meter).partition("(")[2][:-1]
    axes.plot(x, y, label=label, drawstyle=how)
    axes.set(xlabel=labels[0], ylabel=labels[1], xlim=(0, 1), ylim=(0, 1.02))
    axes.legend()
    return axes
