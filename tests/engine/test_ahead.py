"""On an accelerator a thread reads ahead: the same, in order, leaving nothing."""

import contextvars
import signal
import threading
import traceback

import jax
import numpy as np
import pytest

import tntjax as tnt
from tests.engine.test_signals import as_in_a_terminal, press_at  # noqa: F401
from tntjax.dataset import ShuffleDataset
from tntjax.engine import _ahead
from tntjax.engine._call import Calls
from tntjax.engine._hooks import Session
from tntjax.engine._watching import WatchQueue

BATCHES, PATIENCE = 12, 60
"""Batches of an epoch, and seconds after which a test that waits has failed."""


@pytest.fixture
def accelerated(monkeypatch):
    """A CPU is taken for an accelerator."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")


class Recorded:
    """An iterator over batches that takes note of all that happens to it."""

    def __init__(self, problem, before=lambda index: None):
        self._data, self._before = problem.data, before
        self._busy = threading.Lock()
        self.rooms, self.lengths, self.threads, self.open = [], [], [], 0
        self._inner = tnt.DatasetIterator(tnt.ListDataset(range(BATCHES), self._load))

    def _load(self, index):
        assert self._busy.acquire(blocking=False)  # one thread at a time
        self.threads.append(threading.current_thread())
        try:
            self._before(index)
        finally:
            self._busy.release()
        rows = slice(4 * index, 4 * index + 4)
        return {name: column[rows] for name, column in self._data.items()}

    def run(self, epoch=0, start=0):
        return self._inner.run(epoch, start)

    def chunks(self, epoch, start, room):
        def noted(position, size, length):
            self.rooms.append((epoch, position, room(position, size, length)))
            return self.rooms[-1][-1]

        self.open += 1
        try:
            for chunk in self._inner.chunks(epoch, start, noted):
                self.lengths.append((epoch, len(chunk)))
                yield chunk
        finally:
            self.open -= 1


def train(problem, iterator, hooks=tnt.Hooks(), **how):  # noqa: B008
    job = problem.job(iterator=iterator, **{"steps_per_call": 3, **how})
    return tnt.SGDEngine(hooks).train(**job)


def find_readers():
    return [t for t in threading.enumerate() if t.name == "tntjax-ahead"]


def failing_at(t):
    def hook(state):
        if state.t == t:
            raise OSError("disk")
        return state

    return hook


def changing_at(t, **fields):
    return lambda state: state.replace(**fields) if state.t == t else state


# ---- what is read, and when ---------------------------------------------------------


def test_two_chunks_are_read_while_a_call_is_made(problem, accelerated, monkeypatch):
    """Were they read in line, the call would wait for ever."""
    read = [threading.Event() for _ in range(BATCHES)]
    made, ahead, call = [], [], Calls.__call__

    def note(index):
        ahead.append(index - len(made))
        read[index].set()

    def wait(self, *arguments):
        made.append(0)
        for event in read[len(made) : len(made) + 2]:
            assert event.wait(PATIENCE)
        return call(self, *arguments)

    monkeypatch.setattr(Calls, "__call__", wait)
    train(problem, Recorded(problem, note), steps_per_call=1, max_epoch=1)
    assert len(made) == BATCHES
    assert max(ahead) == 2


def test_the_next_order_is_made_before_the_device_is_waited_for(
    problem, accelerated, monkeypatch
):
    notes, settle, make = [], WatchQueue.settle, ShuffleDataset.__post_init__

    def wait(self, most):
        notes.extend(["wait"] * (most == 0))
        return settle(self, most)

    def note(self, seed):
        notes.append(seed)
        return make(self, seed)

    monkeypatch.setattr(WatchQueue, "settle", wait)
    source = tnt.shuffle_and_batch(tnt.TableDataset(problem.data), 4)
    monkeypatch.setattr(ShuffleDataset, "__post_init__", note)
    train(problem, tnt.DatasetIterator(source), max_epoch=3)
    assert notes == [1, "wait", 2, "wait", "wait"]  # that of epoch 0 was made with it
    notes.clear()
    iterator = tnt.DatasetIterator(source)
    train(problem, iterator, max_epoch=3, max_steps=len(iterator) + 1)
    assert notes[-4:] == [0, 1, "wait", "wait"]


def test_on_a_cpu_nothing_is_made_beforehand(problem, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    made = []
    monkeypatch.setattr(
        tnt.DatasetIterator, "prepare", lambda self, epoch: made.append(epoch)
    )
    train(
        problem,
        tnt.DatasetIterator(tnt.BatchDataset(tnt.TableDataset(problem.data), 4)),
    )
    assert made == []


HOOKS = {
    "none": tnt.Hooks(),
    "every": tnt.every(4, lambda state: state),
    "each": tnt.every(1, lambda state: state),
    "sooner": tnt.every(5, changing_at(5, max_steps=8)),
    "later": tnt.chain(
        tnt.Hooks(on_start=lambda state: state.replace(max_steps=6)),
        tnt.every(5, changing_at(5, max_steps=21)),
    ),
    "stop": tnt.every(4, changing_at(16, stop=True)),
    "watch": tnt.watch(2, lambda state: None),
    "save": tnt.Hooks(sessions=(Session(save=lambda state: None, every=5),)),
}


@pytest.mark.slow
@pytest.mark.parametrize("steps_per_call", [1, 3])
@pytest.mark.parametrize("name", HOOKS)
def test_the_same_is_read_as_in_line(problem, monkeypatch, name, steps_per_call):
    found = []
    for backend in "cpu", "gpu":
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        iterator = Recorded(problem)
        state = train(problem, iterator, HOOKS[name], steps_per_call=steps_per_call)
        found.append((iterator, state))
    (one, first), (other, second) = found
    assert one.rooms == other.rooms
    assert one.lengths == other.lengths
    assert (first.t, first.epoch) == (second.t, second.epoch)
    np.testing.assert_array_equal(first.params["weight"], second.params["weight"])
    assert one.open == other.open == 0
    assert set(one.threads) == {threading.main_thread()}
    assert (len(set(other.threads)) > 1) == (name != "each")


def test_what_a_hook_changes_is_not_read_before(problem, accelerated):
    level, seen = [0], []

    def raise_level(state):
        level[0] += 1
        return state

    iterator = Recorded(problem, lambda index: seen.append(level[0]))
    train(problem, iterator, tnt.every(4, raise_level), max_epoch=1)
    assert seen == [0] * 4 + [1] * 4 + [2] * 4


def test_going_on_reads_the_rest(problem, accelerated):
    iterator = Recorded(problem)
    whole = train(problem, iterator)
    with pytest.raises(OSError, match="disk") as caught:
        train(problem, iterator, tnt.every(3, failing_at(15)))
    job = problem.job(iterator=iterator, steps_per_call=3)
    del job["params"], job["lr"]
    state = tnt.SGDEngine().train(**job, state=caught.value.state)
    np.testing.assert_array_equal(state.params["weight"], whole.params["weight"])


# ---- leaving ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hooks", "error"),
    [
        (tnt.every(4, failing_at(4)), OSError),
        (tnt.watch(1, failing_at(2)), OSError),
        (tnt.watch(2, press_at(4)), KeyboardInterrupt),
        (tnt.every(4, press_at(4)), KeyboardInterrupt),
        (
            tnt.chain(HOOKS["save"], tnt.watch(2, press_at(4, signal.SIGTERM))),
            SystemExit,
        ),
    ],
)
def test_leaving_early_leaves_nothing_behind(problem, accelerated, hooks, error):
    iterator = Recorded(problem)
    with pytest.raises(error) as caught:
        train(problem, iterator, hooks)
    assert caught.value.state.t in range(2, BATCHES)
    assert iterator.open == 0
    assert not find_readers()


def test_an_error_comes_in_its_turn(problem, accelerated, monkeypatch):
    """It is raised in the thread while calls before it are still to be made."""
    failed, call = threading.Event(), Calls.__call__

    def fail_to_load(index):
        if index == 2:
            failed.set()
            raise OSError("disk")

    def wait(self, *arguments):
        assert failed.wait(PATIENCE)
        return call(self, *arguments)

    monkeypatch.setattr(Calls, "__call__", wait)
    iterator, seen = Recorded(problem, fail_to_load), []
    watch = tnt.watch(1, lambda state: seen.append(state.t))
    with pytest.raises(OSError, match="disk") as caught:
        train(problem, iterator, watch, steps_per_call=1)
    assert caught.value.state.t == 2
    assert seen == [1, 2]
    frames = [frame.name for frame in traceback.extract_tb(caught.tb)]
    assert frames[0] == "test_an_error_comes_in_its_turn"
    assert frames[-1] == "fail_to_load"
    assert iterator.open == 0
    assert not find_readers()


def test_a_read_that_takes_long_is_not_waited_for(problem, accelerated, monkeypatch):
    """It ends by itself, and the iterator with it."""
    monkeypatch.setattr(_ahead, "PATIENCE", 0.0)
    begun, go_on = threading.Event(), threading.Event()

    def load_slowly(index):
        if index == 4:
            begun.set()
            assert go_on.wait(PATIENCE)

    def fail(state):
        assert begun.wait(PATIENCE)
        raise OSError("disk")

    iterator = Recorded(problem, load_slowly)
    with pytest.raises(OSError, match="disk"):
        train(problem, iterator, tnt.watch(1, fail), steps_per_call=1)
    (reader,) = find_readers()
    assert iterator.open == 1
    go_on.set()
    reader.join(PATIENCE)
    assert iterator.open == 0
    assert not find_readers()


# ---- where it reads in line ---------------------------------------------------------


def x64():
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    from jax.experimental import enable_x64  # of an older JAX

    return enable_x64(True)


def mesh():
    use_mesh = getattr(jax, "set_mesh", None) or getattr(jax.sharding, "use_mesh")  # noqa: B009
    return use_mesh(jax.make_mesh((1,), ("data",)))


@pytest.mark.parametrize("context", [x64, mesh, lambda: jax.debug_nans(True)])
def test_what_holds_in_one_thread_alone_keeps_the_data_there(
    problem, accelerated, context
):
    iterator = Recorded(problem)
    with context():
        train(problem, iterator, max_epoch=1)
    assert set(iterator.threads) == {threading.main_thread()}


def test_without_jit_all_is_read_in_line(problem, accelerated):
    iterator = Recorded(problem)
    train(problem, iterator, jit=False, max_steps=2)
    assert set(iterator.threads) == {threading.main_thread()}


def test_data_on_the_device_needs_no_thread(problem, accelerated, monkeypatch):
    def start(thread):
        raise AssertionError

    iterator = problem.over(jax.device_put(problem.dataset()), 4)
    monkeypatch.setattr(threading.Thread, "start", start)
    assert train(problem, iterator).t == 28


# ---- the same values ----------------------------------------------------------------


def test_context_variables_are_seen(problem, accelerated):
    where, seen = contextvars.ContextVar("where", default="nowhere"), set()
    iterator = Recorded(problem, lambda index: seen.add(where.get()))
    token = where.set("here")
    train(problem, iterator, max_epoch=1)
    where.reset(token)
    assert seen == {"here"}
    assert len(set(iterator.threads)) == 2


@pytest.mark.parametrize("committed", [False, True])
def test_samples_are_sent_to_where_the_parameters_are(
    problem, accelerated, monkeypatch, committed
):
    places, call = set(), Calls.__call__

    def look(self, carry, batches, steps):
        leaves = jax.tree.leaves(batches)
        places.update((leaf.committed, *leaf.devices()) for leaf in leaves)
        return call(self, carry, batches, steps)

    monkeypatch.setattr(Calls, "__call__", look)
    device = jax.devices()[-1 if committed else 0]
    params = jax.device_put(problem.params, device if committed else None)
    train(problem, Recorded(problem), params=params)
    assert places == {(committed, device)}


def test_reading_ahead_compiles_nothing_more(problem, compiles, monkeypatch):
    counts = []
    for backend in "cpu", "gpu":
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        before = len(compiles)
        network = lambda params, input: problem.job()["network"](params, input)  # noqa: E731
        train(problem, Recorded(problem), network=network)
        counts.append(len(compiles) - before)
    assert counts[1] <= counts[0]
