"""The rows of a batch: how many there are, and those that a mask hides."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt
from tests.engine.conftest import criterion, network

NAN = float("nan")


def mean_error(output, target):
    return ((output - target) ** 2).mean(-1)


def linear(params, input):
    return input @ params


def batch(rows=8):
    generator = np.random.default_rng(0)
    input = generator.normal(size=(rows, 3)).astype(np.float32)
    return {"input": input, "target": (input @ np.ones((3, 2))).astype(np.float32)}


def start(state):
    return state.replace(meters={"loss": tnt.AverageValueMeter()}, aux={"value": 0.0})


def measure(state):
    loss = state.meters["loss"].add(state.loss, mask=state.sample.get("mask"))
    return state.replace(meters={"loss": loss})


METERS = tnt.Hooks(on_start=start, on_forward_criterion=measure)


def keep_value(dtype=jnp.float32):
    """An optimizer that changes nothing and keeps the value that it is given."""

    def update(grads, own, params=None, *, value, **others):
        return grads, value

    start = lambda params: jnp.zeros((), dtype)  # noqa: E731
    return optax.GradientTransformationExtraArgs(start, update)


OPTIMIZER = optax.chain(optax.sgd(0.1), keep_value())


def train(batches, **how):
    job = {
        "network": linear,
        "criterion": mean_error,
        "params": jnp.zeros((3, 2)),
        "iterator": tnt.DatasetIterator(batches),
        "optimizer": OPTIMIZER,
        "max_epoch": 2,
    }
    return tnt.OptimEngine(tnt.chain(METERS, tnt.hooks.nan_guard())).train(**job | how)


# ---- what a mask hides --------------------------------------------------------------

SHOWN = np.array([True, False, True, True, False, True, True, True])


def hidden(whole, name, value, mask=SHOWN):
    column = whole[name].copy()
    column[~mask] = value
    return {**whole, name: column, "mask": mask}


def without(whole, mask=SHOWN):
    return {name: column[mask] for name, column in whole.items()}


HOW = {
    "compiled": {},
    "eager": {"jit": False},
    "pieces": {"accumulate": 3},
    "eager pieces": {"accumulate": 3, "jit": False},
    "mesh": {"mesh": 4},
    "mesh and pieces": {"mesh": 2, "accumulate": 2},
}


@pytest.mark.slow
@pytest.mark.parametrize("value", [NAN, np.inf, 1e30])
@pytest.mark.parametrize("name", ["input", "target"])
@pytest.mark.parametrize(
    "how",
    [pytest.param(n, marks=pytest.mark.devices(HOW[n].get("mesh", 1))) for n in HOW],
)
def test_hidden_rows_may_be_anything(name, value, how):
    how = dict(HOW[how])
    if "mesh" in how:
        devices = jax.devices()[: how["mesh"]]
        how["mesh"] = jax.make_mesh((len(devices),), ("data",), devices=devices)
    state = train([hidden(batch(), name, value)] * 3, **how)
    expected = train([without(batch())] * 3)
    np.testing.assert_allclose(state.params, expected.params, rtol=1e-5)
    np.testing.assert_allclose(state.opt_state[-1], expected.opt_state[-1], rtol=1e-5)
    got, wanted = (s.meters["loss"].value() for s in (state, expected))
    np.testing.assert_allclose(got, wanted, rtol=1e-5)
    assert int(state.samples) == 36


@pytest.mark.slow
def test_the_first_row_may_be_hidden():
    mask = np.arange(8) > 2
    state = train([hidden(batch(), "input", NAN, mask)])
    expected = train([without(batch(), mask)])
    np.testing.assert_allclose(state.params, expected.params, rtol=1e-5)


@pytest.mark.slow
def test_hidden_labels_may_be_no_class(problem):
    whole = {name: column[:8] for name, column in problem.data.items()}
    how = {"network": network, "criterion": criterion, "params": problem.params}
    state = train([hidden(whole, "target", -7)], **how)
    expected = train([without(whole)], **how)
    np.testing.assert_allclose(
        state.params["weight"], expected.params["weight"], rtol=1e-5, atol=1e-7
    )


def test_a_gradient_that_is_infinite_at_zero_is_not_seen():
    """sqrt(0) and log(0): rows of zeros are as bad as those of NaN."""

    def roots(params, input):
        return jnp.log(jnp.sqrt(input)) * params

    input = np.array([1.0, 2.0, 0.0, -1.0], np.float32)
    sample = {"input": input, "target": input, "mask": input > 0}
    how = {"network": roots, "criterion": lambda o, t: (o - t) ** 2}
    state = train([sample], params=jnp.float32(0), **how)
    assert np.isfinite(state.params)


@pytest.mark.slow
def test_a_loss_of_a_hidden_row_may_be_anything():
    def fickle(output, target):
        return jnp.where(jnp.isnan(target), jnp.nan, (output[:, 0] - 1) ** 2)

    whole = {**batch(), "target": np.zeros(8, np.float32)}
    state = train([hidden(whole, "target", NAN)], criterion=fickle)
    expected = train([without(whole)], criterion=fickle)
    np.testing.assert_allclose(state.params, expected.params, rtol=1e-5)
    np.testing.assert_allclose(state.opt_state[-1], expected.opt_state[-1], rtol=1e-5)


def test_statistics_of_the_batch_see_a_row_that_counts_instead():
    def centred(params, model_state, input, *, key, training):
        return (input - input.mean(0)) @ params, input.mean(0)

    sample = hidden(batch(2), "input", NAN, np.array([True, False]))
    state = train(
        [sample], network=tnt.network.Stateful(centred), model_state=jnp.zeros(3)
    )
    np.testing.assert_allclose(state.model_state, batch(2)["input"][0], rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("how", [{}, {"jit": False}, {"accumulate": 3}])
def test_a_batch_of_which_nothing_counts_changes_nothing(how):
    def unit(params, model_state, input, *, key, training):  # NaN for rows of zeros
        norm = jnp.linalg.norm(input, axis=-1, keepdims=True)
        return input / norm @ params, input.mean(0)

    whole = hidden(batch(), "input", NAN, np.zeros(8, bool))
    how = {**how, "network": tnt.network.Stateful(unit), "model_state": jnp.ones(3)}
    state = train([whole] * 3, params=jnp.ones((3, 2)), **how)
    np.testing.assert_array_equal(state.params, np.ones((3, 2)))
    np.testing.assert_array_equal(state.model_state, np.ones(3))
    assert (int(state.t), int(state.samples)) == (6, 0)
    assert float(state.opt_state[-1]) == 0.0
    assert int(state.meters["loss"].n) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "dtype"), [(70_000, jnp.float16), (257, jnp.bfloat16)]
)
@pytest.mark.parametrize("masked", [True, False])
def test_rows_are_counted_in_no_small_type(rows, dtype, masked):
    sample = {"input": np.ones(rows, np.float32), "target": np.zeros(rows, np.float32)}
    sample |= {"mask": np.ones(rows, bool)} if masked else {}
    state = tnt.OptimEngine().train(
        network=lambda params, input: params * input,
        criterion=lambda output, target: (output - target).astype(dtype),
        params=jnp.float32(1),
        iterator=tnt.DatasetIterator([sample]),
        optimizer=optax.chain(optax.sgd(1.0), keep_value(dtype)),
        max_epoch=1,
    )
    assert float(state.params) == pytest.approx(0.0, abs=3e-3)
    assert float(state.opt_state[-1]) == 1.0


def test_a_test_sees_the_filled_rows():
    seen = []
    state = tnt.SGDEngine(
        tnt.Hooks(on_forward_criterion=lambda s: seen.append(s.loss.sum()) or s)
    ).test(
        network=linear,
        criterion=mean_error,
        iterator=tnt.DatasetIterator([hidden(batch(), "input", NAN)]),
        params=jnp.zeros((3, 2)),
        jit=False,
    )
    assert np.isfinite(seen)
    assert int(state.samples) == 7 - 1


# ---- how many rows there are --------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_other_fields_do_not_tell_the_rows(jit, accumulate):
    shapes = []

    def noting(params, input):
        shapes.append(input.shape)
        return linear(params, input)

    others = {"alpha": np.float32(2), "class_weight": np.ones(10, np.float32)}
    how = {"network": noting, "jit": jit, "accumulate": accumulate, "max_epoch": 1}
    state = train([{**others, **batch()}] * 3, **how)
    assert int(state.samples) == 24
    assert {*shapes} == {(8 // accumulate, 3)}


@pytest.mark.slow
def test_input_may_be_a_tree():
    def network(params, input):
        return input["x"] @ params * input["scale"]

    whole = batch()
    input = {"scale": np.float32(1), "x": whole["input"]}
    sample = {"input": input, "target": whole["target"]}
    for accumulate in (1, 3):
        state = train([sample], network=network, accumulate=accumulate, max_epoch=1)
        assert int(state.samples) == 8


def graphs(**more):
    """Two graphs of five nodes and nine edges."""
    nodes = np.ones((5, 3), np.float32)
    input = {"nodes": nodes, "edges": np.ones((9, 1), np.float32)}
    return {"input": input, **more}


def sums(params, input):
    nodes = input["nodes"]
    return jnp.stack([nodes[:2].sum(0), nodes[2:].sum(0)]) @ params


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, {"mask": np.array([True, False])}])
def test_where_leaves_of_the_input_differ_the_mask_or_the_target_tells(more):
    sample = graphs(target=np.ones((2, 2), np.float32), **more)
    state = train([sample], network=sums, max_epoch=1)
    assert int(state.samples) == (1 if more else 2)


def test_such_a_batch_cannot_be_cut():
    sample = graphs(target=np.ones((2, 2), np.float32))
    with pytest.raises(ValueError, match="accumulate cannot cut .*'nodes': float32"):
        train([sample], network=sums, accumulate=2)


@pytest.mark.parametrize(
    "change",
    [
        {"target": np.ones((7, 2), np.float32)},
        {"target": {"a": np.ones((8, 2)), "b": np.ones(7)}},
        {"mask": np.ones(7, bool)},
        {
            "input": {"a": np.ones(3), "b": np.ones(8)},
            "target": {"a": np.ones(3), "b": np.ones(8)},
        },
    ],
)
def test_rows_that_differ_are_named(change):
    words = r"same number of rows, their first axis; got {'input': .*'target': "
    with pytest.raises(ValueError, match=words):
        train([{**batch(), **change}])


def test_one_sample_of_vectors_is_an_error_that_names_the_batch_dataset():
    table = tnt.TableDataset(batch())
    with pytest.raises(ValueError, match=r"wrap the dataset: tnt.BatchDataset"):
        train(table)


@pytest.mark.slow
@pytest.mark.parametrize("jit", [True, False])
def test_one_sample_is_told_once(jit):
    sample = {"input": np.ones(3, np.float32), "target": np.float32(2)}
    other = {"input": np.ones(4, np.float32), "target": np.float32(2)}
    how = {"network": lambda p, x: p * x.mean(), "params": jnp.float32(0)}
    how |= {"criterion": lambda output, target: (output - target) ** 2, "jit": jit}
    with pytest.warns(UserWarning, match=r"one sample.*float32\[3\].*Batch") as caught:
        state = train([sample] * 3 + [other] * 2, **how, max_epoch=1)
    assert len(caught) == 1
    assert int(state.samples) == 5


@pytest.mark.parametrize("accumulate", [1, 2])
def test_one_number_is_one_sample(accumulate):
    sample = {"input": np.float32(1), "target": np.float32(2)}
    how = {"network": lambda p, x: p * x, "params": jnp.float32(0)}
    how |= {"criterion": lambda o, t: (o - t) ** 2, "accumulate": accumulate}
    with pytest.warns(UserWarning, match="one sample"):
        state = train([sample] * 3, optimizer=optax.sgd(0.5), **how)
    assert float(state.params) == 2.0
    assert int(state.samples) == 6


def test_a_test_without_a_target_counts_the_input():
    for input, samples in ((np.ones((8, 3), np.float32), 8), (np.float32(1), 1)):
        state = tnt.SGDEngine().test(
            network=lambda params, input: input,
            iterator=tnt.DatasetIterator([{"input": input}]),
            params=None,
        )
        assert int(state.samples) == samples


@pytest.mark.slow
@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("masked", [True, False])
def test_an_empty_batch_changes_nothing(jit, accumulate, masked):
    full = batch() | ({"mask": np.ones(8, bool)} if masked else {})
    empty = {name: column[:0] for name, column in full.items()}
    how = {"jit": jit, "accumulate": accumulate, "max_epoch": 1}
    state = train([empty, full, empty], **how)
    alone = train([full], **how)
    np.testing.assert_array_equal(state.params, alone.params)
    assert (int(state.t), int(state.samples)) == (3, 8)


@pytest.mark.slow
@pytest.mark.parametrize("jit", [True, False])
def test_a_batch_of_one_row_is_one_piece(jit):
    one = {name: column[:1] for name, column in batch().items()}
    whole, cut = (train([one], jit=jit, accumulate=accumulate) for accumulate in (1, 3))
    np.testing.assert_allclose(whole.params, cut.params, rtol=1e-6)
