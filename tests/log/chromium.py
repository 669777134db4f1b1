"""Drives a headless Chromium over its remote protocol, as a person would use a page."""

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATH = next(filter(None, map(shutil.which, NAMES)), None)

SILENT = 120
"""Seconds after which a browser that says nothing is taken for dead."""

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # which a container's root has none of
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--remote-debugging-pipe",
)


class Page:
    """A page in a browser, with what it asked for and complained about."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers, self._number = commands, answers, 0
        self._rest, self._session, self._loaded = b"", None, False
        self.requests: list[str] = []
        self.complaints: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")

    def look(
        self, width: int = 1280, height: int = 900, dark: bool = False, phone=False
    ) -> None:
        """Sets what the page is seen on."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )
        self._call("Emulation.setTouchEmulationEnabled", enabled=phone)
        wishes = {
            "prefers-color-scheme": "dark" if dark else "light",
            "prefers-reduced-motion": "reduce",  # colours change at once
        }
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        self._call("Emulation.setEmulatedMedia", features=features)

    def open(self, file: Path) -> None:
        """Opens a file, and waits until its scripts have run."""
        self.requests.clear()
        self._loaded = False
        self._call("Page.navigate", url=file.as_uri())
        while not self._loaded:
            self._note(self._receive())
        self.run("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")

    def run(self, script: str) -> Any:
        """Returns the value of an expression; waits for a promise."""
        answer = self._call(
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def mouse(self, kind: str, x: float, y: float, clicks: int = 1) -> None:
        """Moves, presses or releases the mouse: "Moved", "Pressed" or "Released"."""
        button = "none" if kind == "Moved" else "left"
        event = {"x": x, "y": y, "button": button, "clickCount": clicks}
        self._call("Input.dispatchMouseEvent", type=f"mouse{kind}", **event)

    def touch(self, kind: str, *points: tuple[float, float]) -> None:
        """Puts fingers on the screen, or moves them, or takes them away with none."""
        places = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
        self._call("Input.dispatchTouchEvent", type=f"touch{kind}", touchPoints=places)

    def key(self, name: str, text: str = "") -> None:
        """Presses a key and lets it go."""
        self._call("Input.dispatchKeyEvent", type="keyDown", key=name, text=text)
        self._call("Input.dispatchKeyEvent", type="keyUp", key=name)

    def picture(self, file: Path, whole: bool = True) -> None:
        """Writes a PNG of the page."""
        shot = self._call("Page.captureScreenshot", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(shot["data"]))

    def print(self, file: Path) -> None:
        """Writes a PDF of the page."""
        printed = self._call("Page.printToPDF", printBackground=True)
        file.write_bytes(base64.b64decode(printed["data"]))

    def close(self) -> None:
        """Ends the browser."""
        self._session = None
        self._call("Browser.close")

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._number:
            self._note(answer)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            assert select.select([self._answers], [], [], SILENT)[0], "it is silent"
            read = os.read(self._answers, 1 << 20)
            assert read, "the browser has ended"
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        method, told = event.get("method"), event.get("params", {})
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(told["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(json.dumps(told["args"]))
        elif method == "Log.entryAdded":
            self.complaints.append(told["entry"]["text"])


@contextlib.contextmanager
def open_page(folder: Path) -> Iterator[Page]:
    """Starts a browser that keeps its things in a folder, and ends it afterwards."""
    assert PATH is not None
    pipes = [_move(end) for end in (*os.pipe(), *os.pipe())]
    read, commands, answers, write = pipes
    flags = (*FLAGS, f"--user-data-dir={folder / 'profile'}")
    actions = [(os.POSIX_SPAWN_DUP2, read, 3), (os.POSIX_SPAWN_DUP2, write, 4)]
    quiet = (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)
    process = os.posix_spawn(
        PATH, [PATH, *flags], os.environ, file_actions=[*actions, quiet], setpgroup=0
    )
    os.close(read)
    os.close(write)
    try:
        page = Page(commands, answers)
        yield page
        page.close()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(commands)
        os.close(answers)


def _move(end: int) -> int:
    """Moves an open file to a high number: 3 and 4 are those of the browser."""
    moved = fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(end)
    return moved
