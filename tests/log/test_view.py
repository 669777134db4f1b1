"""What all trackers share, with a list in the place of one."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.log import Image, Log
from tntjax.log._parts import finite_numbers
from tntjax.log._view import View


def make(step="t", broken=()):
    sent, begun = [], []

    def send(step, parts):
        sent.append((step, parts))
        if step in broken:
            raise ConnectionError(f"no answer {step}")

    return View("tracker", "run 7", send, begun.append, step), sent, begun


def test_a_row_is_taken_apart():
    view, sent, _ = make()
    row = {"t": np.int32(3), "loss": jnp.float32(0.5), "n": 2, "note": "x", "no": None}
    more = {"members": jnp.arange(64), "weights": np.arange(65), "image": Image([[1]])}
    view({**row, **more})
    ((step, parts),) = sent
    assert step == 3
    assert list(parts.numbers) == ["loss", "n", *(f"members/{n}" for n in range(64))]
    assert parts.numbers["loss"] == 0.5 and parts.numbers["members/63"] == 63
    assert parts.texts == {"note": "x"}
    assert list(parts.arrays) == ["weights"]
    assert parts.images["image"].tolist() == [[[1, 1, 1]]]


def test_parts_of_what_holds_others():
    view, sent, _ = make()
    held = Log(["a"]).set(a=3).values  # a mapping that is not a dict
    view({"t": 1, "a": {"b": [1.0, "x"], 2: held}, "c": [[1], [2, 3]]})
    parts = sent[0][1]
    assert parts.numbers == {
        "a/b/0": 1.0,
        "a/2/a": 3,
        "c/0/0": 1,
        "c/1/0": 2,
        "c/1/1": 3,
    }
    assert parts.texts == {"a/b/1": "x"}


@pytest.mark.parametrize("row", [{"a": {1: 2, "1": 3}}, {"a": {"b": 1}, "a/b": 2}])
def test_two_values_of_one_name_are_refused(row):
    view, sent, _ = make()
    with pytest.raises(TypeError, match="names of its own, got 'a/[1b]' twice"):
        view({"t": 1, **row})
    assert not sent


def test_what_is_masked_is_left_out():
    view, sent, _ = make()
    few = np.ma.array([1.0, 2.0], mask=[False, True])
    view({"t": 1, "few": few, "many": np.ma.array(np.eye(2), mask=np.eye(2))})
    parts = sent[0][1]
    assert parts.numbers == {"few/0": 1.0}
    assert finite_numbers(parts.arrays["many"]).tolist() == [0, 0]


def test_half_a_character_is_an_escape():
    view, sent, _ = make()
    view({"t": 1, "name": "caf\udce9"})
    assert sent[0][1].texts == {"name": "caf\\udce9"}


def test_the_values_of_a_log_are_read():
    view, sent, _ = make("epoch")
    told = []
    log = Log(["epoch", "loss", "unset"], on_get=[lambda log, key: told.append(key)])
    log.attach("on_flush", view).set(epoch=2, loss=0.5).status("x").flush()
    assert sent[0][0] == 2 and sent[0][1].numbers == {"loss": 0.5}
    assert told == ["epoch", "loss"]


@pytest.mark.parametrize(
    ("done", "first"), [(None, 0), ({"t": 0}, 1), ({"t": np.int32(4), "epoch": 1}, 5)]
)
def test_a_run_begins_or_goes_on(done, first):
    view, _, begun = make()
    view.start(done)
    assert begun == [first]


def test_what_a_tracker_raises_is_told_of_once():
    view, sent, _ = make(broken=(1, 2, 4))
    with pytest.warns(RuntimeWarning, match="tracker: run 7 misses rows, as Conn") as w:
        view({"t": 1})
    assert "ConnectionError: no answer 1" in str(w[0].message)
    for t in (2, 3, 4):
        view({"t": t})
    assert [step for step, _ in sent] == [1, 2, 3, 4]


@pytest.mark.parametrize("row", [{}, {"loss": 0.5}, {"t": None}])
def test_a_row_without_a_step_is_refused(row):
    view, _, _ = make()
    with pytest.raises(ValueError, match="tracker needs the step of each row, 't'"):
        view(row)
    with pytest.raises(ValueError, match="tracker needs the step of each row, 't'"):
        view.start(row)


@pytest.mark.parametrize("step", [0.5, "1", True, math.nan, np.arange(2)])
def test_a_step_is_an_integer(step):
    view, _, _ = make()
    with pytest.raises(TypeError, match="tracker: the step 't'"):
        view({"t": step})


@pytest.mark.parametrize(
    "value", [object(), 1j, np.zeros(2, complex), np.datetime64("2026"), [object()]]
)
def test_what_is_of_no_kind_is_refused(value):
    view, sent, _ = make()
    with pytest.raises(TypeError, match="tracker: the value of 'x' must be numbers,"):
        view({"t": 1, "x": value})
    assert not sent


def test_what_is_not_a_row_is_refused():
    view, _, _ = make()
    with pytest.raises(TypeError, match="tracker needs a Log or a dict, got 'loss'"):
        view("loss")
    assert repr(view) == "tracker(run 7)"
