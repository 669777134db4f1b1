import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.log import Log, history


def test_rows_become_columns_of_plain_values():
    kept = history(["t", "loss"])
    log = Log(["t", "loss", "other"], on_flush=[kept])
    for t in range(3):
        log = log.set(t=jnp.int32(t), loss=np.float32(t) / 2, other=1).flush()
    log = log.set(t=3).flush()
    columns = kept.columns()
    assert columns == {"t": [0, 1, 2, 3], "loss": [0.0, 0.5, 1.0, None]}
    assert type(columns["t"][0]) is int and type(columns["loss"][0]) is float
    assert repr(kept) == "history(['t', 'loss'], 4 rows)"


def test_columns_are_copies():
    kept = history(["a"])
    log = Log(["a"], on_flush=[kept]).set(a=1).flush()
    kept.columns()["a"].append("mine")
    log.set(a=2).flush()
    assert kept.columns() == {"a": [1, 2]}


def test_a_row_is_kept_whole_or_not_at_all():
    kept = history(["a", "unknown"])
    log = Log(["a"], on_flush=[kept]).set(a=1)
    with pytest.raises(KeyError, match="unknown"):
        log.flush()
    assert kept.columns() == {"a": [], "unknown": []}


def test_keys_are_checked():
    with pytest.raises(TypeError, match="history needs a list of keys, got 'loss'"):
        history("loss")
