"""Checkpoints: saving and restoring a tree of arrays."""

from tntjax.checkpoint._restore import restore

__all__ = ["restore"]
