"""The check of names that a log and its views share."""

from typing import Any

from tntjax._struct import describe


def check_names(keys: Any, name: str) -> tuple[str, ...]:
    """Returns keys as a tuple, after checking that they are strings.

    Args:
      keys: an iterable of strings.
      name: whose keys they are, for the error.

    Returns:
      The keys, each once.

    Raises:
      TypeError: if it is a bare string, or a key isn't a string.

    Example:
      >>> check_names(["epoch", "loss"], "Log")
      ('epoch', 'loss')
    """
    if isinstance(keys, str):
        raise TypeError(f"{name} needs a list of keys, got {keys!r}: write [{keys!r}].")
    keys = tuple(dict.fromkeys(keys))
    for key in keys:
        if not isinstance(key, str):
            raise TypeError(f"{name} needs keys that are strings, got {describe(key)}.")
    return keys
