"""Ctrl-C returns the last good State; SIGTERM saves and ends the program."""

import os
import signal
import subprocess
import sys
import threading

import jax
import numpy as np
import pytest

import tntjax as tnt
from tntjax.engine._hooks import Scheduled
from tntjax.engine._signals import Signals


@pytest.fixture(autouse=True)
def as_in_a_terminal():
    """A program in the background of a shell is started with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press_at(t, number=signal.SIGINT):
    def hook(state):
        if int(state.t) == t:
            signal.raise_signal(number)

    return hook


def test_ctrl_c_in_an_epoch_returns_the_last_state(problem):
    ended = []
    hooks = tnt.chain(
        tnt.watch(3, press_at(9)),
        tnt.Hooks(on_end=lambda state: ended.append(int(state.t)) or state),
    )
    job = problem.job(max_epoch=5)
    with pytest.warns(RuntimeWarning, match="interrupted in epoch 1, after"):
        state = tnt.SGDEngine(hooks).train(**job, steps_per_call=3)
    assert state.stop
    assert ended == [int(state.t)]
    assert 9 <= int(state.t) <= 13  # it looks while two more calls are made
    assert int(state.position) == int(state.t) - 7

    def stop(state):
        return state.replace(stop=True)

    until = tnt.every(int(state.t), stop)
    expected = tnt.SGDEngine(tnt.chain(tnt.watch(3, print), until)).train(**job)
    np.testing.assert_allclose(
        state.params["weight"], expected.params["weight"], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("event", ["on_start_epoch", "on_end_epoch"])
def test_ctrl_c_between_epochs(problem, event):
    def press(state):
        if int(state.epoch) == 1:
            raise KeyboardInterrupt
        return state

    with pytest.warns(RuntimeWarning, match="interrupted in epoch 1, after 7 updates"):
        state = tnt.SGDEngine(tnt.Hooks(**{event: press})).train(**problem.job())
    assert int(state.t) == 7
    assert np.any(state.params["weight"])


def test_ctrl_c_while_samples_are_read(problem):
    data = problem.data

    def load(index):
        if index == 30:
            raise KeyboardInterrupt
        return jax.tree.map(lambda column: column[index], data)

    batches = tnt.BatchDataset(tnt.ListDataset(range(53), load), 8)
    job = problem.job(iterator=tnt.DatasetIterator(batches))
    with pytest.warns(RuntimeWarning, match="interrupted in epoch 0, after 3 updates"):
        tnt.SGDEngine().train(**job, steps_per_call=1)


def test_ctrl_c_waits_while_the_state_is_half_changed():
    with Signals(terminates=False) as signals:
        done = False
        with pytest.raises(KeyboardInterrupt), signals.held():
            signal.raise_signal(signal.SIGINT)
            done = True
        assert done
        with signals.held():  # it was told once
            pass
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_in_a_call_is_not_hidden():
    with Signals(terminates=False) as signals:
        with pytest.raises(ValueError, match="first"), signals.held():
            signal.raise_signal(signal.SIGINT)
            raise ValueError("first")


def test_handlers_of_others_stay(problem):
    def own(number, frame):
        raise AssertionError

    before = signal.signal(signal.SIGTERM, own)
    try:
        with Signals(terminates=True):
            assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)


def test_training_in_a_thread_leaves_signals_alone(problem):
    states = []

    def train():
        states.append(tnt.SGDEngine().train(**problem.job()))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert int(states[0].t) == 14


def test_sigterm_saves_and_exits(problem):
    saved = []

    def save(state):
        saved.append((int(state.t), int(state.position), np.any(state.params["bias"])))

    late = tnt.watch(4, press_at(4, signal.SIGTERM))
    hooks = tnt.chain(late, tnt.Hooks(scheduled=(Scheduled("save", None, save),)))
    with pytest.raises(SystemExit) as ended:
        tnt.SGDEngine(hooks).train(**problem.job(), steps_per_call=2)
    assert ended.value.code == 143
    assert saved == [(7, 7, True)]  # two calls later
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_saves_come_after_all_others(problem):
    order = []

    def note(name):
        def hook(state):
            order.append((name, int(state.t), int(state.epoch)))
            return state

        return hook

    hooks = tnt.chain(
        tnt.Hooks(scheduled=(Scheduled("save", 5, note("save")),)),
        tnt.every(5, note("every")),
        tnt.watch(5, note("watch")),
        tnt.Hooks(on_end_epoch=note("end")),
    )
    tnt.SGDEngine(hooks).train(**problem.job(max_epoch=1))
    assert order == [
        ("every", 5, 0),
        ("watch", 5, 0),
        ("save", 5, 0),
        ("end", 7, 1),
        ("save", 7, 1),
    ]


SCRIPT = """
import os, signal, sys, threading, time
import numpy as np
import tntjax as tnt

signal.signal(signal.SIGINT, signal.default_int_handler)

def load(index):
    if index == 100:
        print("reading", flush=True)
        time.sleep(600)  # Ctrl-C must not wait for it
    return {"input": np.ones((4, 3), "f4"), "target": np.ones((4, 3), "f4")}

state = tnt.SGDEngine().train(
    network=lambda params, input: input * params,
    criterion=lambda output, target: ((output - target) ** 2).mean(1),
    iterator=tnt.DatasetIterator(tnt.ListDataset(range(200), load)),
    params=np.zeros(3, "f4"), lr=0.1, steps_per_call=10,
)
print("returned", int(state.t), state.params[0] > 0, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends signals to a process")
def test_a_real_ctrl_c_is_heard_at_once():
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "reading\n"
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert output == "returned 100 True\n"
    assert process.returncode == 0
