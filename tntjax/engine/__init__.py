"""Engines: a step with a hook after each line, compiled many at a time."""

from tntjax.engine._hooks import Hooks, chain, every, watch
from tntjax.engine._optim import OptimEngine
from tntjax.engine._own_step import fire
from tntjax.engine._sgd import SGDEngine
from tntjax.engine._state import Seconds, State
from tntjax.engine._step import StepEngine

__all__ = [
    "Hooks",
    "OptimEngine",
    "SGDEngine",
    "Seconds",
    "State",
    "StepEngine",
    "chain",
    "every",
    "fire",
    "watch",
]
