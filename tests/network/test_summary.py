"""A summary of a network of any library, with arrays or before there are any."""

import functools

import jax
import jax.numpy as jnp
import optax
import pytest

import tntjax as tnt

IMAGES = jax.ShapeDtypeStruct((8, 28, 28, 1), "float32")
STEP = {
    "target": jax.ShapeDtypeStruct((8,), "int32"),
    "criterion": optax.softmax_cross_entropy_with_integer_labels,
    "optimizer": optax.adam(1e-3),
}
SIZES = [8, 8, 10, 72, 8000]
"""Of the scale and offset of the norm, bias of the dense layer, both kernels."""
PRODUCTS = 2 * 8 * (10 * 10 * 8 * 9 + 800 * 10)


@functools.cache
def summarize(library):
    return tnt.summary(library.adapt(0.2), input=IMAGES, **STEP)


def test_the_parameters_are_found_in_the_module(library):
    summary = summarize(library)
    assert sorted(row.size for row in summary.rows) == SIZES
    assert summary.total.bytes == 4 * sum(SIZES)
    assert summary.model_state.size >= 16  # the statistics of the norm at least


def test_the_output_is_named(library):
    assert str(summarize(library)).startswith("f32[8,28,28,1] -> f32[8,10]\n")


def test_flops_are_those_of_the_products(library):
    # The padding of images is not multiplied with; norm and relu are some per entry.
    costs = summarize(library).costs
    assert 0.9 * PRODUCTS < costs["forward pass"].flops < 1.2 * PRODUCTS
    assert costs["train step"].flops > 2 * PRODUCTS


def test_paths_are_the_names_in_the_module(library):
    paths = {row.path for row in summarize(library).rows}
    assert paths & {"Dense_0/kernel", "dense/kernel", "dense/weight", "linear/w"}


def shapes_of_linen():
    from tests.network.linen_network import Network

    module = Network(0.2)
    init = functools.partial(module.init, train=False)
    shapes = jax.eval_shape(init, jax.random.key(0), jnp.zeros((1, 28, 28, 1)))
    return tnt.network.linen(module, shapes)


def shapes_of_nnx():
    from flax import nnx

    from tests.network.nnx_network import Network

    model = nnx.eval_shape(lambda: Network(0.2, nnx.Rngs(0)))
    return tnt.network.nnx(model)


def shapes_of_equinox():
    import equinox as eqx

    from tests.network.equinox_network import make

    return tnt.network.equinox(*eqx.filter_eval_shape(make, 0.2))


def shapes_of_haiku():
    from tests.network.haiku_network import transform

    init = functools.partial(transform(0.2).init, is_training=True)
    shapes = jax.eval_shape(init, jax.random.key(0), jnp.zeros((1, 28, 28, 1)))
    return tnt.network.haiku(transform(0.2), *shapes)


ABSTRACT = {
    "linen": shapes_of_linen,
    "nnx": shapes_of_nnx,
    "equinox": shapes_of_equinox,
    "haiku": shapes_of_haiku,
}


def test_a_module_may_have_shapes_for_arrays(library):
    name = library.__name__.split(".")[-1].removesuffix("_network")
    adapted = ABSTRACT[name]()
    leaves = jax.tree.leaves(adapted.params)
    assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves)
    assert tnt.summary(adapted, input=IMAGES, **STEP) == summarize(library)


def test_parameters_that_are_passed_count_with_the_model_state(library):
    adapted = library.adapt(0.2)
    half = jax.tree.map(lambda leaf: leaf.astype("bfloat16"), adapted.params)
    summary = tnt.summary(adapted, half, model_state=adapted.model_state)
    assert summary.total.bytes == 2 * sum(SIZES)
    with pytest.raises(TypeError, match="pass model_state=state.model_state as well"):
        tnt.summary(adapted, half)
