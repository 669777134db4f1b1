import io
import re

import pytest

from tntjax.log import Log, status


def test_messages_are_written_at_once_and_other_values_are_not(capsys):
    log = Log(["loss"], on_set=[status()])
    log = log.status("begin", time=False).set(loss=0.5).status("end", time=False)
    assert capsys.readouterr().out == "| begin\n| end\n"
    log.status("now")
    assert re.fullmatch(
        r"\| \d{4}-\d\d-\d\d [\d:]{8} \| now\n", capsys.readouterr().out
    )


def test_a_message_is_one_line_of_a_file(tmp_path):
    path = tmp_path / "log"
    path.write_text("old\n")
    log = Log([], on_set=[status(filename=path, append=True)])
    log.status("two\nlines", time=False)
    assert path.read_text() == "old\n| two\\nlines\n"


def test_files_are_checked():
    with pytest.raises(ValueError, match="status needs file or filename, got both"):
        status(io.StringIO(), "log")
    assert repr(status()) == "status()"
