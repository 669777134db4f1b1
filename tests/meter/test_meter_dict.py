import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.meter import (
    AverageValueMeter,
    ClassErrorMeter,
    HistogramMeter,
    MeterDict,
    TimeMeter,
)

OUTPUT, TARGET = [[0.9, 0.1], [0.2, 0.8]], [0, 0]


def make():
    return MeterDict({"loss": AverageValueMeter(), "error": ClassErrorMeter()})


def test_arguments_go_to_all_that_are_not_named():
    group = make().add(OUTPUT, TARGET, loss=([1.0, 4.0], [3, 1]))
    assert float(group["error"].value()[1]) == 50.0
    assert float(group.value()["loss"].mean) == 1.75


def test_scores_and_labels_are_no_values():
    """Labels would be taken for how often each value counts."""
    group = make().add(OUTPUT, TARGET)
    assert int(group["loss"].n) == 0 and int(group["error"].n) == 2
    outer = MeterDict({"inner": make(), "bins": HistogramMeter(0, 1)})
    outer = outer.add(OUTPUT, TARGET)
    assert int(outer["bins"].n) == 0 == int(outer["inner"]["loss"].n)
    assert int(outer["inner"]["error"].n) == 2
    losses = MeterDict({"loss": AverageValueMeter()})
    outer = MeterDict({"losses": losses, "error": ClassErrorMeter()})
    assert int(outer.add(OUTPUT, TARGET)["losses"]["loss"].n) == 0


def test_values_and_how_often_they_count_go_to_meters_of_values():
    group = MeterDict({"mean": AverageValueMeter(), "bins": HistogramMeter(0, 1)})
    group = group.add([0.25, 0.5], [3, 1])
    assert int(group["mean"].n) == int(group["bins"].n) == 4


def test_a_meter_of_whatever_comes_gets_it():
    @dataclasses.dataclass(frozen=True)
    class Whatever:
        n: int = 0

        def add(self, *args, mask=None):
            return Whatever(self.n + len(args))

        def merge(self, other):
            return self

        def value(self):
            return self.n

        def reset(self):
            return self

    jax.tree_util.register_dataclass(Whatever, ["n"], [])
    group = MeterDict({"any": Whatever(), "loss": AverageValueMeter()})
    assert group.add(OUTPUT, TARGET).value()["any"] == 2


def test_those_that_get_nothing_stay():
    group = make().add(loss=2.0)
    assert int(group["loss"].n) == 1 and int(group["error"].n) == 0


def test_the_mask_goes_to_all():
    mask = [True, False]
    group = make().add(OUTPUT, TARGET, loss=[1.0, 9.0], mask=mask)
    assert float(group["loss"].value().mean) == 1.0
    assert float(group["error"].value()[1]) == 0.0


def test_names_are_in_the_order_that_jax_keeps():
    group = make()
    assert list(group.meters) == ["error", "loss"] == list(group.value())
    assert repr(jax.jit(lambda g: g)(group)) == repr(group)
    assert repr(group).splitlines()[1] == "  error=ClassErrorMeter(top1=nan%, n=0),"


def test_names_that_are_not_there_are_errors():
    with pytest.raises(KeyError, match="got losss, but its meters are error, loss"):
        make().add(losss=2.0)
    with pytest.raises(KeyError):
        make()["mean"]


@pytest.mark.parametrize("name", ["mask", "top 1", 3])
def test_names_must_be_arguments(name):
    with pytest.raises(ValueError, match="arguments of add, and not 'mask', got"):
        MeterDict({name: AverageValueMeter()})


@pytest.mark.parametrize("meter", [3, TimeMeter(), np.zeros(2)])
def test_holds_meters_that_are_pytrees(meter):
    with pytest.raises(TypeError, match="meters that are pytrees, but 'a' is"):
        MeterDict({"a": meter})


def test_is_made_of_a_dict():
    with pytest.raises(TypeError, match="needs a dict of meters, got"):
        MeterDict([AverageValueMeter()])


def test_merges_only_the_same_names():
    with pytest.raises(ValueError, match="same names, got error, loss and loss"):
        make().merge(MeterDict({"loss": AverageValueMeter()}))


def test_what_a_meter_of_others_measures_is_read_as_plain():
    @jax.tree_util.register_dataclass
    @dataclasses.dataclass(frozen=True)
    class Sum:
        total: Any = np.float32(0)

        def add(self, value, *, mask=None):
            return Sum(
                self.total + jnp.sum(jnp.asarray(value), where=jnp.asarray(mask))
            )

        def merge(self, other):
            return Sum(self.total + other.total)

        def reset(self):
            return Sum()

        def value(self):
            return {"sum": jnp.asarray(self.total)}

    value = MeterDict({"sum": Sum()}).add([1.0, 2.0], mask=[True, True]).value()
    assert value == {"sum": {"sum": 3.0}}
    assert type(value["sum"]["sum"]) is float
