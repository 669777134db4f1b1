"""Reading checkpoints."""

import os
from typing import Any


def restore(directory: str | os.PathLike, like: Any) -> Any:
    """Restores the last checkpoint in a folder.

    Args:
      directory: where checkpoints are.
      like: a pytree with the structure, shapes, dtypes and places wanted.

    Returns:
      The tree, or None if there is no checkpoint.
    """
    del directory, like
    return None
