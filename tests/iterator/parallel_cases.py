"""Closures for workers: a process imports them by name."""

import os
import signal
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import tntjax as tnt


def load(number):
    """Something of each kind: small and large arrays, a view, a number, a string."""
    image = np.arange(6000, dtype=np.int32).reshape(20, 300) * number
    return {
        "input": image[:, ::-1],
        "small": np.float32([number, 0.5]),
        "target": number,
        "name": f"file {number}",
    }


def promised(number):
    return partial(load, number)


def loaded(length=23):
    return tnt.ListDataset(range(length), load)


def table(length=23):
    rows = np.arange(length, dtype=np.float32)
    image = np.arange(length * 1200, dtype=np.float32).reshape(length, 30, 40)
    return tnt.TableDataset({"input": image, "target": rows})


COMPOSITIONS = (
    loaded,
    table,
    partial(table, 0),
    lambda: list(range(7)),
    lambda: tnt.BatchDataset(table(), 4),
    lambda: tnt.BatchDataset(table(), 4, policy="pad-last"),
    lambda: tnt.ShuffleDataset(loaded(), seed=3),
    lambda: tnt.BatchDataset(tnt.ShuffleDataset(loaded(), seed=1), 5),
    lambda: tnt.TransformDataset(table(), {"input": np.transpose}),
    lambda: tnt.ConcatDataset([table(4), loaded(3), table(2)]),
    lambda: tnt.ResampleDataset(loaded(9), lambda dataset, index: index // 2),
    lambda: tnt.SplitDataset(table(), {"first": 0.3, "second": 0.7}, "second"),
    lambda: tnt.CoroutineBatchDataset(tnt.ListDataset(range(9), promised), 4),
)


PROCESSES, SHUFFLED = 100, 1000
"""Epochs of datasets that are no compositions."""


def by_epoch(epoch):
    """Another dataset each epoch, so that a pool of processes serves many tests."""
    if epoch == PROCESSES:
        return tnt.ListDataset(range(40), process_of)
    if epoch >= SHUFFLED:
        return shuffled(epoch)
    return COMPOSITIONS[epoch % len(COMPOSITIONS)]()


def shuffled(epoch):
    return tnt.BatchDataset(tnt.ShuffleDataset(table(53), seed=epoch), 8)


class Fails(list):
    """Numbers, and an error at one index."""

    def __init__(self, length, at, error):
        super().__init__(range(length))
        self.at, self.error = at, error

    def __getitem__(self, index):
        if index == self.at:
            raise self.error
        return super().__getitem__(index)


class OddError(Exception):
    """Cannot be rebuilt from its arguments."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def failing(worker, error=None):
    return Fails(10, 6, error or ValueError("bad file"))


def failing_oddly(worker):
    return Fails(10, 6, OddError("this", "that"))


def failing_locally(worker):
    class LocalError(Exception):
        pass

    return Fails(10, 6, LocalError("only here"))


def unpicklable(worker):
    return [0, 1, lambda: 2, 3]


class Generates(list):
    """Has a method whose result only threads can hand over."""

    def generate(self):
        return (number for number in self)


def generating(worker):
    return Generates([1, 2])


class OneAtATime:
    """Counts how often it was asked while it was at something."""

    def __init__(self, worker):
        self.busy, self.clashes = False, 0

    def __len__(self):
        return 20

    def __getitem__(self, index):
        self.clashes += self.busy
        self.busy = True
        time.sleep(0.001)
        self.busy = False
        return index


def fails_to_start(worker):
    raise FileNotFoundError("no data here")


def returns_nothing(worker):
    return None


def returns_nothing_later(worker):
    return lambda epoch: None


def dies(number, at=6, how=signal.SIGKILL):
    if number == at:
        if how:
            os.kill(os.getpid(), how)
        os._exit(3)
    return number


def dying(worker, how=signal.SIGKILL):
    return tnt.ListDataset(range(12), partial(dies, how=how))


def backends_started(number):
    from jax._src import xla_bridge

    return xla_bridge.backends_are_initialized(), os.environ["JAX_PLATFORMS"]


def looks_at_jax(worker):
    return tnt.BatchDataset(tnt.ListDataset(range(3), backends_started), 1)


def jax_array(number):
    import jax.numpy as jnp

    return jnp.full(2000, number)


def makes_jax_arrays(worker):
    return tnt.ListDataset(range(3), jax_array)


def process_of(number):
    time.sleep(0.005)
    return os.getpid()


def slow(number, seconds=0.05):
    time.sleep(seconds)
    return number


def sleeping(worker, seconds=0.05):
    return tnt.ListDataset(range(1000), partial(slow, seconds=seconds))


REBUILT = []
"""The numbers of `Rebuilt` that were made here from what came through a pipe."""


@dataclass
class Rebuilt:
    """A sample that tells when it is unpickled."""

    number: int

    def __reduce__(self):
        return rebuild, (self.number,)


def rebuild(number):
    REBUILT.append(number)
    return Rebuilt(number)


def held_up(number, path):
    """All but the first wait for a file."""
    while number and not os.path.exists(path):
        time.sleep(0.005)
    return Rebuilt(number)


def holding(path, worker):
    return tnt.ListDataset(range(3), partial(held_up, path=path))


def loaded_closure(worker):
    return loaded()


def growing(number):
    return np.zeros(50_000 + number, np.uint8)


def many(worker):
    return tnt.ListDataset(range(300), growing)


def noted(number, path):
    with open(path, "ab", buffering=0) as file:
        file.write(b".")
    return number


def logging(path, worker):
    return tnt.ListDataset(range(60), partial(noted, path=path))


@dataclass
class Remembers:
    """A dataset with a state of its own, as some libraries have."""

    worker: int
    factor: int = 1

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return self.worker, INITIALISED, index * self.factor

    def scale(self, factor, *more):
        self.factor = factor
        return self.worker, len(more)

    def fail(self):
        raise ValueError("no such thing")


INITIALISED: Any = None


def initialise(worker):
    global INITIALISED
    INITIALISED = worker


def remembering(worker):
    return Remembers(worker)


def of_unequal_lengths(epoch, worker):
    return range(5 + worker)


def batches(epoch):
    return tnt.ShuffleDataset(range(1000), seed=epoch)


def waits_for(number, path):
    """Item 2 waits for a file."""
    while number == 2 and not os.path.exists(path):
        time.sleep(0.005)
    return number


def waiting(path):
    return tnt.ListDataset(range(5), partial(waits_for, path=path))


def made_late(path):
    while not os.path.exists(path):
        time.sleep(0.005)
    return [1]


def gone(worker):
    raise AssertionError("never called")
