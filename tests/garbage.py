"""What only a collection of garbage frees, as it is part of a cycle."""

import gc
import mmap

import jax
import numpy as np

DATA = (np.ndarray, jax.Array, mmap.mmap)


def left_by(use):
    """Calls a function, and returns what it leaves of the package and of data."""
    use()  # what is compiled and cached stays, and is no garbage
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        use()
        gc.collect()
        return [repr(part) for part in gc.garbage if _is_ours(part)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def _is_ours(part):
    # Of an instance the class says where it is from, of a function the function.
    modules = (getattr(part, "__module__", None), type(part).__module__)
    ours = any(isinstance(m, str) and m.split(".")[0] == "tntjax" for m in modules)
    return ours or isinstance(part, DATA)
