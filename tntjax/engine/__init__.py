"""Engines: a step with a hook after each line, compiled many at a time."""

from tntjax.engine._hooks import Hooks, chain, every, watch
from tntjax.engine._optim import OptimEngine
from tntjax.engine._sgd import SGDEngine
from tntjax.engine._state import Seconds, State

__all__ = [
    "Hooks",
    "OptimEngine",
    "SGDEngine",
    "Seconds",
    "State",
    "chain",
    "every",
    "watch",
]
