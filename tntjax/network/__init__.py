"""Networks: what an engine can call, and how modules of other libraries become one."""

from tntjax.network._stateful import Stateful, forward

__all__ = ["Stateful", "forward"]
