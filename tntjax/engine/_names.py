"""Names that an engine does not have, and what to write instead."""

import dataclasses
import difflib
import functools
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

Class = TypeVar("Class", bound=type)

ARGUMENTS = {
    "max_epoch": ("epochs", "n_epochs", "num_epochs", "nb_epoch", "epoch"),
    "max_steps": ("steps", "n_steps", "num_steps", "iterations", "max_iter", "updates"),
    "network": ("model", "net", "module", "apply_fn", "forward"),
    "criterion": ("loss", "loss_fn", "loss_function", "objective"),
    "iterator": ("data", "dataset", "loader", "dataloader", "batches", "train_loader"),
    "params": ("parameters", "variables", "weights"),
    "lr": ("learning_rate", "step_size"),
    "key": ("rng", "rngs", "seed"),
    "optimizer": ("optim", "opt", "tx"),
    # of plugins
    "score": ("monitor", "metric"),
    "maximize": ("mode", "greater_is_better"),
    "restore": ("restore_best_weights", "restore_best"),
    "smallest": ("min_lr",),
    "directory": ("dirpath", "filepath", "folder", "path"),
    "keep": ("max_to_keep", "save_top_k", "keep_last"),
    "best": ("save_best_only",),
    "every": ("save_freq", "every_n_train_steps", "save_interval_steps"),
}
"""For each argument what other libraries call it."""

ELSEWHERE = {
    "optimizer": "tnt.OptimEngine(hooks).train(..., optimizer=...) takes an optimizer.",
    "criterion_optimizer": "tnt.OptimEngine(hooks).train takes optimizers.",
    "lr_criterion": "The optimizer has it: criterion_optimizer=optax.sgd(0.1).",
    "hooks": "The engine has the hooks: tnt.SGDEngine(hooks).train(...).",
    "callbacks": "The engine has the hooks: tnt.SGDEngine(hooks).train(...).",
    "batch_size": "The dataset has the batches: tnt.BatchDataset(dataset, batch_size).",
    "shuffle": "The dataset has the order: tnt.ShuffleDataset(dataset, seed=epoch).",
    "validation_data": "Chain a hook: tnt.hooks.validate(iterator).",
    "validation": "Chain a hook: tnt.hooks.validate(iterator).",
    "device": "Put params there: jax.device_put(params, device), or pass mesh=.",
}
"""For each argument that a method does not take where it belongs."""

IN_A_TEST = ELSEWHERE | {
    "state": "Pass params=state.params, and model_state=state.model_state if there is"
    " one.",
    **dict.fromkeys(
        ("lr", "optimizer", "max_epoch", "max_steps"),
        "A test reads all samples once and changes no parameters: leave it out.",
    ),
}
"""The same for `test`."""

IN_A_STEP = ELSEWHERE | {
    "optimizer": "A step has its own: pass opt_state=optimizer.init(params), and call"
    " optimizer.update in the step.",
}
"""The same for `train` of a StepEngine."""

METHODS = {
    "train": ("fit", "learn", "optimize", "run", "step"),
    "test": ("evaluate", "eval", "validate", "predict", "score"),
}
"""For each method what other libraries call it."""


def check_names(
    what: str,
    given: Iterable[str],
    names: list[str],
    elsewhere: Mapping[str, str] = ELSEWHERE,
) -> None:
    """Raises a TypeError for an argument that a function does not take.

    For some that it does not take, `elsewhere` has what to do instead.
    """
    for name in given:
        if name not in names:
            advice = _instead(name, names, elsewhere)
            raise TypeError(f"{what} has no argument {name!r}. {advice}")


def _instead(name: str, names: list[str], elsewhere: Mapping[str, str]) -> str:
    known = next((own for own, others in ARGUMENTS.items() if name in others), name)
    if known in names:
        return f"It is called {known!r} here."
    if known in elsewhere:
        return elsewhere[known]
    close = find_close(name, names)
    meant = f"Did you mean {close!r}? " if close else ""
    return f"{meant}Its arguments are {', '.join(names)}."


def find_close(name: str, names: Iterable[str]) -> str | None:
    """Finds the name that was probably meant."""
    return next(iter(difflib.get_close_matches(name, list(names), n=1)), None)


def explain_methods(cls: Class) -> Class:
    """Makes an engine explain a method that it does not have, such as `fit`.

    And that it takes one Hooks, where it is given several.
    """
    init: Any = cls.__init__  # which dataclass has made
    fields = [field.name for field in dataclasses.fields(cls)]
    in_train = {
        name: f"It belongs to train: {cls.__name__}(...).train(..., {name}=...)."
        for name in inspect.signature(vars(cls)["train"]).parameters
    }

    @functools.wraps(init)
    def explained(self: Any, *args: Any, **named: Any) -> None:
        check_names(cls.__name__, named, fields, ELSEWHERE | in_train)
        if len(args) > len(fields):
            raise TypeError(
                f"{cls.__name__} takes {' and '.join(fields)}, got {len(args)}"
                " arguments. Put several hooks together: tnt.chain(*hooks)."
            )
        init(self, *args, **named)

    def missing(self: Any, name: str) -> Any:
        own = next((own for own, others in METHODS.items() if name in others), None)
        there = f" It is called {own!r} here." if own else ""
        raise AttributeError(
            f"{type(self).__name__} has no attribute {name!r}.{there}",
            name=name,  # by which Python looks for a similar one
            obj=self,
        )

    type.__setattr__(cls, "__init__", explained)
    type.__setattr__(cls, "__getattr__", missing)
    return cls
