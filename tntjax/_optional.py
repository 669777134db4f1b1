"""Packages that an installation may lack."""

import importlib
from typing import Any


def import_optional(name: str, subject: str, extra: str) -> Any:
    """Imports a module, or raises an ImportError that names the extra to install."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f'{subject} needs {name}: pip install "tntjax[{extra}]".'
        ) from error
