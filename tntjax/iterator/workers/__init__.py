"""Workers: threads or processes that read samples ahead."""

__all__ = []
