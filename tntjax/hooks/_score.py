"""Scores: put into the State, read by name or function, and judged."""

import dataclasses
import re
import warnings
from collections.abc import Callable
from typing import Any, cast

import jax
import numpy as np

from tntjax._numbers import check_at_least, check_boolean, check_number
from tntjax._plain import as_plain
from tntjax._score import as_score, is_better
from tntjax._struct import describe
from tntjax.engine import State
from tntjax.engine._carry import read_shortest
from tntjax.hooks._bind import claim, put

NOTHING_YET = np.finfo(np.float32).max
"""Stands for no score in `aux`: finite, so that `jax_debug_infs` and `jax_debug_nans`
can be used together with plugins."""

MISSING = """{plugin}: score reads state.aux[{name!r}], but state.aux has {names}. \
validate(..., score=...), chained before, puts its score there, as 'validate' or as \
the name= that it is given; without score= it puts nothing there."""

STALE = """{plugin}: score reads state.aux[{name!r}] after epoch {epoch}, but it \
{known}. Chain validate before {plugin}, and give both the same `every`:

    tnt.chain(tnt.hooks.validate(..., score=...), tnt.hooks.{plugin}(...))
"""


HIGHER = frozenset(
    "accuracy acc auc area map f1 precision recall iou dice bleu chrf psnr ssim".split()
)
"""Words of names of what is the better the higher it is; of `LOWER` the lower."""

LOWER = frozenset("loss error mse wer cer perplexity".split())


class StaleError(ValueError):
    """A score was read in an epoch in which it was not measured."""


Judged = str | Callable[[State], Any]
"""A function `State -> number`, or the name of one that `validate` puts into `aux`."""


def check_score(plugin: str, score: Any) -> None:
    """Raises a TypeError if a score is neither a name nor a function."""
    if not (isinstance(score, str) or callable(score)):
        raise TypeError(
            f"{plugin} needs a score: the name that validate gives it, as in"
            f' {plugin}("validate"), or a function score(state) -> number; got'
            f" {describe(score)}."
        )


def read_score(plugin: str, score: Judged, state: State) -> Any:
    """Calls a score function, or reads the score of a name, of the end of an epoch.

    Raises:
      StaleError: if it reads a score of `validate` that is not of this epoch.
      KeyError: if it reads an entry of `aux` that is not there.
    """
    try:
        aux = _Aux(plugin, state)
        return aux[score] if isinstance(score, str) else score(state.replace(aux=aux))
    except Exception as error:
        error.add_note(f"This happened in the score of {plugin}.")
        raise


def check_named(plugin: str, score: Judged | None, state: State) -> None:
    """Raises a KeyError at the start, not after an epoch, if no score has the name."""
    if isinstance(score, str) and score not in state.aux:
        read_score(plugin, score, state)


def warn_of_direction(
    plugin: str, score: Judged | None, maximize: bool, state: State
) -> None:
    """Warns if a score is known to be better the other way round."""
    if not isinstance(score, str) or state.recorded is None:
        return
    judged = state.recorded.scores.get(score, "")
    words = set(re.split(r"[._ ]", judged.lower()))
    this, other = (HIGHER, LOWER) if maximize else (LOWER, HIGHER)
    if words & other and not words & this:
        warnings.warn(
            f"tntjax: {plugin} takes {judged!r} to be better the"
            f" {'higher' if maximize else 'lower'} it is. If that is wrong write"
            f" {plugin}(..., maximize={not maximize}).",
            stacklevel=2,
        )


def claim_measured(state: State, name: str) -> State:
    """Makes the entries of a score in `aux`, before it was measured."""
    state = claim(state, "aux", name, NOTHING_YET)
    return claim(state, "aux", _epoch_of(name), np.int32(0))


def put_measured(state: State, name: str, score: Any) -> State:
    """Puts a score, a number or one a member, and its epoch into `aux`."""
    subject, members = "validate: score", state.members
    if members is not None and np.shape(score) != (members,):
        raise TypeError(
            f"{subject} must return [{members}] numbers, one for each member,"
            f" got {describe(score)}."
        )
    each = [score] if members is None else np.asarray(score)
    numbers = np.array([as_score(one, subject) for one in each])  # float64
    with np.errstate(over="ignore"):
        new = numbers.astype(np.float32)
    state = put(state, "aux", name, new[0] if members is None else new)
    return put(state, "aux", _epoch_of(name), np.int32(state.epoch))


def measured_now(state: State) -> dict[str, Any]:
    """Returns the scores in `aux` that were measured at the end of this epoch."""
    return {
        name: as_plain(read_shortest(score))
        for name, score in state.aux.items()
        if int(np.max(state.aux.get(_epoch_of(name), -1))) == int(state.epoch)
    }


def _epoch_of(name: str) -> str:
    return f"{name}.epoch"


class _Aux(dict):
    """The entries of `aux`, of which scores of another epoch cannot be read."""

    def __init__(self, plugin: str, state: State) -> None:
        self._plugin, self._epoch = plugin, int(state.epoch)
        self._names = ", ".join(map(repr, state.aux)) or "no entry"
        # In the middle of an epoch no score is of the parameters of that moment.
        now = -1 if int(state.position) else self._epoch
        epochs = {n: state.aux.get(_epoch_of(n), now) for n in state.aux}
        measured = {n: int(np.max(epoch)) for n, epoch in epochs.items()}
        self._stale = {name: epoch for name, epoch in measured.items() if epoch != now}
        # A copy of this dict has no others either.
        super().__init__({n: v for n, v in state.aux.items() if n not in self._stale})

    def __missing__(self, name: str) -> Any:
        """Raises an error that says why there is no such entry."""
        words = {"plugin": self._plugin, "name": name}
        if name in self._stale:
            measured = self._stale[name]
            known = f"is that of epoch {measured}" if measured else "is not measured"
            raise StaleError(STALE.format(epoch=self._epoch, known=known, **words))
        raise KeyError(MISSING.format(names=self._names, **words))

    def get(self, name: str, default: Any = None) -> Any:
        """Returns an entry, or the default if it is not there."""
        return self[name] if name in self or name in self._stale else default


# A score may call compiled functions of the State, which see a dict.
jax.tree_util.register_pytree_with_keys(
    _Aux,
    lambda aux: ([(jax.tree_util.DictKey(n), aux[n]) for n in aux], tuple(aux)),
    lambda names, values: cast(_Aux, dict(zip(names, values, strict=True))),
)


@dataclasses.dataclass(frozen=True)
class Judging:
    """Judges the scores of epochs; `aux[plugin]` has the best, and what it takes."""

    plugin: str
    score: Judged
    patience: int
    maximize: bool
    min_delta: float
    every: int

    def claim(self, state: State) -> State:
        """Makes the record in `aux`, with no score yet: `epoch` is 0."""
        check_named(self.plugin, self.score, state)
        warn_of_direction(self.plugin, self.score, self.maximize, state)
        best = float(-NOTHING_YET if self.maximize else NOTHING_YET)
        record = {**_exactly(best), "epoch": np.int32(0), "count": np.int32(0)}
        return claim(state, "aux", self.plugin, record)

    def judge(self, state: State) -> tuple[State, bool]:
        """Counts the score of an epoch; returns True if it is the best so far."""
        record, best = state.aux[self.plugin], None
        read = read_score(self.plugin, self.score, state)
        new = as_score(read, f"{self.plugin}: score")
        if int(record["epoch"]):
            best = float(np.array(record["words"], np.uint32).view(np.float64)[0])
        better = is_better(new, best, self.maximize, self.min_delta)
        count = np.int32(0 if better else int(record["count"]) + 1)
        record = {**record, "count": count}
        if better:
            record |= {**_exactly(new), "epoch": np.int32(state.epoch)}
        return put(state, "aux", self.plugin, record), better


def make_judging(
    plugin: str,
    score: Any,
    patience: int,
    maximize: bool,
    min_delta: float,
    every: int,
) -> Judging:
    """Checks the arguments of a plugin that judges."""
    check_score(plugin, score)
    patience = check_at_least(f"{plugin}: patience", patience, 1)
    every = check_at_least(f"{plugin}: every", every, 1)
    maximize = check_boolean(f"{plugin}: maximize", maximize)
    min_delta = check_number(f"{plugin}: min_delta", min_delta)
    if not min_delta >= 0:
        raise ValueError(f"{plugin}: min_delta must be at least 0, got {min_delta}.")
    return Judging(plugin, score, patience, maximize, min_delta, every)


def _exactly(score: float) -> dict[str, Any]:
    """Encodes a score as float32, and as the words of a float64.

    What is carried is float32 at most, and a score is to be compared with what came
    and not with what was rounded.
    """
    with np.errstate(over="ignore"):
        best = np.float32(score)
    return {"best": best, "words": np.array([score], np.float64).view(np.uint32)}
