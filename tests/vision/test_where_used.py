"""Random transforms in a compiled hook, and in a dataset with keys of its own."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt
from tntjax import vision

augment = vision.compose(
    functools.partial(vision.random_crop, size=28, pad=3),
    functools.partial(vision.color_jitter, brightness=0.3, contrast=0.3),
    vision.random_flip,
    vision.to_float,
)


def prepare(state):
    images = augment(state.key, state.sample["input"][..., None])
    return state.replace(sample={**state.sample, "input": images})


def train(hooks, dataset, **settings):
    return tnt.SGDEngine(hooks).train(
        network=lambda params, input: input.reshape(len(input), -1) @ params,
        criterion=optax.softmax_cross_entropy_with_integer_labels,
        iterator=tnt.DatasetIterator(
            lambda epoch: tnt.BatchDataset(dataset, 40, policy="pad-last")
        ),
        **({} if "state" in settings else {"params": jnp.zeros((784, 10)), "lr": 0.1}),
        **{"max_epoch": 2, **settings},
    )


def digits(size=100):
    table = vision.mnist_sample("test").data
    return tnt.TableDataset({name: column[:size] for name, column in table.items()})


@pytest.mark.slow
def test_a_hook_draws_the_same_compiled_or_not_and_after_a_restart():
    hooks = tnt.Hooks(on_sample=prepare)
    whole = train(hooks, digits())
    plain = train(hooks, digits(), jit=False)
    np.testing.assert_allclose(whole.params, plain.params, atol=1e-5)
    half = train(hooks, digits(), max_epoch=1)
    again = train(hooks, digits(), state=half)
    np.testing.assert_array_equal(whole.params, again.params)
    np.testing.assert_array_equal(
        whole.params, train(hooks, jax.device_put(digits())).params
    )


def augmented(dataset, seed, epoch):
    def transform(sample, index):
        keys = vision.example_keys(seed, epoch, index)
        images = augment(keys, sample["input"][..., None])
        return {**sample, "input": np.asarray(images)}

    return tnt.TransformDataset(dataset, transform, batched=True, with_index=True)


def test_a_dataset_draws_by_seed_epoch_and_index_however_it_is_read():
    dataset = augmented(digits(12), 0, 3)
    whole = tnt.take(dataset, np.arange(12))["input"]
    assert whole.shape == (12, 28, 28, 1) and whole.dtype == np.float32
    np.testing.assert_array_equal(dataset[5]["input"], whole[5])
    order = np.array([7, 2, 2, 11])
    np.testing.assert_array_equal(tnt.take(dataset, order)["input"], whole[order])
    for seed, epoch in ((0, 4), (1, 3)):
        other = augmented(digits(12), seed, epoch)
        assert (tnt.take(other, np.arange(12))["input"] != whole).any((1, 2, 3)).all()


@pytest.mark.slow
def test_a_dataset_on_a_device_draws_the_same():
    def transform(sample, index):
        images = augment(vision.example_keys(0, 3, index), sample["input"][..., None])
        return {**sample, "input": images}

    stored = jax.device_put(digits(12))
    dataset = tnt.TransformDataset(stored, transform, batched=True, with_index=True)
    read = jax.jit(tnt.take)(dataset, jnp.arange(12))["input"]
    expected = tnt.take(augmented(digits(12), 0, 3), np.arange(12))["input"]
    np.testing.assert_allclose(read, expected, atol=1.5 / 255)
