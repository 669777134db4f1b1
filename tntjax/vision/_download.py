"""Fetching a file so that what lies at its name is always whole.

A download goes to a `NAME.<random>.part` of its own, is verified there and then takes
its name in one step. A part that is left behind is continued by the next download: one
that failed has the time 1970, and one that was killed is not written any more.
"""

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

TIMEOUT = 20.0
"""Seconds that a mirror may be silent."""

ABANDONED = 300.0
"""Seconds without a write after which a part is nobody's; well above `TIMEOUT`."""

BLOCK = 1 << 16


def fetch(
    name: str,
    mirrors: Sequence[str],
    folder: Path,
    verify: Callable[[bytes], None],
    limit: int,
) -> Path:
    """Downloads `name` from the first mirror that has it whole, and returns its path.

    `verify` raises a ValueError for wrong content, `limit` is the most bytes to take.
    The FileNotFoundError, if no mirror had it, has a line with the reason of each.
    """
    target = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = _claim(target)
    except OSError as error:
        raise FileNotFoundError(f"{folder} cannot be written to: {error}") from error
    import http.client  # slow to import, and most programs find their files

    reasons = []
    try:
        for mirror in mirrors:
            if target.is_file():  # another process was faster, and verified it
                return target
            try:
                _attempt(mirror + name, part, target, verify, limit)
                return target
            except (OSError, http.client.HTTPException, ValueError) as error:
                reasons.append(f"{mirror}{name}: {_explain(error)}")
    finally:  # a part that is worth it is left to whoever comes next
        with contextlib.suppress(OSError):
            os.utime(part, (0, 0)) if part.stat().st_size else part.unlink()
    raise FileNotFoundError("\n".join(reasons) or "no mirror is known")


def _attempt(
    url: str, part: Path, target: Path, verify: Callable[[bytes], None], limit: int
) -> None:
    """Downloads from one mirror, verifies, and gives the file its name."""
    resumed = _stream(url, part, limit)
    try:
        verify(part.read_bytes())
    except ValueError:
        os.truncate(part, 0)
        if not resumed:
            raise
        # What was there before may be to blame: once more, with nothing to resume.
        return _attempt(url, part, target, verify, limit)
    os.replace(part, target)


def _stream(url: str, part: Path, limit: int) -> bool:
    """Appends to `part` what it lacks. Returns whether anything was there before."""
    import urllib.error
    import urllib.request

    start = part.stat().st_size
    ranges = {"Range": f"bytes={start}-"} if start else {}
    headers = {"User-Agent": "tntjax", **ranges}
    os.utime(part)  # a slow mirror must not make it look abandoned
    request = urllib.request.Request(url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            if start and error.code == 416:  # there is nothing after `start`
                return True
            raise
    with response, open(part, "ab", buffering=0) as file:
        if response.status != 206:  # the server sends the whole file whatever we ask
            start = 0
        file.truncate(start)
        size = start
        length = response.headers["Content-Length"]
        total = start + int(length) if length else None
        show = _progress(url)
        while block := response.read1(BLOCK):
            file.write(block)
            size += len(block)
            show(size, total)
            if size > limit:
                file.truncate(0)
                raise ValueError(f"it has more than {limit} bytes")
        os.fsync(file.fileno())
    if total is not None and size < total:
        raise ConnectionError(f"the connection broke after {size} of {total} bytes")
    return start > 0


def _claim(target: Path) -> Path:
    """Makes a part for this download, from one that was left behind if there is one."""
    mine = target.with_name(f"{target.name}.{secrets.token_hex(8)}.part")
    for part in sorted(target.parent.glob(f"{target.name}.*.part")):
        with contextlib.suppress(OSError):  # another process took it
            if time.time() - part.stat().st_mtime < ABANDONED:
                continue
            if mine.exists():
                part.unlink()
            else:
                # First the time, so that nobody sees the new name with the old age.
                os.utime(part)
                part.rename(mine)
    mine.touch()
    return mine


def _progress(url: str) -> Callable[[int, int | None], None]:
    """Returns `show(size, total)`: a live line on a terminal, else four lines."""
    stream = sys.stderr
    live = stream is not None and stream.isatty()
    shown = 0

    def show(size: int, total: int | None) -> None:
        nonlocal shown
        parts = 100 if live else 4
        step = parts * size // total if total else 0
        if stream is None or step <= shown:
            return
        shown = step
        text = f"tntjax: {url} {size // 1000:,} of {(total or 0) // 1000:,} kB"
        stream.write(f"\r{text}" + "\n" * (step == parts) if live else f"{text}\n")
        stream.flush()

    return show


def _explain(error: Exception) -> str:
    """Explains in few words; urllib hides the reason of an error in another."""
    import urllib.error

    # An HTTPError is one too, but says itself what its reason leaves out: the code.
    reason = error.reason if type(error) is urllib.error.URLError else error
    return str(reason) or type(error).__name__
