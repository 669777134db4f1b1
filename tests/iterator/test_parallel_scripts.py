"""How a whole program ends that has workers: no hang, no orphan, no noise."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 600  # seconds; far more than any of this takes on the slowest machine

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups")

READS = """
import time
import tntjax as tnt
from tests.iterator import parallel_cases as cases

def read(backend, num_workers=1):
    iterator = tnt.ParallelDatasetIterator(cases.sleeping, num_workers, backend=backend)
    run = iterator.run()
    assert next(run) == 0
    return run
"""


@pytest.fixture
def start(tmp_path):
    """Starts a script in a process group of its own, which must be empty in the end."""
    started = []

    def begin(script):
        file = tmp_path / "script.py"
        file.write_text(script)
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        process = subprocess.Popen(
            [sys.executable, str(file)],
            env=os.environ | {"PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()
        if is_there(process):
            os.killpg(process.pid, signal.SIGKILL)


def is_there(process):
    """Says whether any of its group runs, but not those that wait to be reaped."""
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    files = list(Path("/proc").glob("[0-9]*/stat"))
    return not files or any(runs(file, process.pid) for file in files)


def runs(file, group):
    try:
        state, _, its_group = file.read_text().rpartition(")")[2].split()[:3]
    except OSError:  # it ended just now
        return False
    return state != "Z" and int(its_group) == group


def end_of(process):
    """Waits for a program and all that it started."""
    output, errors = process.communicate(timeout=PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while is_there(process):
        assert time.monotonic() < deadline, "a process is left"
        time.sleep(0.02)
    return process.returncode, output, errors


@pytest.mark.slow
def test_the_interpreter_ends_with_runs_under_way(start):
    script = READS + "if __name__ == '__main__': a, b = read('thread'), read('process')"
    assert end_of(start(script)) == (0, "", "")


def test_an_error_ends_the_program(start):
    script = READS + (
        "if __name__ == '__main__':\n"
        "    a, b = read('thread'), read('process')\n"
        "    1 / 0"
    )
    code, output, errors = end_of(start(script))
    assert (code, output) == (1, "")
    assert errors.count("Traceback") == 1
    assert errors.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["thread", "process"])
def test_ctrl_c(start, backend):
    script = READS + (
        f"if __name__ == '__main__':\n    run = read('{backend}', 2)\n"
        "    print('reads', flush=True)\n    for _ in run: pass"
    )
    process = start(script)
    assert process.stdout.readline() == "reads\n"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    code, output, errors = end_of(process)
    assert (code, output) == (-signal.SIGINT, "")
    assert errors.count("Traceback") == 1
    assert errors.endswith("KeyboardInterrupt\n")


@pytest.mark.slow
def test_ctrl_c_when_the_workers_have_nothing_to_do(start):
    script = READS + (
        "if __name__ == '__main__':\n"
        "    it = tnt.ParallelDatasetIterator([1, 2], 2, backend='process')\n"
        "    print(list(it), flush=True)\n    time.sleep(60)\n"
    )
    process = start(script)
    assert process.stdout.readline() == "[1, 2]\n"
    os.killpg(process.pid, signal.SIGINT)
    code, _, errors = end_of(process)
    assert code == -signal.SIGINT
    assert errors.count("Traceback") == 1


@pytest.mark.slow
@pytest.mark.parametrize(("num_workers", "seconds"), [(1, 0.1), (4, 0.0)])
def test_ctrl_c_while_the_workers_start(start, num_workers, seconds):
    script = READS + (
        "import threading, multiprocessing as mp, os, signal\n"
        "import jax.numpy as jnp\n"
        "def interrupt():\n"
        "    while not mp.active_children(): time.sleep(0.001)\n"
        f"    time.sleep({seconds})\n"
        "    os.killpg(0, signal.SIGINT)\n"
        "if __name__ == '__main__':\n"
        "    jnp.ones((300, 300)).block_until_ready()  # has threads of its own\n"
        "    threading.Thread(target=interrupt).start()\n"
        f"    read('process', {num_workers})\n"
    )
    code, output, errors = end_of(start(script))
    assert (code, output) == (-signal.SIGINT, "")
    assert errors.count("Traceback") == 1
    assert errors.endswith("KeyboardInterrupt\n")


@pytest.mark.slow
def test_workers_end_when_their_consumer_is_killed(start):
    script = READS + (
        "if __name__ == '__main__':\n    run = read('process')\n"
        "    print('reads', flush=True)\n    for _ in run: pass"
    )
    process = start(script)
    assert process.stdout.readline() == "reads\n"
    process.kill()
    code, _, errors = end_of(process)
    assert (code, errors) == (-signal.SIGKILL, "")


LONG = (
    READS
    + """
import multiprocessing, multiprocessing.process, os, signal, threading

if __name__ == '__main__':
    long = tnt.ListDataset([0, 600, 600], time.sleep)
    iterator = tnt.ParallelDatasetIterator(long, 2, backend='process')
    run = iterator.run()
    next(run)
"""
)


@pytest.mark.slow
def test_workers_that_are_long_at_it_end_when_their_consumer_is_killed(start):
    process = start(LONG + "    print('reads', flush=True)\n    time.sleep(60)\n")
    assert process.stdout.readline() == "reads\n"
    process.kill()
    code, _, errors = end_of(process)
    assert (code, errors) == (-signal.SIGKILL, "")


@pytest.mark.slow
def test_a_second_ctrl_c_leaves_no_worker(start):
    script = LONG + (
        "    ending = threading.Event()\n"
        "    join = multiprocessing.process.BaseProcess.join\n"
        "    def joins(process, timeout=None):\n"
        "        ending.set()\n"
        "        join(process, timeout)\n"
        "    multiprocessing.process.BaseProcess.join = joins\n"
        "    def twice():\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        ending.wait()\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    try:\n"
        "        with iterator:\n"
        "            threading.Thread(target=twice).start()\n"
        "            list(run)\n"
        "    except KeyboardInterrupt:\n"
        "        print(len(multiprocessing.active_children()))\n"
    )
    assert end_of(start(script)) == (0, "0\n", "")


@pytest.mark.slow
def test_a_script_without_guard_is_told_what_to_do(start):
    code, _, errors = end_of(start(READS + "read('process')"))
    assert code == 1
    last = errors.rstrip().splitlines()[-1]
    assert "ended with exit code 1 before it was ready" in last
    assert "belongs under `if __name__ == '__main__':`" in last


@pytest.mark.slow
def test_functions_of_a_script_are_found(start):
    script = READS + (
        "def closure(worker):\n    return [worker, 7]\n"
        "if __name__ == '__main__':\n"
        "    it = tnt.ParallelDatasetIterator(closure, 1, backend='process')\n"
        "    print(list(it), it.exec('count', 7))\n"
    )
    assert end_of(start(script)) == (0, "[0, 7] [1]\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["thread", "process"])
@pytest.mark.parametrize("end", ["", "1 / 0", "os.kill(os.getpid(), signal.SIGINT)"])
def test_the_interpreter_ends_while_a_daemon_thread_reads(start, backend, end):
    script = READS + (
        "import os, signal, threading\n"
        "going = threading.Event()\n"
        "def read_on():\n"
        f"    backend = '{backend}'\n"
        "    it = tnt.ParallelDatasetIterator(cases.sleeping, 1, backend=backend)\n"
        "    while True:\n"
        "        for number in it.run():\n"
        "            if number == 3:\n"
        "                going.set()\n"
        "                break\n"
        "if __name__ == '__main__':\n"
        "    threading.Thread(target=read_on, daemon=True).start()\n"
        "    going.wait()\n"
        f"    {end}\n"
    )
    _, output, errors = end_of(start(script))
    assert output == ""
    assert errors.count("Traceback") == bool(end)
    assert "Exception ignored" not in errors


@pytest.mark.slow
def test_a_run_that_outlives_all_else_ends_in_silence(start):
    script = READS + (
        "import sys\n"
        "class Cycle: pass\n"
        "if __name__ == '__main__':\n"
        "    cycle = Cycle()\n"
        "    cycle.runs = [read('thread'), read('process')]\n"
        "    cycle.itself = sys.kept = cycle\n"
    )
    assert end_of(start(script)) == (0, "", "")


@pytest.mark.slow
def test_a_program_from_stdin_has_workers_and_needs_no_guard(start):
    script = (
        "import subprocess, sys\n"
        "program = '''import tntjax as tnt\n"
        'with tnt.ParallelDatasetIterator([1, 2], 1, backend="process") as iterator:\n'
        "    print(list(iterator), __file__)'''\n"
        "subprocess.run([sys.executable, '-'], input=program, text=True, check=True)\n"
    )
    assert end_of(start(script)) == (0, "[1, 2] <stdin>\n", "")


@pytest.mark.slow
def test_where_ctrl_c_is_ignored_workers_and_what_they_run_ignore_it_too(start):
    script = READS + (
        "import signal, subprocess, sys\n"
        "SEE = 'from signal import *; print(getsignal(SIGINT) is SIG_IGN)'\n"
        "def load(item):\n"
        "    found = subprocess.run([sys.executable, '-c', SEE], capture_output=True)\n"
        "    return found.stdout.decode(), signal.getsignal(signal.SIGINT)\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "    dataset = tnt.ListDataset([0], load)\n"
        "    with tnt.ParallelDatasetIterator(dataset, 1, backend='process') as it:\n"
        "        print(list(it) == [('True\\n', signal.SIG_IGN)])\n"
        "    print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)\n"
    )
    assert end_of(start(script)) == (0, "True\nTrue\n", "")
