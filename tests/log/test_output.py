"""What cannot be written does not end training, and is told of once."""

import errno
import io
import os
import resource
import tempfile

import pytest

from tests.log.killed import run_killed
from tntjax.log import Log, csv, json, status, text

VIEWS = {"csv": csv, "json": json, "text": text}


class Full:
    """A file on a disk that is full."""

    def write(self, text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("name", ["json", "text"])
def test_a_full_disk_is_told_of_once(name):
    log = Log(["a"], on_flush=[VIEWS[name](["a"], file=Full())])
    with pytest.warns(RuntimeWarning, match="its file misses rows, .*No space left"):
        log.set(a=1).flush()
    log.set(a=2).flush()


def test_of_a_row_that_is_half_written_nothing_stays(tmp_path):
    log = Log(["a"], on_flush=[json(["a"], filename=tmp_path / "log")])
    log.set(a="first").flush()
    most, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len('{"a": "first"}\n{"a":'), hard))
    try:
        with pytest.warns(RuntimeWarning, match="log misses rows, .*too large"):
            log.set(a="second").flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    log.set(a="third").flush()
    rows = (tmp_path / "log").read_text().splitlines()
    assert rows == ['{"a": "first"}', '{"a": "third"}']


def test_what_a_stream_has_no_bytes_for_is_written_as_escapes():
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    log = Log(["a"], on_flush=[text(["a"], file=file)])
    log.set(a="gr\xf6\xdfe").flush()
    log.set(a="size").flush()
    assert file.buffer.getvalue() == b"a gr\\xf6\\xdfe\na size\n"


def test_a_program_without_standard_output_writes_nothing(monkeypatch):
    log = Log(["a"], on_flush=[text(["a"])])
    monkeypatch.setattr("sys.stdout", None)
    assert log.set(a=1).flush().values == {}


@pytest.mark.parametrize("name", ["json", "text"])
def test_a_file_for_bytes_is_refused(name, tmp_path):
    for file in (open(tmp_path / "log", "wb"), tempfile.NamedTemporaryFile()):
        with file, pytest.raises(TypeError, match=f"{name} needs .* Open it for text"):
            VIEWS[name](["a"], file=file)


@pytest.mark.parametrize("name", ["json", "text"])
def test_a_file_that_was_closed_is_told_of_once(name, tmp_path):
    with open(tmp_path / "log", "w") as file:
        log = Log(["a"], on_flush=[VIEWS[name](["a"], file=file)])
        log.set(a=1).flush()
    with pytest.warns(RuntimeWarning, match="its file misses rows, .*closed file"):
        log.set(a=2).flush()
    log.set(a=3).flush()
    assert len((tmp_path / "log").read_text().splitlines()) == 1


def test_a_message_that_cannot_be_written_is_told_of():
    with pytest.warns(RuntimeWarning, match="status: its file misses rows"):
        Log([], on_set=[status(Full())]).status("training")


@pytest.mark.parametrize(
    ("name", "kept"), [("csv", "a\n2\n3\n"), ("json", '{"a": 2}\n{"a": 3}\n')]
)
def test_a_file_that_is_gone_is_made_again_and_told_of_once(name, kept, tmp_path):
    path = tmp_path / "log"
    log = Log(["a"], on_flush=[VIEWS[name](["a"], filename=path)])
    log.set(a=1).flush()
    path.unlink()
    with pytest.warns(RuntimeWarning, match=f"{name}: .*log misses rows, as it is gon"):
        log.set(a=2).flush()
    log.set(a=3).flush()
    assert path.read_text() == kept


def test_a_folder_that_is_gone_is_told_of_once(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    log = Log(["a"], on_flush=[text(["a"], filename=folder / "log")])
    (folder / "log").unlink()
    folder.rmdir()
    with pytest.warns(RuntimeWarning, match="text: .*log misses rows") as told:
        log.set(a=1).flush()
        log.set(a=2).flush()
    assert len(told) == 1


WRITTEN = {
    "text": "t 0 | loss 0.5\nt 1 | loss 0.5\nt 2 | loss 0.5\n",
    "json": "".join(f'{{"t": {t}, "loss": 0.5}}\n' for t in range(3)),
    "csv": "t,loss\n0,0.5\n1,0.5\n2,0.5\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITTEN)
def test_a_program_that_is_killed_has_written_what_it_flushed(name, tmp_path):
    run_killed(f"tnt.log.{name}(['t', 'loss'], filename='log')", tmp_path)
    assert (tmp_path / "log").read_text() == WRITTEN[name]


@pytest.mark.parametrize(
    ("make", "name", "words"),
    [
        (csv, "a.json", "csv writes CSV, but '.*a.json' .* .csv or .tsv, or"),
        (csv, "a.csv.gz", "a file that is compressed. Let it end in .csv"),
        (json, "a.csv", r"json writes JSON, .*tnt.log.csv\(keys, filename="),
        (json, "a.HTM", r"have a page written by tnt.log.report\('.*a.HTM'"),
    ],
)
def test_a_file_is_named_as_what_is_written(make, name, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        make(["loss"], filename=tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    make(["loss"], filename=tmp_path / "rows.of.a.run")
