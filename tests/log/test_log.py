import dataclasses
import pickle
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.log import Log
from tntjax.meter import AverageValueMeter, ClassErrorMeter, MeterDict


def show(log, *arguments):
    """A closure that can be pickled."""


def test_get_returns_what_was_set():
    log = Log(["loss", "epoch"]).set(loss=0.5, epoch=3)
    assert log.get("loss") == 0.5
    assert log.get("epoch") == 3


def test_get_returns_none_for_what_is_not_set():
    assert Log(["loss"]).get("loss") is None


def test_set_returns_a_new_log():
    log = Log(["loss"])
    assert log.set(loss=0.5) is not log
    assert log.get("loss") is None


def test_set_takes_a_dict_and_keywords():
    log = Log(["top 1", "loss", "values"]).set(
        {"top 1": 1, "loss": 2}, loss=3, values=4
    )
    assert dict(log.values) == {"top 1": 1, "loss": 3, "values": 4}


def test_set_takes_nothing():
    assert dict(Log(["loss"]).set().values) == {}


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (3, 3),
        (np.int64(3), 3),
        (jnp.float32(0.5), 0.5),
        (np.bool_(True), True),
        ({1: jnp.float32(50)}, {1: 50.0}),
        (AverageValueMeter().add([1.0, 3.0]).value(), (2.0, 2**0.5)),
        ("x", "x"),
        (None, None),
    ],
    ids=str,
)
def test_values_are_read_as_plain_numbers(value, plain):
    seen = []
    log = Log(["loss"], on_set=[lambda log, key, value: seen.append(value)])
    for found in (log.set(loss=value).get("loss"), *seen):
        assert found == plain
        assert type(found) is type(plain) or isinstance(found, tuple)
        for leaf in jax.tree.leaves(found):
            assert type(leaf) in (int, float, bool, str)


def test_arrays_are_read_as_arrays_of_numpy():
    found = Log(["loss"]).set(loss=jnp.ones(3)).get("loss")
    assert type(found) is np.ndarray and found.tolist() == [1, 1, 1]


def test_a_value_is_set_without_waiting_for_it():
    value = jnp.ones(3)
    assert Log(["loss"]).set(loss=value).values["loss"] is value


def test_a_set_of_the_values_of_meters_can_be_formatted():
    meters = MeterDict({"loss": AverageValueMeter(), "error": ClassErrorMeter()})
    meters = meters.add([[0.5, 0.5], [0.2, 0.8]], [1, 1], loss=0.25)
    log = Log(["loss", "error"]).set(**meters.value())
    assert f"{log.get('loss').mean:.2f} {log.get('error')[1]:.1f}" == "0.25 50.0"


class Name(str):
    """A name that counts how often it is looked at."""

    looks = 0

    def __eq__(self, other):
        Name.looks += 1
        return str.__eq__(self, other)

    def __hash__(self):
        Name.looks += 1
        return str.__hash__(self)


@pytest.mark.parametrize("closures", [0, 2])
def test_the_work_of_a_set_is_linear_in_the_number_of_keys(closures):
    told, looks = [], []
    for size in (500, 1000):
        pairs = {Name(f"key {number}"): number for number in range(size)}
        log = Log(pairs, on_set=[lambda log, *pair: told.append(pair)] * closures)
        Name.looks = 0
        log.set(pairs)
        looks.append(Name.looks)
    assert looks[1] <= 2.1 * looks[0] <= 2.1 * 20 * 500
    assert len(told) == 1500 * closures


def test_a_closure_sees_and_may_keep_the_log_of_each_moment():
    logs = []
    log = Log(["a", "b"], on_set=[lambda log, key, value: logs.append(log)])
    log = log.set(a=1).set({"b": 2, "a": 3})
    assert [dict(log.values) for log in logs] == [{}, {"a": 1}, {"a": 1, "b": 2}]
    assert [len(log.values) for log in logs] == [0, 1, 2]
    assert dict(log.values) == {"a": 3, "b": 2}
    assert dict(pickle.loads(pickle.dumps(Log(["a"]).set(a=1))).values) == {"a": 1}
    assert dict(logs[2].set(b=5).values) == {"a": 1, "b": 5}


def test_values_are_read_only():
    with pytest.raises(TypeError):
        Log(["loss"]).values["loss"] = 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        Log(["loss"]).keys = ()


def test_an_unknown_key_names_the_allowed_ones():
    with pytest.raises(KeyError) as error:
        Log(["loss", "accuracy"]).set(acuracy=1)
    assert error.value.args[0] == (
        "Log has no key 'acuracy'; did you mean 'accuracy'?"
        " Its keys are 'loss', 'accuracy'."
    )
    with pytest.raises(KeyError, match="no key 'zzz'. Its keys are 'loss'"):
        Log(["loss"]).get("zzz")
    with pytest.raises(KeyError, match="Its keys are none"):
        Log([]).get("loss")
    with pytest.raises(KeyError, match="no key 3"):
        Log(["loss"]).set({3: 4})


def test_all_keys_are_checked_before_any_effect():
    seen = []
    log = Log(["loss"], on_set=[lambda *arguments: seen.append(arguments)])
    with pytest.raises(KeyError):
        log.set({"loss": 1, "lost": 2})
    assert seen == []


def test_set_needs_a_dict():
    with pytest.raises(TypeError, match=r"needs a dict or keywords, got \['loss'\]"):
        Log(["loss"]).set(["loss"])


@pytest.mark.parametrize("keys", ["loss", [1], [None]])
def test_keys_must_be_strings(keys):
    with pytest.raises(TypeError, match="Log needs"):
        Log(keys)


def test_keys_come_from_any_iterable_once():
    assert Log(key for key in ["a", "b", "a"]).keys == ("a", "b")


def test_a_log_may_start_with_values():
    assert Log(["loss"], values={"loss": 1}).get("loss") == 1
    with pytest.raises(KeyError):
        Log(["loss"], values={"lost": 1})


def test_on_set_comes_before_the_value_as_in_torchnet():
    seen = []

    def view(log, key, value):
        seen.append((key, value, log.get("a"), log.get("b")))

    log = Log(["a", "b"], on_set=[view]).set(a=1)
    log.set({"a": 2, "b": 3})
    assert seen == [("a", 1, None, None), ("a", 2, 1, None), ("b", 3, 2, None)]


def test_closures_are_called_in_order():
    seen = []
    closures = [lambda log, n=n: seen.append(n) for n in range(3)]
    Log([], on_flush=closures[:2]).attach("on_flush", closures[2]).flush()
    assert seen == [0, 1, 2]


def test_on_get_is_told_the_key():
    seen = []
    log = Log(["a"], on_get=[lambda log, key: seen.append((log.values["a"], key))])
    assert log.set(a=1).get("a") == 1
    assert seen == [(1, "a")]


def test_flush_shows_the_row_and_drops_it():
    seen = []
    log = Log(["a"], on_flush=[lambda log: seen.append(log.get("a"))])
    log = log.set(a=1).status("go").flush()
    assert seen == [1]
    assert log.get("a") is None and log.get("__status__") is None
    log.set(a=2).flush()
    assert seen == [1, 2]


def test_close_drops_values_and_closures_and_keeps_keys():
    seen = []
    add = lambda log, *arguments: seen.append(log.values.get("a"))  # noqa: E731
    log = Log(["a"], on_set=[add], on_get=[add], on_flush=[add], on_close=[add])
    closed = log.set(a=1).close()
    assert seen == [None, 1]
    assert closed.set(a=2).get("a") == 2
    closed.flush().close()
    assert seen == [None, 1]


@pytest.mark.parametrize(
    ("event", "act"),
    [
        ("on_set", lambda log: log.set(a=1)),
        ("on_get", lambda log: log.get("a")),
        ("on_flush", lambda log: log.flush()),
        ("on_close", lambda log: log.close()),
    ],
)
def test_attach_to_every_event(event, act):
    seen = []
    log = Log(["a"])
    attached = log.attach(event, lambda *arguments: seen.append(arguments[0]))
    act(log)
    assert seen == []
    act(attached)
    assert seen == [attached]


def test_attach_refuses_an_unknown_event():
    with pytest.raises(KeyError, match="no event 'on_flsh'; did you mean 'on_flush'"):
        Log([]).attach("on_flsh", show)
    with pytest.raises(
        KeyError, match=r"'onSet'.*It has on_set, on_get, on_flush, on_c"
    ):
        Log([]).attach("onSet", show)


def test_closures_must_be_functions():
    with pytest.raises(TypeError, match="needs a function, but closure is 3"):
        Log([]).attach("on_set", 3)
    with pytest.raises(
        TypeError, match="Log: on_set needs functions, but entry 0 is 3"
    ):
        Log([], on_set=[3])
    with pytest.raises(
        TypeError, match=r"on_flush needs a list of functions, got show"
    ):
        Log([], on_flush=show)


def test_status_has_the_time_before_the_message():
    status = Log([]).status("training").get("__status__")
    assert re.fullmatch(r"\| \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \| training", status)


def test_status_without_time_or_message():
    assert Log([]).status("training", time=False).get("__status__") == "| training"
    assert Log([]).status(3, time=False).get("__status__") == "| 3"
    assert re.fullmatch(r"\| [\d-]+ [\d:]+ \|", Log([]).status().get("__status__"))


def test_status_is_set_like_any_value():
    seen = []
    log = Log([], on_set=[lambda log, key, value: seen.append((key, value))])
    log.status("go", time=False)
    assert seen == [("__status__", "| go")]


def test_survives_pickle():
    log = Log(["a"], on_set=[show]).set(a=1)
    copy = pickle.loads(pickle.dumps(log))
    assert copy.get("a") == 1 and copy.on_set == (show,)
    assert copy.set(a=2).get("a") == 2
    with pytest.raises(TypeError):
        copy.values["a"] = 3


def test_repr_shows_what_is_set_and_attached():
    log = Log(["a", "b"], on_flush=[show]).set(a=jnp.ones(2))
    assert repr(log) == "Log(['a', 'b'], values={'a': float32[2]}, on_flush=[show])"


def test_what_is_not_a_list_of_keys_is_named():
    with pytest.raises(TypeError, match="Log needs a list of keys, got None"):
        Log(None)  # pyright: ignore[reportArgumentType]
