"""Explains in words what an engine will do."""

from typing import Literal

from tntjax._struct import describe
from tntjax._types import SampleIterator
from tntjax.engine._check import check_iterator
from tntjax.engine._engine import HasHooks
from tntjax.engine._executables import describe_executables
from tntjax.engine._hooks import EVENTS, HOST_EVENTS, Hooks, Scheduled
from tntjax.engine._plan import Plan, make_plan

HOW = {"every": "waits, may change", "watch": "late, read-only", "save": "saves"}


def explain(
    engine: HasHooks,
    steps_per_call: int | Literal["auto"] = "auto",
    iterator: SampleIterator | None = None,
) -> None:
    """Prints the plan: what is compiled, how many steps a call makes, what fires when.

    Args:
      engine: whose plan.
      steps_per_call: most steps in a compiled call, or `"auto"`, as in `train`.
      iterator: what is to be trained on, to list the executables as well: its first
        sample is read. On a CPU a step with convolutions is an executable by itself.

    Raises:
      TypeError: if `iterator` cannot be iterated over by an engine.

    Example:
      >>> import tntjax as tnt
      >>> def clip(state): return state
      >>> hooks = tnt.chain(tnt.Hooks(on_backward=clip), tnt.watch(10, print))
      >>> tnt.SGDEngine(hooks).explain()
      A compiled call makes up to 30 steps, fewer if their samples exceed 64 MiB.
      on_backward            compiled  clip
      every 10 updates       host      print (late, read-only)
      >>> samples = [{"input": 0.0, "target": 0.0}] * 130
      >>> tnt.SGDEngine().explain(iterator=tnt.DatasetIterator(samples))
      A compiled call makes up to 32 steps, fewer if their samples exceed 64 MiB.
      An epoch of 130 samples takes 5 calls.
      Executables of the step: 1 (up to 26 steps).
    """
    plan = make_plan(steps_per_call, engine.hooks.schedule)
    lines = _make_lines(engine.hooks, plan)
    if iterator is not None:
        check_iterator(iterator)
        lines += describe_executables(plan, iterator)
    print("\n".join(lines))


def _make_lines(hooks: Hooks, plan: Plan) -> list[str]:
    lines = [f"A compiled call makes up to {plan.longest} steps"]
    if plan.most_bytes is not None:
        lines[0] += f", fewer if their samples exceed {plan.most_bytes >> 20} MiB"
    lines[0] += "."
    lengths = _find_lengths(plan)
    if set(lengths) != {plan.longest}:  # calls end where something is due
        lines += [f"The first calls make {', '.join(map(str, lengths))} steps."]
    for event in EVENTS:
        if functions := hooks.functions(event):
            where = "host" if event in HOST_EVENTS else "compiled"
            lines.append(_make_line(event, where, ", ".join(map(describe, functions))))
    for scheduled in hooks.schedule:
        what = f"{describe(scheduled.function)} ({HOW[scheduled.kind]})"
        lines.append(_make_line(_describe_times(scheduled), "host", what))
    return lines


def _make_line(when: str, where: str, what: str) -> str:
    return f"{when:22} {where:9} {what}"


def _describe_times(scheduled: Scheduled) -> str:
    times = [] if scheduled.n is None else [f"every {scheduled.n} updates"]
    times += [f"after update {step}" for step in scheduled.steps]
    times += ["each epoch"] if scheduled.kind == "save" else []
    return ", ".join(times)


def _find_lengths(plan: Plan) -> list[int]:
    lengths, t = [], 0  # t: as at the start of a run
    while len(lengths) < 6:
        lengths.append(plan.room(t, 0))  # of samples that take no memory
        t += lengths[-1]
    return lengths
