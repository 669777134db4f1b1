"""Checkpoints: folders from which a run goes on as if it had never stopped."""

from tntjax.checkpoint._folder import steps
from tntjax.checkpoint._restore import best, restore

__all__ = ["best", "restore", "steps"]
