"""Ctrl-C carries the last good State; SIGTERM saves and ends the program."""

import os
import signal
import subprocess
import sys
import threading

import jax
import numpy as np
import pytest

import tntjax as tnt
from tntjax.engine import _signals
from tntjax.engine._around import Session
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


def stopped_by(hooks, job, error=KeyboardInterrupt, **how):
    """The State that the error of a run carries."""
    with pytest.raises(error) as caught:
        tnt.SGDEngine(hooks).train(**job, **how)
    assert isinstance(caught.value.state, tnt.State)
    return caught.value.state


@pytest.mark.slow
def test_ctrl_c_in_an_epoch_carries_the_last_state(problem):
    ended = []
    hooks = tnt.chain(
        tnt.watch(3, press_at(9)),
        tnt.Hooks(on_end=lambda state: ended.append(int(state.t)) or state),
    )
    job = problem.job(max_epoch=5)
    state = stopped_by(hooks, job, steps_per_call=3)
    assert not state.stop
    assert ended == []
    assert 9 <= state.t <= 13  # it looks while two more calls are made
    assert state.position == state.t - 7

    until = tnt.every(state.t, lambda state: state.replace(stop=True))
    expected = tnt.SGDEngine(tnt.chain(tnt.watch(3, print), until)).train(**job)
    np.testing.assert_allclose(
        state.params["weight"], expected.params["weight"], rtol=1e-5, atol=1e-6
    )


def test_what_watches_hold_is_shown(problem):
    seen, states = [], []
    hooks = tnt.chain(
        tnt.watch(1, lambda state: seen.append(state.t)),
        tnt.watch(1, press_at(9)),
        tnt.watch(1, lambda state: states.append(state.t)),
    )
    state = stopped_by(hooks, problem.job(max_epoch=5), steps_per_call=1)
    assert seen == states == [*range(1, state.t + 1)]


@pytest.mark.parametrize(
    ("event", "position"), [("on_start_epoch", 0), ("on_end_epoch", 7)]
)
def test_ctrl_c_between_epochs(problem, event, position):
    """The hooks that were broken off are fired again when the run goes on."""

    def press(state):
        if state.t == 7:
            raise KeyboardInterrupt
        return state

    state = stopped_by(tnt.Hooks(**{event: press}), problem.job())
    assert (state.t, state.position) == (7, position)
    assert state.epoch == (1 if event == "on_start_epoch" else 0)
    assert np.any(state.params["weight"])


def test_ctrl_c_while_samples_are_read(problem):
    data = problem.data

    def load(index):
        if index == 30:
            raise KeyboardInterrupt
        return jax.tree.map(lambda column: column[index], data)

    batches = tnt.BatchDataset(tnt.ListDataset(range(53), load), 8)
    job = problem.job(iterator=tnt.DatasetIterator(batches))
    state = stopped_by(tnt.Hooks(), job, steps_per_call=1)
    assert (state.t, state.position, state.epoch) == (3, 3, 0)


def test_ctrl_c_breaks_a_hook_off_at_once(problem):
    def press(state):
        signal.raise_signal(signal.SIGINT)
        raise AssertionError

    state = stopped_by(tnt.every(3, press), problem.job(), steps_per_call=1)
    assert state.t == 3


def test_ctrl_c_ends_outer_runs_too(problem):
    """What is caught outside has the State of the outer run."""
    inner = tnt.SGDEngine(tnt.every(2, press_at(2)))
    after = []

    def train(state):
        inner.train(**problem.job(), steps_per_call=1)
        return after.append(state)

    state = stopped_by(tnt.every(5, train), problem.job(), steps_per_call=1)
    assert state.t == 5
    assert after == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_in_a_test_carries_what_was_measured(problem):
    def load(index):
        if index == 5:
            raise KeyboardInterrupt
        return jax.tree.map(lambda column: column[8 * index : 8 * index + 8], data)

    data, job = problem.data, problem.job()
    del job["lr"], job["max_epoch"]
    iterator = tnt.DatasetIterator(tnt.ListDataset(range(7), load))
    with pytest.raises(KeyboardInterrupt) as caught:
        tnt.SGDEngine().test(**{**job, "iterator": iterator}, steps_per_call=2)
    assert (caught.value.state.t, caught.value.state.samples) == (4, 32)
    assert "after 4 batches" in caught.value.__notes__[0]


def saving(function, every=4):
    return tnt.Hooks(sessions=(Session(save=function, every=every),))


def test_ctrl_c_saves_once(problem):
    saved = []
    save = saving(lambda state: saved.append((state.t, state.epoch, state.stop)))
    hooks = tnt.chain(save, tnt.watch(1, press_at(9)))
    state = stopped_by(hooks, problem.job(), steps_per_call=1)
    assert saved == [(4, 0, False), (7, 1, False), (8, 1, False), (state.t, 1, False)]
    assert state.t > 9


@pytest.mark.slow
def test_nothing_is_saved_twice_or_before_the_start(problem):
    saved = []
    save = saving(lambda state: saved.append(state.t))

    def press(state):
        raise KeyboardInterrupt

    for event in ("on_start", "on_start_epoch"):
        stopped_by(tnt.chain(save, tnt.Hooks(**{event: press})), problem.job())
    assert saved == []
    late = tnt.Hooks(on_start_epoch=lambda s: press(s) if s.epoch else s)
    stopped_by(tnt.chain(save, late), problem.job())
    assert saved == [4, 7]


def test_a_run_that_is_saved_ends_its_hooks_first(problem):
    order = []

    def hook(state):
        signal.raise_signal(signal.SIGINT)
        order.append("all of the hook")
        return state

    def later(state):
        order.append("the next")
        return state

    hooks = tnt.chain(
        tnt.every(3, hook),
        tnt.every(3, later),
        saving(lambda state: order.append(state.t)),
    )
    assert stopped_by(hooks, problem.job(), steps_per_call=1).t == 3
    assert order == ["all of the hook", "the next", 3]


def test_a_second_ctrl_c_breaks_the_hook_off(problem):
    def hook(state):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError

    hooks = tnt.chain(tnt.every(3, hook), saving(lambda state: None))
    assert stopped_by(hooks, problem.job(), steps_per_call=1).t == 3


@pytest.mark.parametrize("kind", ["save", "close"])
def test_a_second_ctrl_c_while_saving(problem, kind):
    """It carries the State as the first would have."""

    def save(*state):
        signal.raise_signal(signal.SIGINT)
        raise AssertionError

    hooks = tnt.chain(
        tnt.Hooks(sessions=(Session(**{kind: save}),)), tnt.watch(3, press_at(3))
    )
    state = stopped_by(hooks, problem.job(), steps_per_call=1)
    assert 3 <= state.t < 7


def test_a_save_that_fails_does_not_hide_ctrl_c(problem):
    def save(state):
        raise OSError("the disk is full")

    hooks = tnt.chain(saving(save, None), tnt.watch(3, press_at(3)))
    with pytest.raises(KeyboardInterrupt) as caught:
        tnt.SGDEngine(hooks).train(**problem.job(), steps_per_call=1)
    notes = "\n".join(caught.value.__notes__)
    assert "Saving raised OSError: the disk is full" in notes
    assert "attribute `state`" in notes


def test_ctrl_c_waits_while_the_state_is_half_changed():
    with pytest.raises(KeyboardInterrupt), Signals(saves=False) as signals:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signals.check()
        signals.check()  # it was told once
        with pytest.raises(KeyboardInterrupt), signals.heard():
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # and this one when the block ends
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_in_a_call_is_not_hidden():
    with pytest.raises(ValueError, match="first"), Signals(saves=False):
        signal.raise_signal(signal.SIGINT)
        raise ValueError("first")


def test_handlers_of_others_stay(problem):
    def own(number, frame):
        raise AssertionError

    before = signal.signal(signal.SIGTERM, own)
    try:
        with Signals(saves=True):
            assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.fixture
def in_two_processes(monkeypatch):
    """Signals in the first of two, for a function that tells whether all end."""

    def make(reached, saves=True):
        monkeypatch.setattr(jax, "process_count", lambda: 2)
        monkeypatch.setattr(jax.distributed, "is_initialized", lambda: True)
        monkeypatch.setattr(_signals, "reached_preemption_sync_point", reached)
        return Signals(saves=saves)

    return make


def test_several_processes_end_before_the_call_that_jax_tells(in_two_processes):
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught:
        with in_two_processes(lambda call: call == 2) as signals:
            assert signal.getsignal(signal.SIGTERM) is handler  # JAX's own hears it
            told = [signals.ask_before_call() or signals.terminated for _ in range(3)]
    assert told == [False, True, True]
    assert caught.value.code == 128 + signal.SIGTERM


def test_several_processes_of_a_run_that_is_not_saved_ask_nothing(in_two_processes):
    with in_two_processes(lambda call: True, saves=False) as signals:
        signals.ask_before_call()
    assert not signals.terminated


def test_if_jax_tells_nothing_each_process_hears_for_itself(in_two_processes):
    def is_off(call):
        raise RuntimeError

    with pytest.raises(SystemExit), in_two_processes(is_off) as signals:
        signals.ask_before_call()
        signal.raise_signal(signal.SIGTERM)
        assert signals.terminated


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
    hooks = tnt.chain(late, saving(save, None))
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
        saving(note("save"), 5),
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

job = dict(
    network=lambda params, input: input * params,
    criterion=lambda output, target: ((output - target) ** 2).mean(1),
    iterator=tnt.DatasetIterator(tnt.ListDataset(range(200), load)),
    steps_per_call=10,
)
engine = tnt.SGDEngine(tnt.watch(30, lambda state: print("watched", state.t)))
for fold in range(3):
    try:
        engine.train(**job, params=np.zeros(3, "f4"), lr=0.1)
    except KeyboardInterrupt as error:
        print("raised", error.state.t, error.state.params[0] > 0, flush=True)
        raise
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends signals to a process")
def test_a_real_ctrl_c_is_heard_at_once():
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    lines = [process.stdout.readline() for _ in range(3)]
    assert lines == ["watched 30\n", "watched 60\n", "reading\n"]
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert output == "watched 90\nraised 100 True\n"
    assert process.returncode == -signal.SIGINT  # which a shell calls 130


def test_a_handler_of_the_user_stays():
    def handle(number, frame):
        pass

    old = signal.signal(signal.SIGINT, handle)
    try:
        with Signals(saves=True):
            assert signal.getsignal(signal.SIGINT) is handle
    finally:
        signal.signal(signal.SIGINT, old)
