"""The log, and its views."""

from tntjax.log._csv import csv
from tntjax.log._history import history
from tntjax.log._image import Image
from tntjax.log._json import json
from tntjax.log._log import Log
from tntjax.log._mlflow import mlflow
from tntjax.log._report._report import report
from tntjax.log._status import status
from tntjax.log._tensorboard import tensorboard
from tntjax.log._text import text
from tntjax.log._tracker import tracker

__all__ = [
    "Image",
    "Log",
    "csv",
    "history",
    "json",
    "mlflow",
    "report",
    "status",
    "tensorboard",
    "text",
    "tracker",
]
