"""Parts that meters share: counts, sums, checks of arguments, family bases."""

__all__ = []
