"""What is True or False is nothing else: a text, say, would always be true."""

import dataclasses

import numpy as np
import pytest

import tntjax as tnt

ROWS = tnt.TableDataset({"input": np.arange(6.0)})
MAKE = {
    tnt.ClassErrorMeter: ((), "accuracy"),
    tnt.MSEMeter: ((), "root"),
    tnt.ConfusionMeter: ((3,), "normalized"),
    tnt.LogLossMeter: ((), "logits"),
    tnt.CalibrationErrorMeter: ((), "logits"),
    tnt.TimeMeter: ((), "unit"),
    tnt.ShuffleDataset: ((ROWS, 0), "replacement"),
    tnt.ParallelDatasetIterator: ((ROWS, 1), "ordered"),
}


@pytest.mark.parametrize("cls", MAKE, ids=lambda cls: cls.__name__)
def test_a_flag_is_true_or_false(cls):
    positional, name = MAKE[cls]
    for wrong in ("False", "", 0, None, np.ones(2, bool)):
        with pytest.raises(TypeError, match=f"{name} must be True or False, got"):
            cls(*positional, **{name: wrong})
    made = cls(*positional, **{name: np.bool_(True)})
    assert getattr(made, name) is True or cls is tnt.TimeMeter


def test_a_flag_is_checked_where_it_is_replaced():
    with pytest.raises(TypeError, match="ClassErrorMeter: accuracy must be True or"):
        dataclasses.replace(tnt.ClassErrorMeter(), accuracy="yes")


@pytest.mark.parametrize("view", [tnt.log.text, tnt.log.json, tnt.log.status])
def test_views_take_no_text_for_append(view, tmp_path):
    (tmp_path / "kept").write_text("kept")
    with pytest.raises(TypeError, match="append must be True or False, got 'no'"):
        given = () if view is tnt.log.status else (["loss"],)
        view(*given, filename=tmp_path / "kept", append="no")
    assert (tmp_path / "kept").read_text() == "kept"
