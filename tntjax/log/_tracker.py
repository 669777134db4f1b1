"""The view for runs that have `log(dict, step=)`: those of W&B, trackio and others."""

import sys
import types
from typing import Any

from tntjax._struct import describe
from tntjax.log._parts import Parts, finite_numbers
from tntjax.log._view import View

LIBRARIES = ("wandb", "trackio", "swanlab")
"""Those with an `Image`, and most with a `Histogram`."""


def tracker(run: Any, step: str = "t") -> View:
    """Makes a view that gives rows to a run of Weights & Biases, trackio or the like.

    It is used like `tnt.log.tensorboard`, with the same names and kinds of values;
    numbers and text are given as they are, and what is an array or an image as the
    `Histogram` or `Image` of wandb, trackio or swanlab, or as an array to another run.
    What the run raises is told of once, and training goes on. Hyperparameters are for
    the library's own `wandb.init(config=...)`.

    Args:
      run: what has `log(dict, step=)`: the result of `wandb.init(...)`, of
        `trackio.init(...)`, or a module that has it. Nothing is imported. To go on with
        a run, make it as the library says, such as `wandb.init(id=..., resume="must")`:
        steps that it has are not logged again.
      step: which value of a row is the step; it is an integer.

    Returns:
      A closure of a log or a dict. It raises ValueError for a row without a step, and
      TypeError for a value of another kind.

    Raises:
      TypeError: if `run` has no `log`, or `step` is not a string.

    Example:
      >>> class Printer:
      ...     def log(self, values, step):
      ...         print(step, values)
      >>> tracker(Printer())({"t": 3, "loss": 0.5, "error": {1: 50.0}})
      3 {'loss': 0.5, 'error/1': 50.0}
    """
    if not callable(getattr(run, "log", None)):
        raise TypeError(
            f"tracker needs a run that has log(dict, step=...), got {describe(run)}."
            " Pass what wandb.init(...) or trackio.init(...) returned."
        )
    name, first, last = getattr(run, "name", None), _next_step(run), -1
    where = name if isinstance(name, str) and name else describe(run)

    def begin(new: int) -> None:
        nonlocal first
        # What goes on may have stopped between two rows of one step.
        first = max(first, last + 1 if new == 0 else last)
        if new == 0 and first > 0:
            raise ValueError(
                f"it has steps up to {first - 1} already; give each training a run of"
                " its own"
            )

    def send(number: int, parts: Parts) -> None:
        nonlocal last
        if number >= first:  # the run has the steps before
            run.log(_make_values(run, parts), step=number)
            last = max(last, number)

    return View("tracker", where, send, begin, step)


def _make_values(run: Any, parts: Parts) -> dict[str, Any]:
    """Makes what the library of a run has for each value; else arrays stay arrays."""
    module = run.__name__ if isinstance(run, types.ModuleType) else type(run).__module__
    name = module.partition(".")[0]
    library = sys.modules.get(name) if name in LIBRARIES else None
    values: dict[str, Any] = {**parts.numbers, **parts.texts}
    for name, array in parts.arrays.items():
        if library is None:
            values[name] = array
        elif hasattr(library, "Histogram") and (finite := finite_numbers(array)).size:
            values[name] = library.Histogram(finite)
    for name, pixels in parts.images.items():
        values[name] = pixels if library is None else library.Image(pixels)
    return values


def _next_step(run: Any) -> int:
    """Returns the step that a run would give to the next row, 0 if it does not tell."""
    run = getattr(run, "run", run) if isinstance(run, types.ModuleType) else run
    for name in ("step", "_next_step"):  # trackio has no public one
        if isinstance(found := getattr(run, name, None), int):
            return found
    return 0
