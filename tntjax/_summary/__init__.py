"""A network in tables: its parameters, and what it costs to run and to train."""

from tntjax._summary._summary import Summary, summary

__all__ = ["Summary", "summary"]
