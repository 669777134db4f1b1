"""A program that is killed between two rows of its log."""

import signal
import subprocess
import sys

PROGRAM = """
import os, signal, sys
import tntjax as tnt

log = tnt.Log(["t", "loss"], on_flush=[eval(sys.argv[1])])
for t in range(3):
    log = log.set(t=t, loss=0.5).flush()
log = log.set(t=3, loss=0.5)
os.kill(os.getpid(), signal.SIGKILL)
"""


def run_killed(view, folder):
    """Runs it in a folder with a view, such as `"tnt.log.text(...)"`."""
    ended = subprocess.run([sys.executable, "-c", PROGRAM, view], cwd=folder)
    assert ended.returncode == -signal.SIGKILL
