"""The log, and its views."""

from tntjax.log._log import Log
from tntjax.log._text import text

__all__ = [
    "Log",
    "text",
]
