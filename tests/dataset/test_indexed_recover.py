"""What is saved of archives whose writer died, or that were cut."""

import os
import random
import signal
import struct
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.dataset._archives import contents, names_in, numbered, put, write
from tntjax.dataset import IndexedDatasetReader, IndexedDatasetWriter
from tntjax.dataset.indexed._format import name_journal
from tntjax.dataset.indexed._recover import Entries, pack_record, replay

recover = IndexedDatasetWriter.recover
ITEMS = [np.full((1, n), n, np.int32) for n in (2, 0, 3, 1)] + [np.int32(7)]
ENDS = [2, 2, 5, 6, 7]
"""Where items end, in elements."""
NOTHING_FITS = r"x\.bin has \d+ bytes, but no item .*x\.idx.* Nothing was changed"


def read(names):
    return [item.tolist() for item in IndexedDatasetReader(*names)]


def expected(count):
    return [item.tolist() for item in ITEMS[:count]]


def die(names, kind, items):
    """Leaves an archive as a writer does that was killed, and returns its journal."""
    writer = IndexedDatasetWriter(*names, kind)
    for item in items:
        writer.add(item)
    writer._close_files()
    with open(name_journal(names[0]), "rb") as file:
        return file.read()


def put_journal(names, journal):
    with open(name_journal(names[0]), "wb") as file:
        file.write(journal)


def assert_goes_on(names, count):
    """The archive is whole, holds the first items, and can be appended to."""
    assert read(names) == expected(count)
    with IndexedDatasetWriter(*names) as writer:
        for item in ITEMS[count:]:
            writer.add(item)
    assert read(names) == expected(len(ITEMS))


def test_saves_all_that_was_added(tmp_path):
    names = names_in(tmp_path)
    die(names, "int", ITEMS)
    with pytest.raises(ValueError, match=r"not there yet: .*\.recover\('.*x\.idx', '"):
        IndexedDatasetReader(*names)
    assert recover(*names) == 5
    assert contents(names) == contents(write(tmp_path, "int", ITEMS, "y"))
    assert not os.path.exists(name_journal(names[0]))
    assert_goes_on(names, 5)


def test_saves_what_was_appended(tmp_path):
    names = write(tmp_path, "int", ITEMS[:2])
    die(names, None, ITEMS[2:])
    with pytest.raises(ValueError, match=r"before close\(\); then Ind.*\.recover"):
        IndexedDatasetReader(*names)
    with pytest.raises(ValueError, match=r"before close\(\); then Ind.*\.recover"):
        IndexedDatasetWriter(*names)
    assert recover(*names) == 5
    assert_goes_on(names, 5)


def test_saves_empty_items_though_the_index_fits_without_them(tmp_path):
    names = write(tmp_path, "int", ITEMS[:1])
    die(names, None, ITEMS[1:2])
    assert read(names) == expected(1)
    with pytest.raises(ValueError, match=r"There is .*x\.idx\.part.*or delete"):
        IndexedDatasetWriter(*names)
    assert recover(*names) == 2
    assert_goes_on(names, 2)


def test_a_writer_that_died_before_it_added_leaves_the_old(tmp_path):
    names = write(tmp_path, "int", ITEMS[:1])
    die(names, None, [])
    assert recover(*names) == 1
    assert_goes_on(names, 1)


@pytest.mark.parametrize("before", [0, 2])
def test_every_cut_of_the_data_keeps_the_items_before_it(tmp_path, before):
    names = names_in(tmp_path)
    if before:
        write(tmp_path, "int", ITEMS[:before])
    journal = die(names, None if before else "int", ITEMS[before:])
    index = contents(names)[0] if before else b""
    with open(names[1], "rb") as file:
        data = file.read()
    for length in range(len(data)):
        put(names, index, data[:length])
        if not before:
            os.remove(names[0])
        put_journal(names, journal)
        count = sum(4 * end <= length for end in ENDS)
        kept = 4 * ENDS[count - 1] if count else 0
        if length and not count:
            with pytest.raises(ValueError, match=NOTHING_FITS):
                recover(*names)
            continue
        assert recover(*names) == count
        assert read(names) == expected(count)
        if length > kept:
            with open(f"{names[1]}.rest", "rb") as file:
                assert file.read() == data[kept:length]
            os.remove(f"{names[1]}.rest")
        if count < 5:  # the notes of the others are kept too
            with open(f"{name_journal(names[0])}.old", "rb") as file:
                assert file.read() == journal
            os.remove(f"{name_journal(names[0])}.old")


@pytest.mark.parametrize("before", [0, 2])
def test_every_cut_of_the_journal_keeps_the_items_before_it(tmp_path, before):
    names = names_in(tmp_path)
    if before:
        write(tmp_path, "int", ITEMS[:before])
    journal = die(names, None if before else "int", ITEMS[before:])
    index = contents(names)[0] if before else b""
    with open(names[1], "rb") as file:
        data = file.read()
    axes = [item.ndim for item in ITEMS[before:]]
    ends = 48 + np.cumsum([8 * (number + 2) for number in axes])
    assert ends[-1] == len(journal)
    for length in range(48, len(journal) + 1):
        put(names, index, data)
        if not before:
            os.remove(names[0])
        put_journal(names, journal[:length])
        count = before + int((ends <= length).sum())
        assert recover(*names) == count
        assert read(names) == expected(count)


def test_what_was_half_added_is_kept_aside(tmp_path):
    names = names_in(tmp_path)
    die(names, "int", ITEMS)
    with open(names[1], "ab") as file:
        file.write(b"half")
    for _ in range(2):  # again it changes nothing
        assert recover(*names) == 5
        with open(f"{names[1]}.rest", "rb") as file:
            assert file.read() == b"half"
    assert_goes_on(names, 5)


def test_a_whole_archive_stays_as_it_is(tmp_path):
    names = write(tmp_path, "int", ITEMS)
    before = contents(names)
    assert recover(*names) == 5
    assert contents(names) == before
    assert sorted(os.listdir(tmp_path)) == ["x.bin", "x.idx"]


def test_a_writer_that_died_before_it_began_leaves_the_old(tmp_path):
    names = write(tmp_path, "int", ITEMS)
    for journal in (b"", b"TNTPART\0"):
        put_journal(names, journal)
        assert recover(*names) == 5
        assert_goes_on(names, 5)


def test_a_writer_that_died_between_index_and_journal_had_closed(tmp_path):
    names = names_in(tmp_path)
    journal = die(names, "int", ITEMS)
    recover(*names)
    put_journal(names, journal)
    assert read(names) == expected(5)
    assert recover(*names) == 5
    assert_goes_on(names, 5)


@pytest.mark.parametrize("before", [0, 2])
def test_data_that_was_cut_when_the_index_was_there_and_the_journal_too(
    tmp_path, before
):
    names = names_in(tmp_path)
    if before:
        write(tmp_path, "int", ITEMS[:before])
    journal = die(names, None if before else "int", ITEMS[before:])
    recover(*names)
    put_journal(names, journal)
    os.truncate(names[1], 21)
    assert recover(*names) == 3
    assert_goes_on(names, 3)


@pytest.mark.parametrize("length", range(28))
def test_data_that_was_cut_without_a_journal(tmp_path, length):
    names = write(tmp_path, "int", ITEMS)
    index, data = contents(names)
    put(names, index, data[:length])
    whole = sum(4 * end <= length for end in ENDS)
    if length and not whole:
        with pytest.raises(ValueError, match=NOTHING_FITS):
            recover(*names)
        assert contents(names) == [index, data[:length]]
        return
    assert recover(*names) == whole
    with open(f"{names[0]}.old", "rb") as file:
        assert file.read() == index
    assert_goes_on(names, whole)


def test_data_that_is_too_long_without_a_journal(tmp_path):
    names = write(tmp_path, "int", ITEMS)
    index, data = contents(names)
    put(names, index, data + b"more")
    assert recover(*names) == 5
    assert contents(names) == [index, data]
    assert_goes_on(names, 5)


def test_every_cut_of_the_index_keeps_the_items_whose_shapes_are_left(tmp_path):
    names = write(tmp_path, "int", ITEMS)
    index, data = contents(names)
    shapes = len(index) - 8 * 8  # four items have two sizes, the last has none
    for length in range(len(index)):
        put(names, index[:length], data)
        if length < shapes:
            with pytest.raises(ValueError, match=r"x\.idx is (truncated|not an index)"):
                recover(*names)
            assert contents(names) == [index[:length], data]
            continue
        whole = (length - shapes) // 16
        if not whole:
            with pytest.raises(ValueError, match=NOTHING_FITS):
                recover(*names)
            continue
        assert recover(*names) == whole
        assert read(names) == expected(whole)
        with open(f"{names[1]}.rest", "rb") as file:
            assert contents(names)[1] + file.read() == data
        with open(f"{names[0]}.old", "rb") as file:
            assert file.read() == index[:length]
        for name in (f"{names[1]}.rest", f"{names[0]}.old"):
            os.remove(name)


@pytest.mark.parametrize("surplus", [b"\0", bytes(8), b"surplus, surplus"])
def test_an_index_that_is_too_long_is_shortened(tmp_path, surplus):
    names = write(tmp_path, "int", ITEMS)
    index, data = contents(names)
    put(names, index + surplus, data)
    assert recover(*names) == 5
    assert contents(names) == [index, data]


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (0, b"MMIDIDX\0", "mapped layout"),
        (0, b"RIFFRIFF", "not an index of Torchnet"),
        (24, b"\x08", "fairseq"),
        (48, b"\x7f", "damaged: its shapes start"),
        (48, b"\xff" * 8, "damaged: its shapes start"),
        (56, b"\x7f", "damaged"),
        (104, b"\x7f", "damaged"),
    ],
)
def test_what_is_damaged_or_foreign_is_left_alone(tmp_path, at, value, message):
    names = write(tmp_path, "int", ITEMS)
    index, data = contents(names)
    index = index[:at] + value + index[at + len(value) :]
    put(names, index, data)
    with pytest.raises(ValueError, match=message):
        recover(*names)
    assert contents(names) == [index, data]


def test_a_damaged_index_of_nothing_is_left_alone(tmp_path):
    names = write(tmp_path, "int", [])
    index = contents(names)[0]
    put(names, index[:48] + b"\5" + index[49:], b"")
    with pytest.raises(ValueError, match="damaged: its shapes start at size 5"):
        recover(*names)


@example(at=20, value=2**61, more=0, length=8)  # an axis of 2**61 beside one of 0
@given(
    at=st.integers(0, 24),
    value=st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 9),
    more=st.integers(-24, 24),
    length=st.integers(0, 28),
)
def test_whatever_the_files_hold_they_are_refused_or_made_whole(
    tmp_path_factory, at, value, more, length
):
    names = write(tmp_path_factory.mktemp("indexed"), "int", ITEMS)
    index, data = contents(names)
    changed = index[: 8 * at] + struct.pack("<q", value) + index[8 * at + 8 :]
    put(names, (changed + bytes(24))[: len(index) + more], data[:length])
    before = contents(names)
    try:
        count = recover(*names)
    except ValueError:
        assert contents(names) == before
        return
    items = list(IndexedDatasetReader(*names))
    assert len(items) == count
    assert b"".join(item.tobytes() for item in items) == contents(names)[1]


def test_nothing_is_overwritten_by_a_second_recovery(tmp_path):
    names = write(tmp_path, "int", ITEMS)
    indexes, rests = [], []
    for length, count in ((21, 3), (19, 2), (11, 2), (8, 1)):
        os.truncate(names[1], length)
        indexes.append(contents(names)[0])
        rests.append(contents(names)[1][4 * ENDS[count - 1] :])
        recover(*names)
        with IndexedDatasetWriter(*names) as writer:
            writer.add(ITEMS[2])
    old, rest = f"{names[0]}.old", f"{names[1]}.rest"
    assert contents([old, f"{old}.1", f"{old}.2", f"{old}.3"]) == indexes
    rests = [rest for rest in rests if rest]
    assert contents([rest, f"{rest}.1", f"{rest}.2"]) == rests


def test_what_was_recovered_with_the_wrong_data_can_be_undone(tmp_path):
    names = write(tmp_path, "int", ITEMS[:2])
    die(names, None, ITEMS[2:])
    before = [names[0], name_journal(names[0])]
    index, journal = contents(before)
    other = names_in(tmp_path, "any")[1]
    with open(other, "wb") as file:
        file.write(bytes(26))
    os.rename(names[1], f"{names[1]}.elsewhere")
    assert recover(names[0], other) == 4
    assert contents([f"{name}.old" for name in before]) == [index, journal]
    assert contents([f"{other}.rest"]) == [bytes(2)]
    for name in before:
        os.replace(f"{name}.old", name)
    os.rename(f"{names[1]}.elsewhere", names[1])
    assert recover(*names) == 5


@pytest.mark.parametrize("state", ["both", "index", "data", "journal"])
def test_the_index_and_the_data_of_two_archives_are_refused(tmp_path, state):
    x = write(tmp_path, "int", ITEMS)
    y = write(tmp_path, "int", ITEMS[::-1] * 3, "y")
    found = {"index": x, "both": x, "data": y, "journal": y}[state]
    if state == "index":  # a whole archive, whose index would be shortened
        os.truncate(y[1], 21)
    elif state == "data":  # a whole archive, whose data would be cut
        os.truncate(x[1], 9)
    elif state == "journal":  # of both writers that died
        os.remove(x[1])
        die(y, None, ITEMS)
    files = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    message = rf"of one archive, .*but {found[1]} is the data of {found[0]}\. Nothing"
    with pytest.raises(ValueError, match=message):
        recover(x[0], y[1])
    assert files == {
        name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)
    }


def test_an_index_of_another_name_serves_where_its_own_is_damaged(tmp_path):
    names = write(tmp_path, "int", ITEMS)
    index, data = contents(names)
    put(names, index[:50], data + b"more")
    backup = names_in(tmp_path, "backup")[0]
    with open(backup, "wb") as file:
        file.write(index)
    assert recover(backup, names[1]) == 5
    assert contents([backup, names[1]]) == [index, data]


@pytest.mark.parametrize("items", [[], ITEMS[1:2]], ids=["none", "empty"])
def test_an_index_of_no_elements_does_not_empty_data(tmp_path, items):
    names = write(tmp_path, "int", items)
    index = contents(names)[0]
    put(names, index, b"another's")
    with pytest.raises(ValueError, match=NOTHING_FITS):
        recover(*names)
    assert contents(names) == [index, b"another's"]


def test_a_writer_that_died_in_its_first_item_leaves_an_archive_of_none(tmp_path):
    names = names_in(tmp_path)
    die(names, "int", [])
    with open(names[1], "ab") as file:
        file.write(b"half")
    assert recover(*names) == 0
    assert contents([f"{names[1]}.rest"]) == [b"half"]
    assert_goes_on(names, 0)


def test_indexes_of_megatron_are_left_alone(tmp_path):
    names = write(tmp_path, "int", ITEMS)
    index, data = contents(names)
    index = index[:48] + bytes([1] + [0] * 7) + index[48:] + bytes(8)
    put(names, index, data)
    with pytest.raises(ValueError, match="Megatron"):
        recover(*names)
    assert contents(names) == [index, data]


def test_nothing_tells_where_items_begin(tmp_path):
    names = write(tmp_path, "int", ITEMS)
    os.remove(names[0])
    for journal in (None, b""):
        if journal is not None:
            put_journal(names, journal)
        with pytest.raises(ValueError, match=r"x\.idx is missing, and .*x\.idx\.part"):
            recover(*names)
    os.remove(names[1])
    with pytest.raises(FileNotFoundError, match=r"x\.bin"):
        recover(*names)


@pytest.mark.parametrize("change", [{0: b"X"}, {8: b"\2"}, {16: b"\0"}, {16: b"\x09"}])
def test_a_journal_of_something_else_is_refused(tmp_path, change):
    names = names_in(tmp_path)
    journal = bytearray(die(names, "int", ITEMS))
    for at, value in change.items():
        journal[at : at + 1] = value
    put_journal(names, journal)
    with pytest.raises(
        ValueError, match=r"x\.idx\.part is not a journal of an Indexed"
    ):
        recover(*names)


def test_a_journal_of_another_archive_is_refused(tmp_path):
    names = write(tmp_path, "int", ITEMS[:2])
    journal = die(names, None, ITEMS[2:])
    put(names, *contents(write(tmp_path, "int", ITEMS[:1], "y")))
    os.truncate(names[1], 9)
    put_journal(names, journal)
    message = (
        r"x\.idx\.part goes on from 2 items of kind 'int', but .*x\.idx is missing"
    )
    with pytest.raises(ValueError, match=message):
        recover(*names)
    os.remove(names[0])
    with pytest.raises(ValueError, match=message):
        recover(*names)


@pytest.mark.parametrize(
    ("at", "value"),
    [(0, -1), (0, 65), (0, 2**40), (8, -1), (16, 3), (24, 3), (24, -5), (24, 2**62)],
)
def test_a_journal_is_read_up_to_where_it_makes_no_sense(tmp_path, at, value):
    names = names_in(tmp_path)
    journal = die(names, "int", ITEMS)
    second = 48 + 32 + at  # each of the first items has 4 numbers
    number = value.to_bytes(8, "little", signed=True)
    put_journal(names, journal[:second] + number + journal[second + 8 :])
    assert recover(*names) == 1
    assert_goes_on(names, 1)


def test_an_empty_item_whose_axes_no_reader_takes_makes_no_sense():
    entries = Entries("byte")
    replay(pack_record((0, 2**60), 0), entries)
    assert len(entries) == 0
    replay(pack_record((0, 2**59), 0), entries)
    assert len(entries) == 1


CHILD = """
import os, sys
import numpy as np
from tests.dataset._archives import numbered
from tntjax.dataset import IndexedDatasetWriter

names, kind = sys.argv[1:3], sys.argv[3] or None
while True:
    with IndexedDatasetWriter(*names, kind) as writer:
        os.write(1, b"begun\\n")
        for _ in range(200):
            writer.add(numbered(len(writer)))
            os.write(1, b"%d\\n" % len(writer))
    kind = None
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_writers_that_are_killed_lose_no_item(tmp_path):
    names, there = names_in(tmp_path), 0
    moments = random.Random(0)
    for turn in range(4):
        kind = "int" if turn == 0 else ""
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, *names, kind],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"begun\n"
        time.sleep(moments.uniform(0, 0.2))
        child.send_signal(signal.SIGKILL)
        said = child.communicate()[0].split()
        numbers = [int(word) for word in said if word != b"begun"]
        promised = max(numbers, default=there)
        there = recover(*names)
        assert promised <= there <= promised + 1
        reader = IndexedDatasetReader(*names)
        assert len(reader) == there
        for number, item in enumerate(reader):
            assert np.array_equal(item, numbered(number))
        with IndexedDatasetWriter(*names) as writer:
            writer.add(numbered(there))
        there += 1
    assert there > 4
