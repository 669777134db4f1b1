"""Text: what is done with ids on the device."""

from tntjax.text._edit_distance import edit_distance

__all__ = ["edit_distance"]
