"""Downloads: whole or not at all, resumed, verified, many at once."""

import io
import os
import sys
import threading
import time

import numpy as np
import pytest

from tntjax.vision import _download

CONTENT = np.random.default_rng(0).bytes(300_000)


def verify(content):
    if content != CONTENT:
        raise ValueError(f"not it: {len(content)} bytes")


def fetch(folder, *mirrors, limit=400_000):
    return _download.fetch("file", mirrors, folder, verify, limit)


def leave(folder, content, age=1000.0, owner="0"):
    """Writes a part as another process would have left it behind."""
    part = folder / f"file.{owner}.part"
    part.write_bytes(content)
    os.utime(part, (time.time() - age,) * 2)
    return part


def listing(folder):
    return sorted(path.name for path in folder.iterdir())


def not_there(request):
    request.send_error(404)


def test_a_good_file_is_all_that_is_left(tmp_path, server, serve):
    path = fetch(tmp_path / "new/folder", server.mirror("good", serve(CONTENT)))
    assert path == tmp_path / "new/folder/file"
    assert path.read_bytes() == CONTENT
    assert listing(path.parent) == ["file"]


def test_a_mirror_without_the_file_gives_way_to_the_next(tmp_path, server, serve):
    mirrors = server.mirror("none", not_there), server.mirror("good", serve(CONTENT))
    assert fetch(tmp_path, *mirrors).read_bytes() == CONTENT
    assert server.asked == [("none", None), ("good", None)]


def test_wrong_content_gives_way_to_the_next(tmp_path, server, serve):
    wrong = server.mirror("wrong", serve(b"<html>pay for the wifi</html>"))
    good = server.mirror("good", serve(CONTENT))
    assert fetch(tmp_path, wrong, good).read_bytes() == CONTENT
    assert server.asked == [("wrong", None), ("good", None)]


def test_wrong_content_is_never_taken_and_not_kept(tmp_path, server, serve):
    with pytest.raises(FileNotFoundError, match="wrong/file: not it: 9 bytes"):
        fetch(tmp_path, server.mirror("wrong", serve(b"different")))
    assert listing(tmp_path) == []


def test_a_broken_connection_is_told_and_keeps_its_part(tmp_path, server, serve):
    broken = server.mirror("broken", serve(CONTENT, most=100_000))
    with pytest.raises(FileNotFoundError, match="broke after 100000 of 300000 bytes"):
        fetch(tmp_path, broken)
    (part,) = tmp_path.iterdir()
    assert part.suffix == ".part" and part.read_bytes() == CONTENT[:100_000]


def test_the_next_mirror_goes_on_where_one_broke(tmp_path, server, serve):
    broken = server.mirror("broken", serve(CONTENT, most=100_000))
    good = server.mirror("good", serve(CONTENT))
    assert fetch(tmp_path, broken, good).read_bytes() == CONTENT
    assert server.asked == [("broken", None), ("good", "bytes=100000-")]


def test_the_next_download_goes_on_at_once(tmp_path, server, serve):
    with pytest.raises(FileNotFoundError):
        fetch(tmp_path, server.mirror("one", serve(CONTENT, most=100_000)))
    fetch(tmp_path, server.mirror("one", serve(CONTENT)))
    assert server.asked == [("one", None), ("one", "bytes=100000-")]
    assert listing(tmp_path) == ["file"]


def test_an_interrupt_keeps_the_part(tmp_path, server, serve, monkeypatch):
    def interrupt(size, total):
        raise KeyboardInterrupt

    monkeypatch.setattr(_download, "_progress", lambda url: interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path, server.mirror("one", serve(CONTENT)))
    monkeypatch.undo()
    (part,) = tmp_path.iterdir()
    size = part.stat().st_size
    assert 0 < size < len(CONTENT)
    assert fetch(tmp_path, server.mirror("one", serve(CONTENT))).exists()
    assert server.asked[-1] == ("one", f"bytes={size}-")


def test_a_server_without_ranges_starts_again(tmp_path, server, serve):
    leave(tmp_path, CONTENT[:5])
    good = server.mirror("good", serve(CONTENT, ranges=False))
    assert fetch(tmp_path, good).read_bytes() == CONTENT
    assert server.asked == [("good", "bytes=5-")]


def test_a_part_that_lacks_nothing_is_taken(tmp_path, server, serve):
    leave(tmp_path, CONTENT)
    good = server.mirror("good", serve(CONTENT))
    assert fetch(tmp_path, good).read_bytes() == CONTENT
    assert server.asked == [("good", "bytes=300000-")]


@pytest.mark.parametrize("size", [10, 300_000])
def test_a_rotten_part_is_thrown_away(tmp_path, server, serve, size):
    leave(tmp_path, b"x" * size)
    good = server.mirror("good", serve(CONTENT))
    assert fetch(tmp_path, good).read_bytes() == CONTENT
    assert server.asked == [("good", f"bytes={size}-"), ("good", None)]


def test_the_part_of_a_running_download_is_let_alone(tmp_path, server, serve):
    part = leave(tmp_path, b"x", age=1)
    fetch(tmp_path, server.mirror("good", serve(CONTENT)))
    assert server.asked == [("good", None)]
    assert part.read_bytes() == b"x"


def test_of_many_parts_left_behind_none_stays(tmp_path, server, serve):
    leave(tmp_path, CONTENT[:5], owner="0")
    leave(tmp_path, CONTENT[:9], owner="1")
    fetch(tmp_path, server.mirror("good", serve(CONTENT)))
    assert server.asked == [("good", "bytes=5-")]
    assert listing(tmp_path) == ["file"]


def test_a_file_without_a_length_is_read_to_its_end(tmp_path, server, serve):
    good = server.mirror("good", serve(CONTENT, length=False))
    assert fetch(tmp_path, good).read_bytes() == CONTENT


def test_a_file_without_end_is_cut_off(tmp_path, server, serve):
    endless = server.mirror("endless", serve(CONTENT, length=False))
    with pytest.raises(FileNotFoundError, match="it has more than 200000 bytes"):
        fetch(tmp_path, endless, limit=200_000)
    assert listing(tmp_path) == []


def test_a_silent_mirror_is_given_up(tmp_path, server, serve, monkeypatch):
    done = threading.Event()
    monkeypatch.setattr(_download, "TIMEOUT", 0.1)
    silent = server.mirror("silent", lambda request: done.wait(600))
    good = server.mirror("good", serve(CONTENT))
    try:
        with pytest.raises(FileNotFoundError, match="silent/file: timed out"):
            fetch(tmp_path, silent)
        assert fetch(tmp_path, silent, good).read_bytes() == CONTENT
    finally:
        done.set()


def test_a_mirror_that_speaks_no_http_is_given_up(tmp_path, server):
    strange = server.mirror("strange", lambda r: r.wfile.write(b"no http\r\n"))
    with pytest.raises(FileNotFoundError, match="strange/file: no http"):
        fetch(tmp_path, strange)


def test_every_mirror_has_its_line_in_order(tmp_path, server):
    none, port = server.mirror("none", not_there), server.http.server_port
    closed = "http://127.0.0.1:1/"
    with pytest.raises(FileNotFoundError) as caught:
        fetch(tmp_path, none, closed)
    first, second = str(caught.value).splitlines()
    assert first == f"http://127.0.0.1:{port}/none/file: HTTP Error 404: Not Found"
    assert second.startswith("http://127.0.0.1:1/file: [Errno ")
    assert listing(tmp_path) == []


def test_an_error_without_a_text_has_its_name():
    assert _download._explain(TimeoutError()) == "TimeoutError"


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="taken cannot be written to: "):
        fetch(tmp_path / "taken")


def test_who_comes_second_takes_the_file_of_the_first(tmp_path, server):
    def faster(request):
        (tmp_path / "file").write_bytes(CONTENT)
        request.send_error(503)

    slow, never = server.mirror("slow", faster), server.mirror("never", not_there)
    assert fetch(tmp_path, slow, never) == tmp_path / "file"
    assert server.asked == [("slow", None)]
    assert listing(tmp_path) == ["file"]


def test_many_at_once(tmp_path, server, serve):
    together = threading.Barrier(4)

    def wait(request):
        together.wait(600)
        serve(CONTENT)(request)

    mirror, paths = server.mirror("good", wait), []
    threads = [
        threading.Thread(target=lambda: paths.append(fetch(tmp_path, mirror)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == [tmp_path / "file"] * 4
    assert paths[0].read_bytes() == CONTENT
    assert listing(tmp_path) == ["file"]


def test_at_no_time_is_there_half_a_file(tmp_path, server, serve):
    def sizes():
        return [path.stat().st_size for path in tmp_path.glob("file")]

    def slowly(request):
        request.send_response(200)
        request.end_headers()
        for start in range(0, len(CONTENT), 50_000):
            request.wfile.write(CONTENT[start : start + 50_000])
            time.sleep(0.01)

    mirror, seen = server.mirror("slow", slowly), []
    thread = threading.Thread(target=fetch, args=(tmp_path, mirror))
    thread.start()
    while thread.is_alive():
        seen += sizes()
    assert set(seen + sizes()) == {300_000}


def test_progress_in_a_file_is_a_few_lines(tmp_path, server, serve, capsys):
    mirror = server.mirror("good", serve(CONTENT))
    fetch(tmp_path, mirror)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == "" and 1 <= len(lines) <= 4
    assert lines[-1] == f"tntjax: {mirror}file 300 of 300 kB"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_on_a_terminal_is_one_line(tmp_path, server, serve, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    fetch(tmp_path, server.mirror("good", serve(CONTENT)))
    text = sys.stderr.getvalue()
    assert text.startswith("\r") and text.count("\n") == 1 and text[-1] == "\n"


def test_a_program_without_stderr_may_download(tmp_path, server, serve, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert fetch(tmp_path, server.mirror("good", serve(CONTENT))).exists()
