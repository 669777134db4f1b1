"""Meters: each a monoid that measures what it is given."""

from tntjax.meter._average_value import AverageValueMeter
from tntjax.meter._class_error import ClassErrorMeter
from tntjax.meter._time import TimeMeter

__all__ = [
    "AverageValueMeter",
    "ClassErrorMeter",
    "TimeMeter",
]
