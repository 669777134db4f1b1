"""The loss of a batch: the criterion on a sample, and how much each row weighs."""

import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp

from tntjax._struct import describe
from tntjax._types import Sample
from tntjax.engine._explain_error import TRACER_ERRORS
from tntjax.engine._primitives import has_shape
from tntjax.engine._rows import count_examples, count_rows, is_unbatched, read_field
from tntjax.engine._state import State
from tntjax.network._check import takes

Measure = Callable[[Any, Any, dict[str, Any]], jax.Array]
"""`(criterion_params, output, asked) -> loss`."""

IN_CODE = """ It is compiled, so it sees tracers and no numbers: use jnp in the place \
of np, jnp.where in that of if, and no float(); or train(jit=False), in Python."""

REPEATED = """output {output} and target {target} differ in shape, so that the \
criterion repeats them to [{rows}, {rows}], each row beside all others. Give them one \
shape, as output[:, 0] or target[:, None] does."""


def run_criterion(criterion: Any, state: State) -> tuple[Measure, dict[str, Any]]:
    """Returns the criterion on the sample of the State, and what else it asks for.

    That is `{"params": params}`, if it has a keyword-only argument of this name, as one
    that weighs the parameters has. A sample without a target is for a criterion that
    takes the output alone. The loss is checked where it comes back.
    """
    names = [] if state.criterion_params is None else ["criterion_params"]
    asked = {"params": state.params} if _asks_for_params(criterion) else {}
    lacks = isinstance(state.sample, dict) and "target" not in state.sample
    target = []  # or [target]: what follows the output
    if not (lacks and takes(criterion, len(names) + 1, asked)):  # 1: the output
        target = [read_field(state.sample, "target")]

    def run(params: Any, output: Any, asked: dict[str, Any]) -> jax.Array:
        given = [params] * len(names) + [output, *target]  # params: the criterion's
        shown = dict(zip((*names, "output", "target"), given, strict=False))
        shown |= asked
        with explain_call(f"criterion({', '.join(shown)})", **shown):
            loss = criterion(*given, **asked)
        _check_loss(loss, state.sample, output, *target)
        if _may_repeat(output, *target):
            _warn_of_repeats(lambda: criterion(*given, **asked), output, *target)
        return loss

    return run, asked


def _check_loss(loss: Any, sample: Sample, output: Any, *target: Any) -> None:
    """Raises a ValueError unless a loss is [], or [B] of the rows or of the mask."""
    mask = sample.get("mask")
    if not hasattr(loss, "shape") or loss.ndim > 1:
        advice = ". Take the mean over the other axes."
        if loss is None:
            advice = ". Return what it computes."
        elif not hasattr(loss, "shape"):
            advice = ". Return an array alone; hooks measure what else is of interest."
        elif _may_repeat(output, *target):
            advice = f": {REPEATED.format(**_words(output, *target))}"
        raise ValueError(
            "The criterion must return a loss of shape [] or [B],"
            f" got {describe(loss)}{advice}"
        )
    if mask is not None and loss.shape != mask.shape:  # [] or [B], [B]
        raise ValueError(
            f"The sample has a mask {describe(mask)}, so the criterion must return one"
            f" loss for each row, got {describe(loss)}. Leave out its mean."
        )
    if loss.ndim and not is_unbatched(sample):  # or it may have parts
        rows = count_rows(sample)
        if len(loss) != rows:
            given = "target" if target else "output"
            each = f"of each row, loss.reshape(len({given}), -1).mean(1), or "
            splits = len(loss) > rows > 0 and len(loss) % rows == 0
            raise ValueError(
                f"The criterion must return a loss of shape [] or [{rows}], one for"
                f" each row that it is given, got {describe(loss)}. Take the mean"
                f" {each * splits}of all, loss.mean()."
            )


def _may_repeat(output: Any, target: Any = None) -> bool:
    """True for [B, 1] beside [B], which NumPy's rules make a [B, B] of, in silence."""
    one, other = (getattr(value, "shape", ()) for value in (output, target))
    short, long = sorted((one, other), key=len)  # whichever is the output
    return len(short) == 1 and short[0] > 1 and long == (*short, 1)


def _words(output: Any, target: Any) -> dict[str, Any]:
    shown = {"output": describe(output), "target": describe(target)}
    return {**shown, "rows": len(output)}


def _warn_of_repeats(run: Callable[[], Any], output: Any, target: Any) -> None:
    """Warns if a criterion makes a [B, B] of an output and a target."""
    try:
        jaxpr = jax.make_jaxpr(run)().jaxpr
    except Exception:  # run step by step a criterion may look at numbers
        return
    # The loss does not tell, as a mean hides the shape: all that is computed counts.
    if has_shape(jaxpr, (len(output), len(output))):
        text = REPEATED.format(**_words(output, target))
        warnings.warn(f"tntjax: {text}", stacklevel=2)


def _asks_for_params(criterion: Any) -> bool:
    """True if it has a keyword-only argument `params`, and no value for it."""
    try:
        parameter = inspect.signature(criterion).parameters.get("params")
    except (TypeError, ValueError):  # compiled, and tells nothing of its parameters
        return False
    return (
        parameter is not None
        and parameter.kind is inspect.Parameter.KEYWORD_ONLY
        and parameter.default is inspect.Parameter.empty
    )


def weigh_losses(loss: Any, mask: Any, piece: Sample, whole: Sample) -> jax.Array:
    """Computes how much each entry of a loss weighs in what is minimised, [] or [B].

    Raises:
      TypeError: if it has no gradient.
    """
    if not jnp.issubdtype(loss.dtype, jnp.floating):
        raise TypeError(
            "The criterion must return real floats, or there is no gradient; got"
            f" {describe(loss)}. Of a complex loss take the square of jnp.abs; keep"
            " counts of errors in a meter."
        )
    # In 16 bits a sum of many losses would stop growing.
    dtype = jnp.float32 if loss.dtype.itemsize < 4 else loss.dtype
    if mask is None:
        # A piece of a batch has a share of it, so that the pieces sum to the mean.
        share = count_rows(piece) / max(count_rows(whole), 1)
        return jnp.asarray(share / max(loss.size, 1), dtype)  # [], the same for all
    # [B]: one over the number of rows that count, 0 for those hidden.
    return mask.astype(dtype) / jnp.maximum(count_examples(whole), 1).astype(dtype)


def add_weighted(loss: jax.Array, weight: jax.Array) -> jax.Array:
    """Adds up losses times weights; a loss that weighs nothing may be anything."""
    # Not loss * weight alone: a hidden row may be NaN, and NaN * 0 is NaN.
    counted = jnp.where(weight > 0, loss.astype(weight.dtype), 0)
    if weight.ndim:
        return jnp.sum(counted * weight).astype(loss.dtype)  # [B] -> []
    # The sum is then that of a meter of the loss as well, and is computed once.
    return (jnp.sum(counted) * weight).astype(loss.dtype)


@contextmanager
def explain_call(what: str, **arguments: Any) -> Iterator[None]:
    """Adds to an error in the user's terms where it came from, with which shapes."""
    try:
        yield
    except Exception as error:
        shown = " and ".join(f"{k} = {describe(v)}" for k, v in arguments.items())
        way_out = IN_CODE if isinstance(error, TRACER_ERRORS) else ""
        error.add_note(f"This happened in {what} with {shown}.{way_out}")
        raise
