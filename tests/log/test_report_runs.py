"""In what forms runs come to a report, and what is refused."""

import json
import math
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from tests.log.reported import Page, write_and_read
from tntjax._json import as_json_line
from tntjax.log import report

HISTORY = {"t": [1, 2], "loss": [0.75, 0.5]}
ROWS = [{"t": 1, "loss": 0.75}, {"t": 2, "loss": 0.5}]
POINTS = [1, 2], [0.75, 0.5]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
    return path


def ended(**fields):
    """A State, as far as a report looks at it."""
    plain = {"params": {}, "meters": {}, "seconds": None, "iterator": None, "key": None}
    done = {"epoch": 1, "t": 2, "samples": 20}
    return SimpleNamespace(**{**plain, **done, **fields})


def test_a_dict_of_columns(tmp_path):
    assert write_and_read(tmp_path, HISTORY).curves == {"run/loss": POINTS}


def test_columns_of_jax_and_numpy(tmp_path):
    columns = {"t": np.arange(1, 3), "loss": jnp.array([0.75, 0.5])}
    assert write_and_read(tmp_path, columns).curves == {"run/loss": POINTS}


def test_rows(tmp_path):
    assert write_and_read(tmp_path, ROWS).curves == {"run/loss": POINTS}


def test_a_file_is_named_by_its_name(tmp_path, file):
    assert write_and_read(tmp_path, file).curves == {"log/loss": POINTS}
    assert write_and_read(tmp_path, str(file)).curves == {"log/loss": POINTS}


def test_a_state_with_its_history(tmp_path):
    page = write_and_read(tmp_path, ended(history=HISTORY))
    assert page.curves == {"run/loss": POINTS}
    assert page.table("Runs")["run"] == ["1", "2", "20", "", ""]


def test_runs_by_name(tmp_path, file):
    page = write_and_read(tmp_path, {"a": HISTORY, "b": ROWS}, c=str(file))
    assert page.payload["runs"] == ["a", "b", "c"]
    assert set(page.curves) == {"a/loss", "b/loss", "c/loss"}


def test_several_without_names_are_numbered(tmp_path):
    assert write_and_read(tmp_path, HISTORY, ROWS).payload["runs"] == ["run 1", "run 2"]


def test_a_row_without_a_value_has_no_point(tmp_path):
    rows = [
        {"t": 1, "loss": 3.0},
        {"t": 2},
        {"t": 3, "loss": None},
        {"t": 4, "loss": 1},
    ]
    assert write_and_read(tmp_path, rows).curves == {"run/loss": ([1, 4], [3, 1])}


def test_a_file_has_words_for_what_is_not_finite(tmp_path):
    rows = [{"loss": math.inf}, {"loss": math.nan}, {"loss": 1.0}]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(f"{as_json_line(row, 'test')}\n" for row in rows))
    _, y = write_and_read(tmp_path, path).curves["log/loss"]
    assert [math.isnan(value) for value in y] == [True, True, False]


def test_a_line_that_was_cut_off_is_left_out(tmp_path, file):
    with file.open("a") as opened:
        opened.write('\n{"t": 3, "lo')
    assert write_and_read(tmp_path, file).curves == {"log/loss": POINTS}


def test_a_last_line_without_an_end_counts_if_it_is_whole(tmp_path, file):
    with file.open("a") as opened:
        opened.write('{"t": 3, "loss": 0.25}')
    assert write_and_read(tmp_path, file).curves["log/loss"][1] == [0.75, 0.5, 0.25]


@pytest.mark.parametrize("line", ["loss 0.5", "[1, 2]"])
def test_a_file_that_is_not_json_lines(tmp_path, file, line):
    with file.open("a") as opened:
        opened.write(f"{line}\n")
    with pytest.raises(ValueError, match=r"an object of JSON on each line.*line 3 of"):
        report(tmp_path / "out.html", file)


@pytest.mark.parametrize("rest", ["", "3", '3,0.25,"te'])
def test_a_table(tmp_path, rest):
    table = 't,loss,note\n1,0.75,"a, b"\n2,0.5,\n'
    (tmp_path / "log.csv").write_text(table + rest)
    page = write_and_read(tmp_path, tmp_path / "log.csv")
    assert page.curves == {"log/loss": POINTS}
    (tmp_path / "log.tsv").write_text("t\tloss\n1\t0.75\n2\t0.5")
    page = write_and_read(tmp_path, tmp_path / "log.tsv")
    assert page.curves == {"log/loss": POINTS}


def test_a_table_whose_rows_are_of_several_lengths(tmp_path):
    (tmp_path / "log.csv").write_text("t,loss\n1,0.5\n2\n3,0.5\n")
    with pytest.raises(ValueError, match="have the 2 fields .*row 2 of .* has 1"):
        report(tmp_path / "out.html", tmp_path / "log.csv")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        report(tmp_path / "out.html", tmp_path / "none.jsonl")


def test_no_run(tmp_path):
    with pytest.raises(ValueError, match="report needs a run: a State that train"):
        report(tmp_path / "out.html")


@pytest.mark.parametrize("run", [3, len, [1, 2], [[1.0, 2.0]], np.ones(3)], ids=str)
def test_what_is_not_a_run(tmp_path, run):
    with pytest.raises(TypeError, match="report: 'run' must be a State that train"):
        report(tmp_path / "out.html", run)


@pytest.mark.parametrize("run", [{}, [], {"loss": []}, ended(history={})], ids=str)
def test_a_run_of_which_nothing_was_recorded(tmp_path, run):
    with pytest.raises(
        ValueError, match=r"'run' has nothing to show. Chain tnt\.hooks"
    ):
        report(tmp_path / "out.html", run)


def test_an_empty_file(tmp_path):
    (tmp_path / "log.jsonl").write_text("")
    with pytest.raises(ValueError, match="'log' has nothing to show"):
        report(tmp_path / "out.html", tmp_path / "log.jsonl")


def test_columns_of_several_lengths(tmp_path):
    with pytest.raises(ValueError, match=r"one length, got \{'t': 2, 'loss': 1\}"):
        report(tmp_path / "out.html", {"t": [1, 2], "loss": [1.0]})


@pytest.mark.parametrize("column", [0.5, "text"])
def test_what_is_not_a_column(tmp_path, column):
    with pytest.raises(TypeError, match="the column 'loss' of 'run' must be a list"):
        report(tmp_path / "out.html", {"t": [1, 2], "loss": column})


def test_a_name_that_is_there_twice(tmp_path):
    with pytest.raises(ValueError, match="a name for each run, got 'a' twice"):
        report(tmp_path / "out.html", {"a": HISTORY}, a=ROWS)


def test_a_page_is_not_written_over_a_run(tmp_path, file):
    before = file.read_bytes()
    words = "report, to its first argument, writes HTML, but .* .html or .htm, or"
    with pytest.raises(ValueError, match=words):
        report(file, HISTORY)
    assert file.read_bytes() == before


def test_the_runs_before_the_path(tmp_path):
    with pytest.raises(TypeError, match="needs the name of the file to write first"):
        report(HISTORY, tmp_path / "out.html")


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="report: there is no folder .*Make it"):
        report(tmp_path / "runs" / "out.html", HISTORY)
    with pytest.raises(IsADirectoryError, match="is a folder. Name a file in it"):
        report(tmp_path, HISTORY)


def test_an_old_page_stays_if_the_new_one_cannot_be_written(tmp_path, monkeypatch):
    path = report(tmp_path / "out.html", HISTORY)

    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="the disk is full"):
        report(path, ROWS)
    assert [file.name for file in tmp_path.iterdir()] == ["out.html"]
    assert Page(path).curves == {"run/loss": POINTS}
