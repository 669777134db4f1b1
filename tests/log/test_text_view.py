import io
import os
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.log import Log, text


def line(keys, values, **options):
    """What the view writes for a row."""
    file = io.StringIO()
    view = text(keys, file=file, **options)
    Log(list(values), on_flush=[view]).set(values).flush()
    return file.getvalue()


def test_key_and_value_by_default():
    assert line(["epoch", "loss"], {"loss": 0.5, "epoch": 1}) == "epoch 1 | loss 0.5\n"


def test_what_holds_numbers_of_jax_and_numpy_is_plain():
    value = {"best": np.float32(0.5), "both": (jnp.int32(1), [np.int64(2)])}
    assert line(["a"], {"a": value}) == "a {'best': 0.5, 'both': (1, [2])}\n"


def test_a_key_is_shown():
    assert "key<fry>" in line(["key"], {"key": jax.random.key(0)})


def test_only_its_keys_in_its_order():
    assert line(["c", "a"], {"a": 1, "b": 2, "c": 3}) == "c 3 | a 1\n"


def test_separator():
    assert line(["a", "b"], {"a": 1, "b": 2}, separator=", ") == "a 1, b 2\n"


def test_missing_values_are_left_out():
    file = io.StringIO()
    log = Log(["a", "b", "c"], on_flush=[text(["a", "b", "c"], file=file)])
    log = log.set(a=1, b=None, c=3).flush()
    log.flush()
    assert file.getvalue() == "a 1 | c 3\n\n"


def test_zero_and_false_are_values():
    values = {"a": 0, "b": False, "c": 0.0, "d": ""}
    assert line(list(values), values) == "a 0 | b False | c 0.0 | d \n"


def test_printf_strings():
    formats = {"loss": "avg. loss %.3f", "epoch": "%03d", "name": "%s!"}
    values = {"loss": 0.12345, "epoch": 7, "name": "run"}
    assert (
        line(list(values), values, format=formats) == "avg. loss 0.123 | 007 | run!\n"
    )


def test_printf_of_a_tuple_is_one_value():
    assert line(["a"], {"a": (1, 2)}, format={"a": "%s"}) == "(1, 2)\n"


def test_functions():
    formats = {"loss": lambda value: f"<{value:.1f}>"}
    assert line(["loss"], {"loss": jnp.float32(0.25)}, format=formats) == "<0.2>\n"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (jnp.float32(0.1), "0.1"),
        (np.float32(0.1), "0.1"),
        (np.float64(0.1), "0.1"),
        (jnp.array([0.5]), "0.5"),
        (jnp.int32(3), "3"),
        (np.bool_(False), "False"),
        (jnp.bfloat16(0.5), "0.5"),
        (jnp.array([1, 2]), "[1 2]"),
        (np.zeros(()), "0.0"),
        (np.str_("x"), "x"),
    ],
)
def test_arrays_show_as_numbers(value, shown):
    assert line(["a"], {"a": value}) == f"a {shown}\n"


def test_formats_work_on_arrays_of_every_dtype():
    for dtype in (jnp.bfloat16, jnp.float16, jnp.float32, jnp.int32):
        value = jnp.array(2, dtype)
        assert line(["a"], {"a": value}, format={"a": "%.1f"}) == "2.0\n"
        assert line(["a"], {"a": value}, format={"a": "{:g}".format}) == "2\n"


def test_a_format_that_gives_no_string_is_named():
    with pytest.raises(TypeError, match="format of 'a' must return a string, got 1"):
        line(["a"], {"a": 1}, format={"a": lambda value: value})


@pytest.mark.parametrize("entry", ["%d", "no conversion", "%s %s", "%y"])
def test_a_printf_string_that_does_not_fit_is_named(entry):
    with pytest.raises(ValueError, match="of 'a' doesn't fit the value 'x': .*'%s'"):
        line(["a"], {"a": "x"}, format={"a": entry})
    with pytest.raises(ValueError, match="doesn't fit the value 100.*too large"):
        line(["a"], {"a": 10**400}, format={"a": "%.3f"})


def test_a_key_that_the_log_lacks_is_named():
    with pytest.raises(KeyError, match="Log has no key 'lost'; did you mean 'loss'"):
        line(["lost"], {"loss": 1})


def test_standard_output_as_it_is_at_that_time(capsys):
    view = text(["a"])
    Log(["a"], on_flush=[view]).set(a=1).flush()
    assert capsys.readouterr().out == "a 1\n"


def test_file_and_filename_exclude_each_other(tmp_path):
    with pytest.raises(ValueError, match="file or filename, got both"):
        text(["a"], file=io.StringIO(), filename=tmp_path / "log")


def test_append_needs_a_filename():
    with pytest.raises(ValueError, match="needs a filename to append to"):
        text(["a"], append=True)


def test_a_file_is_emptied_when_the_view_is_made(tmp_path):
    path = tmp_path / "log"
    path.write_text("old\n")
    view = text(["a"], filename=path)
    assert path.read_text() == ""
    log = Log(["a"], on_flush=[view])
    log = log.set(a=1).flush()
    assert path.read_text() == "a 1\n"
    log.set(a="é").flush()
    assert path.read_text(encoding="utf-8") == "a 1\na é\n"


def test_append_keeps_what_is_there(tmp_path):
    path = tmp_path / "log"
    path.write_text("old\n")
    Log(["a"], on_flush=[text(["a"], filename=path, append=True)]).set(a=1).flush()
    assert path.read_text() == "old\na 1\n"


def test_views_share_a_file(tmp_path):
    path = str(tmp_path / "log")
    views = [text(["a"], filename=path), text(["b"], filename=path)]
    log = Log(["a", "b"], on_flush=views)
    log.set(a=1, b=2).flush().set(a=3).flush()
    assert (tmp_path / "log").read_text() == "a 1\nb 2\na 3\n\n"


def test_a_relative_file_stays_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    view = text(["a"], filename="log")
    os.mkdir("elsewhere")
    monkeypatch.chdir("elsewhere")
    Log(["a"], on_flush=[view]).set(a=1).flush()
    assert (tmp_path / "log").read_text() == "a 1\n"


def test_a_folder_that_is_not_there_is_an_error_at_once(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*os.makedirs\("):
        text(["a"], filename=tmp_path / "none" / "log")
    with pytest.raises(IsADirectoryError, match="is a folder. Name a file in it"):
        text(["a"], filename=tmp_path)


def test_views_get_their_values_so_on_get_is_told():
    seen = []
    view = text(["a"], file=io.StringIO())
    log = Log(["a"], on_get=[lambda log, key: seen.append(key)], on_flush=[view])
    log.set(a=1).flush()
    assert seen == ["a"]


@pytest.mark.parametrize("keys", ["a", [1]])
def test_keys_must_be_strings(keys):
    with pytest.raises(TypeError, match="text needs"):
        text(keys)


def test_formats_must_be_strings_or_functions():
    with pytest.raises(TypeError, match="printf string or a function as format of 'a'"):
        text(["a"], format={"a": 3})


def test_formats_must_be_of_its_keys():
    with pytest.raises(ValueError, match=r"format for 'b', which isn't.*\['a'\]"):
        text(["a"], format={"b": "%s"})


def test_survives_pickle(tmp_path):
    view = text(["a"], filename=tmp_path / "log", format={"a": "%d"})
    copy = pickle.loads(pickle.dumps(view))
    Log(["a"], on_flush=[copy]).set(a=1).flush()
    assert (tmp_path / "log").read_text() == "1\n"


def test_repr_has_no_address():
    assert repr(text(["a", "b"])) == "text(['a', 'b'])"


BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


@pytest.mark.parametrize("format", [{}, {"a": "%s"}, {"a": str}])
def test_a_row_is_one_line_whatever_is_in_a_value(format):
    written = line(["a", "b"], {"a": f"x{BREAKS}y", "b": 1}, format=format)
    assert len(written.splitlines()) == 1 and written.endswith("y | b 1\n")
    assert r"x\n\r\x0b\x0c" in written and r"\u2029" in written


def test_a_matrix_is_one_line():
    assert line(["a"], {"a": jnp.eye(2)}) == "a [[1. 0.] [0. 1.]]\n"


def test_a_separator_may_break_the_line():
    assert line(["a", "b"], {"a": 1, "b": 2}, separator="\n") == "a 1\nb 2\n"


def test_formats_are_given_plain_values():
    seen = []
    show = lambda value: seen.append(value) or ""  # noqa: E731
    for value in (jnp.float32(0.5), np.float32(0.5), jnp.array([[0.5]])):
        line(["a"], {"a": value}, format={"a": show})
    assert seen == [0.5] * 3 and {type(value) for value in seen} == {float}


def test_half_a_character_is_written_as_its_escape(tmp_path):
    path = tmp_path / "log"
    Log(["a"], on_flush=[text(["a"], filename=path)]).set(a="x\ud800").flush()
    assert path.read_text(encoding="utf-8") == "a x\\ud800\n"


def test_what_is_written_is_flushed():
    class File(io.StringIO):
        flushed = ""

        def flush(self):
            self.flushed = self.getvalue()

    file = File()
    Log(["a"], on_flush=[text(["a"], file=file)]).set(a=1).flush()
    assert file.flushed == "a 1\n"


def test_what_is_masked_is_not_shown():
    masked = np.ma.array([1.0, 2.0], mask=[False, True])
    assert line(["a", "b"], {"a": masked[1], "b": masked}) == "b [1.0 --]\n"
