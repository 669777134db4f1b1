"""Curves drawn with matplotlib, which is optional."""

import importlib
from typing import Any


def axes_of(axes: Any, name: str) -> Any:
    """Returns axes to draw on: those given, or new ones.

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


def draw(axes: Any, x: Any, y: Any, labels: tuple[str, str, str], how: str) -> None:
    """Draws a curve in the unit square.

    Args:
      axes: matplotlib's Axes.
      x: [P] float.
      y: [P] float.
      labels: that of the x-axis, of the y-axis, and the `repr` of the meter, of which
        what stands in brackets goes with the curve.
      how: matplotlib's `drawstyle`: "default" or "steps-pre".
    """
    axes.plot(x, y, label=labels[2].partition("(")[2][:-1], drawstyle=how)
    axes.set(xlabel=labels[0], ylabel=labels[1], xlim=(0, 1), ylim=(0, 1.02))
    axes.legend()
