"""Errors that travel from a worker to the consumer."""

import io
import json
import subprocess
import threading
import traceback
from http.client import HTTPMessage
from urllib.error import HTTPError, URLError

import numpy as np
import pytest

from tests.iterator import parallel_cases as cases
from tntjax.iterator import WorkerError
from tntjax.iterator._errors import pack_error, unpack_error


class NeedsCode(ValueError):
    def __init__(self, message, *, code):
        super().__init__(message)
        self.code = code


class OtherMessage(Exception):
    """Would say "bad bad file" if it were made of its own message."""

    def __init__(self, path, code=0):
        super().__init__(f"bad {path}")


class ManyFields(Exception):
    def __init__(self, one, two):
        self.one, self.two = one, two

    def __str__(self):
        return f"{self.one}/{self.two}"


class DiskError(OSError):
    def __init__(self, path):
        super().__init__(5, "bad disk", path)
        self.path = path


class Unspeakable(Exception):
    def __str__(self):
        raise ValueError("no text")


def response(code):
    body = io.BufferedReader(io.BytesIO(b"a body"))  # which pickle refuses
    return HTTPError("http://host/x", code, "not found", HTTPMessage(), body)


ERRORS = {
    "one argument": ValueError("bad file"),
    "none": MemoryError(),
    "two arguments": cases.OddError("this", "that"),
    "a keyword": NeedsCode("bad", code=5),
    "another message": OtherMessage("file"),
    "fields": ManyFields(1, 2),
    "of the system": FileNotFoundError(2, "No such file", "name"),
    "of the system, another class": DiskError("/disk"),
    "http": response(404),
    "url": URLError(OSError(1, "refused")),
    "unicode": UnicodeDecodeError("utf8", b"\xff", 0, 1, "bad"),
    "json": json.JSONDecodeError("bad", "doc", 0),
    "subprocess": subprocess.CalledProcessError(1, ["ls"], b"out", b"err"),
    "numpy": np.exceptions.AxisError(3, 2),
    "group": ExceptionGroup("several", [ValueError(1), KeyError(2)]),
    "no text": Unspeakable(1),
    "exit": SystemExit(4),
}


def sent(error):
    error.add_note("a note")
    return unpack_error(pack_error(error))


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_keeps_class_text_and_notes(name):
    error = ERRORS[name]
    again = sent(error)
    assert type(again) is type(error)
    shown = traceback.format_exception_only
    assert shown(again) == shown(error)
    assert "a note" in again.__notes__
    assert str(again.__cause__).startswith("in the worker:")


def test_an_error_keeps_its_fields():
    assert sent(NeedsCode("bad", code=5)).code == 5
    assert sent(ManyFields(1, 2)).two == 2
    assert sent(response(404)).code == 404
    disk = sent(DiskError("/disk"))
    assert (disk.errno, disk.filename, disk.path) == (5, "/disk", "/disk")


def test_what_of_an_error_cannot_be_sent_is_left_out():
    again = sent(ValueError("bad", threading.Lock()))
    assert type(again) is ValueError
    assert again.args == ("bad", None)


def local_error(error=Exception):
    class Local(error):
        pass

    return Local


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (local_error()("only here"), "Local: only here"),
        (local_error(Unspeakable)(1), r"Local: \(its text cannot be shown\)"),
        (ExceptionGroup("several", [local_error()(1)]), "ExceptionGroup: several"),
    ],
    ids=["local", "without text", "group"],
)
def test_an_error_that_cannot_be_rebuilt_is_told(error, text):
    again = sent(error)
    assert type(again) is WorkerError
    with pytest.raises(RuntimeError, match=text):
        raise again
    assert again.__notes__ == ["a note"]
    assert "Local" in str(again.__cause__)


def test_a_group_keeps_the_classes_of_its_errors():
    inner = ExceptionGroup("inner", [NeedsCode("b", code=3)])
    group = ExceptionGroup("outer", [ValueError("a"), NeedsCode("b", code=2), inner])
    again = unpack_error(pack_error(group))
    assert type(again) is ExceptionGroup and again.message == "outer"
    first, second, third = again.exceptions
    assert (type(first), str(first)) == (ValueError, "a")
    assert (type(second), second.code) == (NeedsCode, 2)
    assert (type(third), third.exceptions[0].code) == (ExceptionGroup, 3)
