"""summary: a network in tables, with what it costs to run and to train."""

import dataclasses
from typing import Any

import jax
import optax

from tntjax._numbers import check_at_least
from tntjax._summary._arrays import (
    Row,
    add_up,
    as_shapes,
    count_devices,
    describe_short,
    list_rows,
)
from tntjax._summary._cost import Cost, analyse_forward, analyse_step
from tntjax._summary._given import check_given, check_step
from tntjax._summary._table import (
    NO_CRITERION,
    NO_INPUT,
    PLAIN,
    Table,
    list_notes,
    show_arrays,
    show_costs,
    write_html,
    write_paragraph,
    write_text,
)
from tntjax._types import Criterion, Network
from tntjax.network import Adapted, Stateful


@dataclasses.dataclass(frozen=True, repr=False)
class Summary:
    """A network in tables: text when printed, HTML in a notebook.

    Args:
      rows, total: the parameters, and all of them in one row.
      model_state: what is kept beside them in one row, None if nothing is.
      input, output: dtype and shape of the batch and of what is returned for it, or
        `""`.
      costs: by `"forward pass"` and `"train step"` what XLA says of these.
      notes: what a reader of the numbers must know.
      max_rows: how many rows of parameters are shown.
    """

    rows: tuple[Row, ...]
    total: Row
    model_state: Row | None
    input: str
    output: str
    costs: dict[str, Cost]
    notes: tuple[str, ...]
    max_rows: int

    def __repr__(self) -> str:
        parts = [self._title, *map(write_text, self._tables), "\n".join(self.notes)]
        return "\n\n".join(filter(None, parts))

    def _repr_html_(self) -> str:
        """Returns the same as HTML, without a style of its own but for alignment."""
        parts = [write_paragraph(self._title)] if self._title else []
        parts += [*map(write_html, self._tables), *map(write_paragraph, self.notes)]
        return f'<div class="tntjax-summary">{"".join(parts)}</div>'

    @property
    def _title(self) -> str:
        return f"{self.input} -> {self.output}" if self.input else ""

    @property
    def _tables(self) -> list[Table]:
        arrays = show_arrays(self.rows, self.total, self.model_state, self.max_rows)
        return [arrays, show_costs(self.costs)] if self.costs else [arrays]


def summary(
    network: Network | Stateful | Adapted,
    params: Any = None,
    input: Any = None,
    *,
    target: Any = None,
    criterion: Criterion | None = None,
    optimizer: optax.GradientTransformation | None = None,
    model_state: Any = None,
    depth: int | None = None,
    max_rows: int = 40,
) -> Summary:
    """Tells what a network is made of, and what it costs to run and to train.

    Nothing runs and no array is made: shapes will do wherever arrays are taken. The
    costs are XLA's own analysis of the compiled forward pass (of a test) and train step
    (of an engine without hooks), so they answer whether a run fits into memory before
    it starts. A call of an engine makes many steps, and holds their batches as well.

    Args:
      network: what engines take: a function `(params, input) -> output`, a
        `tnt.network.Stateful`, or an adapted module with its own parameters.
      params: a pytree of float arrays, or of `jax.ShapeDtypeStruct`.
      input: a batch, or its shapes; None for the parameters alone.
      target: what belongs to it, or its shapes.
      criterion: `(output, target) -> loss`, as engines take it, for the train step.
      optimizer: of optax, for the train step; None for that of `SGDEngine`.
      model_state: what a `Stateful` keeps beside its parameters, or its shapes.
      depth: parameters whose paths begin with the same so many keys are one row.
      max_rows: the most rows of parameters to show; those in the middle are added up.

    Returns:
      What is printed as text and shown by notebooks as tables; `rows`, `total` and
      `costs` hold the numbers.

    Raises:
      TypeError: if an argument is of a wrong kind, or another is needed beside it.
      ValueError: if a number is out of range.

    Example:
      >>> import jax
      >>> def network(params, input):
      ...     return input @ params["weight"] + params["bias"]
      >>> shape = jax.ShapeDtypeStruct
      >>> params = {"bias": shape((10,), "float32")}
      >>> params |= {"weight": shape((784, 10), "float32")}
      >>> print(summary(network, params, shape((64, 784), "float32")))
      f32[64,784] -> f32[64,10]
      <BLANKLINE>
      parameters  array        numbers    share     bytes
      bias        f32[10]           10    0.1 %      40 B
      weight      f32[784,10]    7,840   99.9 %  30.6 KiB
      total       2 arrays       7,850  100.0 %  30.7 KiB
      <BLANKLINE>
                    FLOPs   accessed     memory  arguments  outputs  temporaries
      forward pass  1.0 M  234.2 KiB  229.2 KiB  226.7 KiB  2.5 KiB          0 B
      <BLANKLINE>
      Pass criterion= and target= to see what a train step costs.
    """
    sample = {"input": input, "target": target}
    called, params, model_state = check_given(network, params, model_state, sample)
    check_step(sample, criterion, optimizer)
    depth = None if depth is None else check_at_least("depth", depth, 1)
    max_rows = check_at_least("max_rows", max_rows, 1)
    params, model_state, sample = as_shapes((params, model_state, sample))
    costs: dict[str, Cost] = {}
    output, notes = "", [NO_INPUT if input is None else NO_CRITERION]
    if input is not None:
        cost, shapes = analyse_forward(called, params, model_state, sample["input"])
        costs["forward pass"], output = cost, describe_short(shapes)
    if criterion is not None:
        sample = {name: tree for name, tree in sample.items() if tree is not None}
        costs["train step"] = analyse_step(
            called, params, model_state, sample, criterion, optimizer
        )
        notes = [] if optimizer is not None else [PLAIN]
    notes += list_notes(costs, count_devices((params, sample)), jax.default_backend())
    kept = list_rows("model state", model_state)
    return Summary(
        rows=list_rows("params", params, depth),
        total=add_up("total", list_rows("params", params)),
        model_state=add_up("model state", kept) if kept else None,
        input="" if input is None else describe_short(sample["input"]),
        output=output,
        costs=costs,
        notes=tuple(notes),
        max_rows=max_rows,
    )
