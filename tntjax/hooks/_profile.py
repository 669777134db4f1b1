"""A trace of some steps."""

import os

import jax

from tntjax._files import as_place
from tntjax._numbers import check_at_least
from tntjax.engine import Hooks, State
from tntjax.engine._around import Session
from tntjax.engine._hooks import Scheduled
from tntjax.hooks._arguments import explain_arguments


@explain_arguments
def profile(directory: str | os.PathLike, first: int = 10, steps: int = 10) -> Hooks:
    """Writes a trace of some steps, for TensorBoard, XProf or Perfetto.

    Calls end exactly where the trace starts and stops; there the host waits for the
    device. A run that ends before, or is left by an error, stops the trace at its end;
    one that makes none of these updates writes none.

    Args:
      directory: where the trace goes.
      first: how many updates are made before it starts; some, so that it does not show
        compilation.
      steps: how many updates it shows.

    Returns:
      A Hooks value, to be chained with others. It serves one run at a time.

    Raises:
      TypeError: if a number is not an integer, or `directory` not a path.
      ValueError: if `first` is below 0 or `steps` below 1.

    Example:
      >>> import tntjax as tnt
      >>> tnt.hooks.profile("trace", first=100, steps=20).scheduled[0].steps
      (100,)
    """
    folder = as_place(directory, "profile: directory")
    first = check_at_least("profile: first", first, 0)
    steps = check_at_least("profile: steps", steps, 1)
    running = False

    def start(state: State) -> State:
        nonlocal running
        if int(state.t) == first and not running:
            jax.profiler.start_trace(folder)
            running = True
        return state

    def close() -> None:
        nonlocal running
        if running:
            running = False
            jax.profiler.stop_trace()

    def stop(state: State) -> State:
        close()
        return state

    return Hooks(
        on_start_epoch=start,  # for the first updates of all
        scheduled=(
            Scheduled("every", None, start, (first,)),
            Scheduled("every", None, stop, (first + steps,)),
        ),
        sessions=(Session(close=close),),
    )
