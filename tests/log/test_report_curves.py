"""The numbers that a report draws."""

import math

import numpy as np
import pytest

from tests.log.reported import write_and_read
from tntjax.log._report._curves import pick_rows, read_numbers, thin

T = list(range(1, 11))


def test_numbers_come_back_bit_for_bit(tmp_path):
    loss = np.random.default_rng(0).normal(size=10).astype(np.float32)
    x, y = write_and_read(tmp_path, {"t": T, "loss": loss}).curves["run/loss"]
    assert x == T
    assert np.float32(y).tobytes() == loss.tobytes()


def test_what_is_counted_is_exact_beyond_float32(tmp_path):
    t = [2**24 + 1, 2**24 + 2, 2**31 - 1]
    page = write_and_read(tmp_path, {"t": t, "loss": [3.0, 2.0, 1.0]})
    assert page.curves["run/loss"][0] == t


def test_validation_is_drawn_with_training(tmp_path):
    keys = [
        "seconds",
        "validate.loss",
        "lr",
        "error",
        "validate.error",
        "validate",
        "loss",
    ]
    page = write_and_read(tmp_path, {"t": [1, 2], **{key: [2, 1] for key in keys}})
    drawn = {
        plot["name"]: [(curve["key"], curve["role"]) for curve in plot["curves"]]
        for plot in page.payload["plots"]
    }
    assert list(drawn) == ["loss", "error", "validate", "lr", "seconds"]
    assert drawn["loss"] == [("loss", 0), ("validate.loss", 1)]
    assert drawn["error"] == [("error", 0), ("validate.error", 1)]


@pytest.mark.parametrize(
    ("columns", "axes"),
    [
        (
            {"epoch": [1, 2], "t": [5, 10], "samples": [50, 99]},
            ["t", "samples", "epoch"],
        ),
        ({"epoch": [0, 0], "t": [5, 10]}, ["t"]),  # rows within an epoch
        ({"t": [5, 5], "samples": [50, 40]}, ["t"]),
        ({"t": [5, None]}, ["row"]),
        ({"t": [[1], [2]]}, ["row"]),
        ({"t": ["one", "two"]}, ["row"]),
        ({}, ["row"]),
    ],
    ids=str,
)
def test_what_rises_with_the_rows_may_be_the_x_axis(tmp_path, columns, axes):
    page = write_and_read(tmp_path, {**columns, "loss": [2.0, 1.0]})
    assert page.payload["x"] == axes


def test_rows_are_counted_where_runs_have_no_axis_in_common(tmp_path):
    page = write_and_read(
        tmp_path, a={"t": [5, 10], "loss": [2, 1]}, b={"loss": [4, 3]}
    )
    assert page.curves == {"a/loss": ([1, 2], [2, 1]), "b/loss": ([1, 2], [4, 3])}


def test_gaps_are_drawn_and_told(tmp_path):
    loss = [1.0, math.nan, math.inf, math.nan, -math.inf, 1e300, 2.0]
    page = write_and_read(tmp_path, {"loss": loss})
    y = page.curves["run/loss"][1]
    assert [math.isnan(value) for value in y] == [False] + [True] * 5 + [False]
    assert "Gaps, where values are NaN or infinite: 5 of loss." in page.text


def test_what_is_not_a_number_is_left_out_and_told(tmp_path):
    columns = {
        "loss": [2.0, 1.0],
        "note": ["a", "b"],
        "flag": [True, False],
        "ragged": [[1, 2], [1]],
        "deep": [[[1]], [[2]]],
        "nothing": [None, None],
        "huge": [10**400, 1],
    }
    page = write_and_read(tmp_path, columns)
    assert list(page.curves) == ["run/loss"]
    left_out = "note, flag, ragged, deep, nothing, huge"
    assert f"Not drawn, as they are not numbers: {left_out}." in page.text


def test_a_page_without_numbers_says_so(tmp_path):
    page = write_and_read(tmp_path, {"note": ["a", "b"]})
    assert page.curves == {}
    assert "No numbers were recorded. Chain tnt.hooks.record()" in page.text


def test_members_are_a_family_with_a_median(tmp_path):
    loss = [[3.0, 1.0, 2.0], [2.0, math.nan, None], [1.0, 5.0, 6.0]]
    page = write_and_read(tmp_path, {"t": [1, 2, 3], "loss": loss})
    curves = {name: y for name, (_, y) in page.curves.items()}
    assert curves["run/loss/member 0"] == [3, 2, 1]
    assert curves["run/loss/member 2"][::2] == [2, 6]
    median = curves["run/loss/median of 3"]
    assert median[::2] == [2, 5] and math.isnan(median[1])  # most are NaN: beyond all
    assert "run (3 members)" in page.table("Runs")


def test_other_lists_of_numbers_are_entries(tmp_path):
    page = write_and_read(tmp_path, {"loss": [2.0, 1.0], "recall": [[1, 2], [3, 4]]})
    assert page.curves["run/recall/entry 1"] == ([1, 2], [2, 4])


def test_of_many_members_some_are_drawn_and_that_is_told(tmp_path):
    page = write_and_read(tmp_path, {"loss": np.ones((2, 200))})
    members = [name for name in page.curves if "member" in name]
    assert len(members) == 64
    assert (members[0], members[-1]) == ("run/loss/member 0", "run/loss/member 199")
    assert "Of families of 200 curves 64 are drawn." in page.text


def test_a_long_curve_keeps_its_peaks(tmp_path):
    loss = np.full(100_000, 0.5)
    loss[[777, 5001]] = 9.0, -9.0
    page = write_and_read(tmp_path, {"t": np.arange(100_000), "loss": loss})
    x, y = page.curves["run/loss"]
    assert len(x) == len(y) == 4000
    assert (x[0], x[-1]) == (0, 99_999)
    assert x == sorted(x)
    for place, peak in ((777, 9.0), (5001, -9.0)):
        assert abs(x[y.index(peak)] - place) <= 100_000 / 2_000
    assert "Of 100,000 points in a curve 4,000 are drawn" in page.text


@pytest.mark.parametrize("count", [4000, 4001, 4002, 7999, 12_345])
def test_thinned_curves_have_highs_and_lows_in_order(count):
    values = np.random.default_rng(count).normal(size=count)
    rows, kept = pick_rows(count, 4000), thin(values, 4000)
    assert len(rows) == len(kept) <= 4000
    assert (np.diff(rows) > 0).all()
    assert {values.min(), values.max(), values[0], values[-1]} <= set(kept)
    places = {value: row for row, value in enumerate(values)}
    at = [places[value] for value in kept]
    assert at == sorted(at)


def test_a_stretch_of_gaps_stays_one():
    values = np.full(10_000, np.nan)
    values[:3000] = 1.0
    kept = thin(values, 100)
    assert np.isnan(kept[-60:]).all() and (kept[:28] == 1).all()


def test_a_page_of_twenty_curves_can_be_mailed(tmp_path):
    numbers = np.random.default_rng(0).normal(size=(20, 2000))
    t = np.arange(1, 2001)
    run = {"epoch": t // 100, "t": t, "samples": 128 * t}
    run |= {f"key {k}": row for k, row in enumerate(numbers)}
    page = write_and_read(tmp_path, run)
    assert len(page.curves) == 20
    assert (tmp_path / "out.html").stat().st_size <= 400_000


def test_a_page_of_very_many_curves_has_fewer_points_of_each(tmp_path):
    numbers = np.random.default_rng(0).normal(size=(3000, 64))
    page = write_and_read(tmp_path, {f"key {k}": numbers for k in range(8)})
    assert (tmp_path / "out.html").stat().st_size <= 3_000_000
    assert len(page.curves["run/key 0/entry 0"][0]) == 400_000 // (8 * 65) // 2 * 2


def test_equal_arrays_are_there_once(tmp_path):
    page = write_and_read(tmp_path, {"t": T, "loss": T, "same": T})
    places = {tuple(c["y"]) for plot in page.payload["plots"] for c in plot["curves"]}
    assert len(places) == 1


def test_an_empty_column_has_no_numbers():
    assert read_numbers([]) is None
