"""Runs the examples in a short form and writes a page for each, with what it printed.

The docs build does it (`docs/conf.py`): all examples whose packages are installed are
run, with `-D gallery=mnist,sweep` those, with `-D gallery=` none. Each runs in a folder
of its own, on the digits that come with the package.
"""

import ast
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"

SHORT = {
    "cifar10_resnet": ("--epochs=2", "--width=8", "--blocks=1"),
    "contrastive": ("--epochs=4",),
    "ctc_digits": ("--epochs=10", "--strings=200"),
    "data_parallel": ("--devices=2", "--epochs=1"),
    "equinox_mlp": ("--epochs=2", "--lr=0.01"),
    "fashion_mnist_cnn": ("--epochs=2", "--features=4"),
    "fine_tune": ("--epochs=2",),
    "gan": ("--epochs=4", "--noise=8"),
    "image_folder": ("--epochs=3",),
    "language_model": ("--updates=200", "--epoch=100", "--width=64"),
    "mnist": (),
    "policy": ("--epochs=8", "--steps=100"),
    "resume": ("--epochs=2",),
    "spoken_digits": ("--epochs=4",),
    "sweep": ("--members=8", "--epochs=1"),
    "translation": ("--pairs=800", "--pieces=400", "--width=32", "--epochs=3"),
    "tree_lstm": ("--epochs=4",),
    "vae": ("--epochs=3",),
}
"""For each example the arguments that make it short."""

NEEDS = {
    "cifar10_resnet": "flax",
    "equinox_mlp": "equinox",
    "fashion_mnist_cnn": "flax",
    "image_folder": "PIL",
    "resume": "orbax",
    "spoken_digits": "soundfile",
    "translation": "sentencepiece",
}
"""What an example needs beyond the core."""

OFFLINE = """
import runpy, sys
import tntjax as tnt

def mnist(*_, **__):
    raise FileNotFoundError("this is to run on the digits inside")

tnt.vision.mnist = mnist
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(name: str) -> tuple[str, float]:
    """Runs an example; returns what it printed and how many seconds it took."""
    command = [
        sys.executable,
        "-c",
        OFFLINE,
        str(EXAMPLES / f"{name}.py"),
        *SHORT[name],
    ]
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    settings = {"JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(paths)}
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | settings,
            capture_output=True,
            text=True,
        )
    if ended.returncode:
        raise RuntimeError(f"examples/{name}.py failed:\n{ended.stderr}")
    return ended.stdout, time.perf_counter() - start


def is_to_be_run(name: str, wanted: str) -> bool:
    """True if an example is wanted and what it needs is installed."""
    installed = name not in NEEDS or importlib.util.find_spec(NEEDS[name])
    return bool(installed) and (wanted == "all" or name in wanted.split(","))


def page(name: str, wanted: str) -> str:
    """Writes the page of an example as Markdown."""
    code = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    shown = "It was not run when this page was made.\n"
    if is_to_be_run(name, wanted):
        printed, seconds = run(name)
        command = " ".join([f"python examples/{name}.py", *SHORT[name]])
        machine = f"{os.cpu_count()} CPU cores"
        shown = (
            f"On data of packages it took {seconds:.0f} s on {machine}, start and"
            " compilation included:\n\n"
            f"```sh\n{command}\n```\n\n```text\n{printed}```\n"
        )
    text = ast.get_docstring(ast.parse(code)) or ""
    title = re.split(r"[:.](?:\s|$)", text)[0]
    return f"# {name}.py: {title}\n\n{text}\n\n{shown}\n```python\n{code}```\n"


def make_pages(folder: Path, wanted: str) -> None:
    """Writes the pages of all examples into a folder."""
    folder.mkdir(exist_ok=True)
    for name in SHORT:
        (folder / f"{name}.md").write_text(page(name, wanted), encoding="utf-8")


def setup(app):
    """Makes the pages before Sphinx looks for pages."""
    app.add_config_value("gallery", "all", "")
    folder = Path(app.srcdir) / "gallery"
    app.connect("builder-inited", lambda app: make_pages(folder, app.config.gallery))
