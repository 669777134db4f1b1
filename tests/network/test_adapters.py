"""What holds for a network of any library: it trains as it does there."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt


def criterion(output, target):
    return optax.softmax_cross_entropy_with_integer_labels(output, target)


def reset(state):
    meters = {"loss": tnt.AverageValueMeter(), "error": tnt.ClassErrorMeter()}
    return state.replace(meters=meters)


def measure(state):
    loss = state.meters["loss"].add(state.loss)
    error = state.meters["error"].add(state.output, state.sample["target"])
    return state.replace(meters={"loss": loss, "error": error})


ENGINE = tnt.OptimEngine(tnt.Hooks(on_start=reset, on_forward_criterion=measure))
ADAM = optax.adam(3e-3)


def batches(dataset, size):
    return tnt.DatasetIterator(tnt.BatchDataset(dataset, size))


def measured(adapted, dataset, size=64, **kwargs):
    iterator = batches(dataset, size)
    job = {"network": adapted, "criterion": criterion, "iterator": iterator}
    meters = ENGINE.test(**job, **kwargs).meters
    return meters["loss"].value().mean, meters["error"].value()[1]


def trained(adapted, dataset, max_epoch=3, **kwargs):
    job = {"network": adapted, "criterion": criterion, "optimizer": ADAM}
    job["iterator"] = batches(dataset, 32)
    state = ENGINE.train(**job, max_epoch=max_epoch, **kwargs)
    return adapted._replace(params=state.params, model_state=state.model_state)


def floats(tree):
    """Leaves that are floating point, as NumPy."""
    return [np.asarray(leaf) for leaf in leaves(tree) if leaf.dtype == jnp.float32]


def leaves(tree):
    """All leaves, keys as their numbers."""
    is_key = lambda leaf: jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)  # noqa: E731
    data = lambda leaf: jax.random.key_data(leaf) if is_key(leaf) else leaf  # noqa: E731
    return [data(leaf) for leaf in jax.tree.leaves(tree)]


def same(a, b):
    pairs = zip(leaves(a), leaves(b), strict=True)
    return all(np.array_equal(*pair) for pair in pairs)


@pytest.fixture(scope="module")
def run(library, digits):
    """A network before and after a short training."""
    start = library.adapt(0.2)
    return start, trained(start, digits)


@pytest.mark.slow
def test_the_loss_falls_and_the_statistics_move(run, digits):
    start, end = run
    (before, _), (after, error) = measured(start, digits), measured(end, digits)
    assert after < 0.8 * before and error < 40
    moved = [
        not np.array_equal(*pair)
        for pair in zip(floats(start.model_state), floats(end.model_state), strict=True)
    ]
    assert len(moved) >= 2 and all(moved)


@pytest.mark.slow
def test_a_test_depends_neither_on_the_batch_size_nor_on_the_key(run, digits):
    adapted = run[1]
    loss, error = measured(adapted, digits, 100)
    assert measured(adapted, digits, 100, key=jax.random.key(1)) == (loss, error)
    for size in (7, 32):
        other_loss, other_error = measured(adapted, digits, size)
        np.testing.assert_allclose(other_loss, loss, rtol=1e-5)
        assert other_error == error


@pytest.mark.slow
def test_dropout_is_a_function_of_the_key_in_training_and_off_in_a_test(library):
    (stateful, params, state), input = library.adapt(0.5), jnp.ones((4, 28, 28, 1))

    def output(seed, training):
        key = jax.random.key(seed)
        output, _ = stateful.apply(params, state, input, key=key, training=training)
        return np.asarray(output)

    assert np.array_equal(output(0, True), output(0, True))
    assert not np.array_equal(output(0, True), output(1, True))
    assert np.array_equal(output(0, False), output(1, False))


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "differ"), [(0.0, False), (0.5, True)])
def test_dropout_differs_between_the_steps_of_a_training(library, digits, rate, differ):
    def note(state):  # compiled
        outputs = state.aux["outputs"]
        return state.replace(aux={"outputs": outputs.at[state.t].set(state.output)})

    start = tnt.Hooks(
        on_start=lambda s: s.replace(aux={"outputs": jnp.zeros((2, 8, 10))}),
        on_forward=note,
    )
    sample = tnt.take(digits, np.arange(8))
    job = {"network": library.adapt(rate), "criterion": criterion, "lr": 0.0}
    iterator = tnt.DatasetIterator([sample, sample])
    state = tnt.SGDEngine(start).train(**job, iterator=iterator, max_epoch=1)
    first, second = state.aux["outputs"]
    assert np.allclose(first, second, atol=1e-5) != differ


def test_a_training_is_a_function_of_its_arguments(library, run, digits):
    start, end = run
    assert same(start[1:], library.adapt(0.2)[1:])  # training left it as it was
    assert same(end[1:], trained(start, digits)[1:])
    other = trained(start, digits, key=jax.random.key(7))
    assert not same(end.params, other.params)


def test_adapting_again_gives_an_equal_network(library):
    one, other = library.adapt(0.2).network, library.adapt(0.2).network
    assert one == other and hash(one) == hash(other)
    assert one != library.adapt(0.3).network


@pytest.mark.slow
def test_eager_is_jitted(library, digits):
    few = tnt.take(digits, np.arange(64))
    one, other = (
        trained(library.adapt(0.5), tnt.TableDataset(few), max_epoch=1, jit=jit)
        for jit in (True, False)
    )
    pairs = zip(leaves(one[1:]), leaves(other[1:]), strict=True)
    for jitted, eager in pairs:
        np.testing.assert_allclose(jitted, eager, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_a_step_is_the_library_s_own(library, digits):
    sample = tnt.take(digits, np.arange(32))
    job = {"network": library.adapt(0.0), "criterion": criterion, "lr": 0.1}
    iterator = tnt.DatasetIterator([sample])
    state = tnt.SGDEngine().train(**job, iterator=iterator, max_epoch=1)
    params, model_state = library.step_by_hand(criterion, sample, 0.1)
    assert jax.tree.structure(state.params) == jax.tree.structure(params)
    pairs = [*zip(floats(state.params), floats(params), strict=True)]
    pairs += zip(floats(state.model_state), floats(model_state), strict=True)
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_what_was_trained_goes_back_into_the_library(library, run, digits):
    adapted = run[1]
    input = digits.data["input"][:16]
    key, (network, params, model_state) = jax.random.key(0), adapted
    output, _ = network.apply(params, model_state, input, key=key, training=False)
    state = tnt.State(params=params, model_state=model_state)
    np.testing.assert_allclose(
        library.restored(0.2, state)(input), output, rtol=1e-4, atol=1e-5
    )


@pytest.mark.slow
def test_mixed_precision_trains_in_bfloat16_and_keeps_float32(run, digits):
    start, _ = run
    half = start._replace(network=tnt.network.mixed_precision(start.network))
    end = trained(half, digits)
    assert measured(end, digits)[1] < 40
    dtypes = lambda tree: [leaf.dtype for leaf in jax.tree.leaves(tree)]  # noqa: E731
    assert dtypes(end[1:]) == dtypes(start[1:])
    input, key = digits.data["input"][:8], jax.random.key(0)

    def forward(params):
        return half.network.apply(
            params, half.model_state, input, key=key, training=True
        )[0]

    assert forward(start.params).dtype == jnp.float32
    convolutions = [
        line
        for line in str(jax.make_jaxpr(forward)(start.params)).splitlines()
        if "conv_general_dilated[" in line
    ]
    assert len(convolutions) == 1 and all(":bf16[" in line for line in convolutions)
