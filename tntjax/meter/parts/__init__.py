"""What several meters are made of: counts, sums, checks of arguments, family bases."""

__all__ = []
