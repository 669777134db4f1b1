"""Checks for what users write themselves: does it keep the laws?"""

from tntjax.testing._meter import check_meter

__all__ = ["check_meter"]
