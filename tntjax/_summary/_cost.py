"""XLA's analysis of a forward pass and a train step: operations, bytes and memory."""

import contextlib
import dataclasses
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tntjax._summary._arrays import as_shapes, without_shardings
from tntjax._types import Criterion, Network
from tntjax.engine._criterion import explain_call
from tntjax.engine._hooks import Hooks
from tntjax.engine._primitives import has_primitive
from tntjax.engine._program import Program, train_step
from tntjax.engine._state import COUNTERS, Carry, split_state
from tntjax.engine._update import OptaxUpdate, sgd_update
from tntjax.network import Stateful, forward

MEMORY = ("arguments", "outputs", "temporaries")


@dataclasses.dataclass(frozen=True)
class Cost:
    """The costs of a call of a function, None where XLA does not tell them.

    Args:
      flops: operations on floating-point numbers on all devices, as written and not as
        optimized: a multiplication and an addition are two, `exp` and its like none.
      bytes_accessed: what is read and written on a device, fused operations as one.
      arguments: bytes of the arguments on a device.
      outputs: bytes of what is returned, but for what takes the place of arguments.
      temporaries: bytes that it needs on the way.
      loops: True if there is a loop whose number of rounds XLA does not multiply by.
      calls: how many calls of libraries are in it, whose bytes are not counted.
    """

    flops: int | None
    bytes_accessed: int | None
    arguments: int | None
    outputs: int | None
    temporaries: int | None
    loops: bool
    calls: int

    @property
    def memory(self) -> int | None:
        """Returns the bytes that a device holds at the most, None if it is not told."""
        if self.arguments is None or self.outputs is None or self.temporaries is None:
            return None
        return self.arguments + self.outputs + self.temporaries


def analyse(
    function: Callable[..., Any], *arguments: Any, donated: tuple[int, ...] = ()
) -> tuple[Cost, Any]:
    """Compiles a pure function of shapes, which does not run, and asks XLA its cost."""
    jitted = jax.jit(function, donate_argnums=donated)
    traced = jitted.trace(*arguments)
    compiled = traced.lower().compile()
    memory = compiled.memory_analysis()
    sizes: dict[str, int | None] = dict.fromkeys(MEMORY)
    if memory is not None:
        outputs = memory.output_size_in_bytes - memory.alias_size_in_bytes
        each = memory.argument_size_in_bytes, outputs, memory.temp_size_in_bytes
        sizes = dict(zip(MEMORY, each, strict=True))
    cost = Cost(
        flops=_count_flops(function, arguments),
        bytes_accessed=_read(compiled.cost_analysis(), "bytes accessed"),
        loops=any(has_primitive(traced.jaxpr, loop) for loop in ("scan", "while")),
        calls=len(re.findall(r" custom-call\(", compiled.as_text() or "")),
        **sizes,
    )
    return cost, traced.out_info


def _count_flops(function: Callable[..., Any], arguments: Any) -> int | None:
    """Counts the operations of a function as a CPU would be asked to do them.

    What is compiled for an accelerator calls libraries, in which nothing is counted.
    """
    # Without a CPU, or for a kernel of the accelerator alone, there is no number.
    with contextlib.suppress(RuntimeError, ValueError, NotImplementedError):
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            lowered = jax.jit(function).lower(*without_shardings(arguments))
        return _read(lowered.cost_analysis(), "flops")
    return None


def _read(analysis: Any, key: str) -> int | None:
    number = (analysis or {}).get(key, -1)
    return int(number) if number >= 0 else None


def analyse_forward(
    network: Network | Stateful, params: Any, model_state: Any, input: Any
) -> tuple[Cost, Any]:
    """Analyses what a test does with a batch; returns the output's shapes, too."""

    def run(params: Any, model_state: Any, input: Any, key: Any) -> Any:
        with explain_call("network(params, input)", params=params, input=input):
            return forward(network, params, model_state, input, key, False)[0]

    return analyse(run, params, model_state, input, _key_shape())


def analyse_step(
    network: Network | Stateful,
    params: Any,
    model_state: Any,
    sample: dict[str, Any],
    criterion: Criterion,
    optimizer: Any,
) -> Cost:
    """Analyses one step of an engine without hooks; optimizer None is SGDEngine's."""
    update: Any = sgd_update if optimizer is None else OptaxUpdate(optimizer)
    program = Program(network, criterion, update, Hooks())

    def step(heavy: dict[str, Any], light: dict[str, Any], sample: Any) -> Carry:
        return split_state(train_step(program, program.state(heavy, light), sample))

    heavy = {"params": params, "model_state": model_state}
    light = {name: jax.ShapeDtypeStruct((), jnp.int32) for name in COUNTERS}
    light["key"] = _key_shape()
    if optimizer is None:
        light["lr"] = jax.ShapeDtypeStruct((), jnp.result_type(float))
    else:
        start: Callable[..., Any] = optimizer.init
        heavy["opt_state"] = as_shapes(jax.eval_shape(start, params))
    return analyse(step, heavy, light, sample, donated=(0,))[0]


def _key_shape() -> Any:
    return as_shapes(jax.eval_shape(jax.random.key, 0))
