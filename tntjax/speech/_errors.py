"""The base of meters of errors between sequences of words, characters or phones."""

import abc
import dataclasses
import functools
from collections.abc import Callable, Hashable, Sequence
from importlib import import_module, util
from typing import Any, ClassVar, Self

import numpy as np
from jax.typing import ArrayLike

from tntjax._check import require
from tntjax.meter import Meter
from tntjax.meter._meter import in_percent
from tntjax.meter.parts._count import Count
from tntjax.text._ids import is_ordered
from tntjax.text._texts import as_texts


class MeterOfErrors(Meter):
    """The base of meters of edits: sums of edits over sums of lengths, on the host."""

    # substitutions, deletions, insertions: the fewest of a pair
    edits: Count = dataclasses.field(default=Count(), kw_only=True)
    length: Count = dataclasses.field(default=Count(), kw_only=True)  # of the targets
    n: Count = dataclasses.field(default=Count(), kw_only=True)

    unit: ClassVar[str]

    @abc.abstractmethod
    def _split(self, text: str) -> Sequence[Hashable]:
        """Splits one output or target into what is compared."""

    def _join(self, text: Any) -> Any:
        return text

    @property
    def signature(self) -> str:
        """Describes all that the rate depends on, to be told with it."""
        choices = (f.name for f in dataclasses.fields(self) if "static" in f.metadata)
        named = (f"{name}:{_name(getattr(self, name))}" for name in choices)
        return "|".join([type(self).__name__.removesuffix("Meter"), self.unit, *named])

    def add(
        self,
        output: Sequence[Any],
        target: Sequence[Any],
        *,
        mask: ArrayLike | None = None,
    ) -> Self:
        """Counts in B outputs and targets, or one if both are strings; `mask` is [B].

        Raises:
          TypeError: if something is not text, or only one of the two is a string.
          ValueError: if they are not equally many.
        """
        name = f"{type(self).__name__}.add"
        if isinstance(output, str) and isinstance(target, str):
            output, target = [output], [target]
        lists, needs = map(is_ordered, (output, target)), "two strings or two lists"
        require(all(lists), f"{name} needs {needs}", output, target, error=TypeError)
        output, target = ([self._join(text) for text in v] for v in (output, target))
        outputs, targets = as_texts(output, target, mask, 1, name)
        said = [self._split(text) for text in outputs]
        right = [self._split(text) for (text,) in targets]
        return dataclasses.replace(
            self,
            edits=self.edits + Count.of(sum(map(find_edit_counter(), said, right))),
            length=self.length + Count.of(sum(map(len, right))),
            n=self.n + Count.of(len(right)),
        )

    def value(self) -> Any:
        """Returns the rate in percent, a float that may be above 100.

        Of targets that are all empty it is 0 if the outputs are, too, else infinite; of
        nothing NaN.
        """
        edits, length = self.edits.floats(), self.length.floats()
        nothing = (length == 0) & (edits == 0) & (self.n.floats() > 0)
        return np.where(nothing, 0.0, 100 * edits / length)

    def summary(self) -> dict[str, Any]:
        """Returns the rate in percent and the signature."""
        return {"rate": in_percent(self.value()), "signature": self.signature}


def apply_normalizer(normalize: Callable[[str], str] | None, text: str) -> str:
    """Normalizes a text, and checks that it is one afterwards."""
    found = text if normalize is None else normalize(text)
    is_text = isinstance(found, str)
    require(is_text, "normalize must return text", found, error=TypeError)
    return found


def _name(value: Any) -> str:
    """Names an argument in a signature: a partial function with what it was given."""
    if isinstance(value, functools.partial):
        given = map(repr, (*value.args, *value.keywords.items()))
        return f"{_name(value.func)}({', '.join(given)})"
    if not callable(value):
        return str(value).lower()
    return getattr(value, "__qualname__", type(value).__qualname__)


def find_edit_counter() -> Callable[..., int]:
    """Finds what counts edits between two sequences: rapidfuzz if it is installed."""
    if util.find_spec("rapidfuzz"):
        return import_module("rapidfuzz.distance").Levenshtein.distance
    return count_edits


def count_edits(output: Sequence[Hashable], target: Sequence[Hashable]) -> int:
    """Counts edits with NumPy: a row of Wagner and Fischer's table for each entry."""
    numbers: dict[Hashable, int] = {}
    ids = np.array([numbers.setdefault(entry, len(numbers)) for entry in target])
    columns = np.arange(len(target) + 1)
    row = columns
    for step, entry in enumerate(output, start=1):
        changed = row[:-1] + (ids != numbers.get(entry, -1))
        best = np.concatenate([[step], np.minimum(changed, row[1:] + 1)])
        row = np.minimum.accumulate(best - columns) + columns  # insertions
    return int(row[-1])
