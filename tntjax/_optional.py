"""Packages that an installation may lack."""

import importlib
from typing import Any


def import_optional(name: str, subject: str, extra: str) -> Any:
    """Imports an optional package, or raises an error that tells how to get it.

    Args:
      name: the module.
      subject: who needs it, the start of the error's sentence.
      extra: the extra of tntjax that installs it.

    Returns:
      The module.

    Raises:
      ImportError: if it is not installed.

    Example:
      >>> import_optional("no_such_package", "tnt.log.view", "views")
      Traceback (most recent call last):
      ...
      ImportError: tnt.log.view needs no_such_package: pip install "tntjax[views]".
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f'{subject} needs {name}: pip install "tntjax[{extra}]".'
        ) from error
