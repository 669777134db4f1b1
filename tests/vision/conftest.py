"""A machine with no data and no mirrors, small MNISTs, and a server on the loopback."""

import gzip
import hashlib
import http.server
import threading
from pathlib import Path

import numpy as np
import pytest

from tntjax.vision import _mnist_files as files


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.tobytes()


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """Keeps a test off this machine's data, and off the network."""
    monkeypatch.delenv("TNTJAX_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(files, "SYSTEM", (tmp_path / "system",))
    for name, variant in files.VARIANTS.items():
        monkeypatch.setitem(files.VARIANTS, name, variant._replace(mirrors=()))


class Digits:
    """MNIST with 6 training and 4 test digits, written in whatever way users have."""

    def __init__(self, seed=0):
        random = np.random.default_rng(seed)
        self.arrays = {}
        for split, size in {"train": 6, "test": 4}.items():
            images, labels = files.names(split)
            self.arrays[images] = random.integers(0, 256, (size, 28, 28), np.uint8)
            self.arrays[labels] = random.integers(0, 10, size, np.uint8)

    def payload(self, name):
        return idx(self.arrays[name])

    def write(self, folder, spell="{}", pack=bytes, names=None):
        folder = Path(folder)
        for name in names or self.arrays:
            path = folder / spell.format(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(pack(self.payload(name)))
        return folder

    def write_archive(self, folder, **changes):
        arrays = {}
        for split in files.SIZES:
            arrays[f"x_{split}"] = self.images(split)
            arrays[f"y_{split}"] = self.labels(split)
        np.savez_compressed(Path(folder) / "mnist.npz", **(arrays | changes))
        return Path(folder)

    def equal(self, dataset, split):
        return np.array_equal(dataset.data["input"], self.images(split)) and (
            np.array_equal(dataset.data["target"], self.labels(split))
        )

    def images(self, split):
        return self.arrays[files.names(split)[0]]

    def labels(self, split):
        return self.arrays[files.names(split)[1]]

    def sums(self):
        return {n: hashlib.sha256(self.payload(n)).hexdigest() for n in self.arrays}


@pytest.fixture
def digits(monkeypatch):
    """A small MNIST: `files` takes its sizes and sums for those of the real one."""
    digits = Digits()
    monkeypatch.setattr(files, "SIZES", {"train": 6, "test": 4})
    mnist = files.VARIANTS["mnist"]._replace(sums=digits.sums())
    monkeypatch.setitem(files.VARIANTS, "mnist", mnist)
    return digits


@pytest.fixture
def clothes(monkeypatch, digits):
    """A small Fashion-MNIST, in files of the same names as `digits`."""
    clothes = Digits(seed=1)
    fashion = files.VARIANTS["fashion"]._replace(sums=clothes.sums())
    monkeypatch.setitem(files.VARIANTS, "fashion", fashion)
    return clothes


class Server:
    """Answers `/NAME/...` with `answers[NAME](request)` and keeps what it was asked."""

    def __init__(self):
        self.answers = {}
        self.asked = []  # (name, the Range header)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.split("/")[1]
                outer.asked.append((name, self.headers["Range"]))
                outer.answers[name](self)

            def log_message(self, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    def mirror(self, name, answer):
        """Adds a mirror and returns its URL."""
        self.answers[name] = answer
        return f"http://127.0.0.1:{self.http.server_port}/{name}/"

    def close(self):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


def serve(content, most=None, ranges=True, length=True):
    """An answer: `content`, whole or broken off after `most` bytes."""

    def answer(request):
        wanted = request.headers["Range"] if ranges else None
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if start and start >= len(content):
            return request.send_error(416)
        request.send_response(206 if start else 200)
        if length:
            request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        request.wfile.write(content[start:][:most])

    return answer


@pytest.fixture(name="serve")
def serve_fixture():
    return serve


@pytest.fixture
def online(monkeypatch, server, digits):
    """A mirror with the files of `digits`, gzipped."""

    def answer(request):
        name = request.path.rsplit("/", 1)[-1].removesuffix(".gz")
        serve(gzip.compress(digits.payload(name)))(request)

    mirrors = (server.mirror("whole", answer),)
    mnist = files.VARIANTS["mnist"]._replace(mirrors=mirrors)
    monkeypatch.setitem(files.VARIANTS, "mnist", mnist)
    return server
