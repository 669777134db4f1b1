"""A small problem that every engine test trains on."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt

CLASSES, FEATURES = 3, 5


def network(params, input):
    return input @ params["weight"] + params["bias"]


def criterion(output, target):
    return optax.softmax_cross_entropy_with_integer_labels(output, target)


@dataclasses.dataclass(frozen=True)
class Problem:
    data: dict[str, np.ndarray]
    params: dict[str, jax.Array]

    def dataset(self) -> tnt.TableDataset:
        return tnt.TableDataset(self.data)

    def iterator(self, batch_size: int = 8, **kwargs: Any) -> tnt.DatasetIterator:
        return self.over(self.dataset(), batch_size, **kwargs)

    def over(self, dataset, batch_size=8, **kwargs) -> tnt.DatasetIterator:
        def epoch_of(epoch):
            shuffled = tnt.ShuffleDataset(dataset, seed=epoch)
            return tnt.BatchDataset(shuffled, batch_size, **kwargs)

        return tnt.DatasetIterator(epoch_of)

    def job(self, **changes: Any) -> dict[str, Any]:
        job = {
            "network": network,
            "criterion": criterion,
            "iterator": self.iterator(),
            "params": self.params,
            "lr": 0.1,
            "max_epoch": 2,
        }
        return {**job, **changes}


@pytest.fixture(scope="session")
def problem() -> Problem:
    """53 samples, which leave a rest of 5 in batches of 8."""
    generator = np.random.default_rng(0)
    target = generator.integers(CLASSES, size=53, dtype=np.int32)
    centers = generator.normal(size=(CLASSES, FEATURES))
    input = centers[target] + generator.normal(size=(53, FEATURES))
    params = {"weight": jnp.zeros((FEATURES, CLASSES)), "bias": jnp.zeros(CLASSES)}
    data = {"input": input.astype(np.float32), "target": target}
    return Problem(data, params)


@pytest.fixture
def compiles():
    """A list that grows by one whenever XLA compiles something."""
    seen: list[str] = []

    def listen(event: str, duration: float, **_: Any) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            seen.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield seen
    jax.monitoring.clear_event_listeners()
