"""The report: one page of HTML about a run, or about several."""

__all__ = []
