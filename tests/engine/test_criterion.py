"""What a criterion may ask for: the output alone, or the parameters as well."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt
from tests.engine.conftest import criterion, network

HOW = [{}, {"jit": False}, {"accumulate": 3}, {"steps_per_call": 2}]


def same(one, other, **tolerance):
    for name in one:
        np.testing.assert_allclose(
            one[name], other[name], **{"rtol": 1e-4, "atol": 1e-6} | tolerance
        )


def decay(params):
    return 0.05 * sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))


def decayed(output, target, *, params):
    return criterion(output, target) + decay(params)


def train_by_hand(problem, iterator=None, epochs=2):
    """Takes steps of 0.1 down the mean loss of each batch, with the decay."""

    @jax.jit
    def step(params, sample):
        def loss(params):
            losses = criterion(network(params, sample["input"]), sample["target"])
            shown = sample.get("mask", jnp.ones(len(losses), bool))
            return jnp.sum(losses * shown) / jnp.sum(shown) + decay(params)

        return jax.tree.map(lambda p, g: p - 0.1 * g, params, jax.grad(loss)(params))

    params = problem.params
    for epoch in range(epochs):
        for sample in (iterator or problem.iterator()).run(epoch):
            params = step(params, sample)
    return params


# ---- the parameters -----------------------------------------------------------------


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(how, marks=[pytest.mark.slow] * ("accumulate" not in how))
        for how in HOW
    ],
)
@pytest.mark.parametrize("engine", [tnt.SGDEngine, tnt.OptimEngine])
def test_a_criterion_that_weighs_the_parameters(problem, engine, how):
    job = problem.job(criterion=decayed, **how)
    if engine is tnt.OptimEngine:
        job["optimizer"] = optax.sgd(job.pop("lr"))
    same(engine().train(**job).params, train_by_hand(problem))


@pytest.mark.parametrize("accumulate", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_under_a_mask_it_counts_once(problem, accumulate):
    data = {**problem.data, "mask": np.arange(53) % 3 > 0}
    iterator = problem.over(tnt.TableDataset(data))
    job = problem.job(criterion=decayed, iterator=iterator, accumulate=accumulate)
    same(tnt.SGDEngine().train(**job).params, train_by_hand(problem, iterator))


def test_loss_scaling_scales_all_of_the_gradient(problem):
    engine = tnt.SGDEngine(tnt.hooks.loss_scaling(1024.0))
    state = engine.train(**problem.job(criterion=decayed))
    same(state.params, train_by_hand(problem))


@pytest.mark.slow
def test_a_line_search_sees_the_weight_of_the_parameters(problem):
    """As when the network returns it beside its output."""

    def both(params, input):
        return network(params, input), decay(params)

    job = problem.job(optimizer=optax.lbfgs(), max_epoch=1)
    del job["lr"]
    state = tnt.OptimEngine().train(**job | {"criterion": decayed})
    beside = {
        "network": both,
        "criterion": lambda output, target: criterion(output[0], target) + output[1],
    }
    same(state.params, tnt.OptimEngine().train(**job | beside).params, rtol=1e-3)


def test_with_parameters_of_its_own(problem):
    def scaled(scale, output, target, *, params):
        return criterion(output * scale, target) + decay(params) + 0 * scale

    job = problem.job(criterion=scaled, criterion_params=jnp.float32(1))
    state = tnt.SGDEngine().train(**job, lr_criterion=0.0)
    same(state.params, train_by_hand(problem))


def test_a_test_passes_them_too(problem):
    loss = tnt.hooks.metering(loss=(tnt.AverageValueMeter(), lambda s: s.loss))
    params = jax.tree.map(jnp.ones_like, problem.params)
    job = {"network": network, "iterator": problem.iterator(), "params": params}
    results = [
        tnt.SGDEngine(loss).test(**job, criterion=function).meters["loss"].value().mean
        for function in (criterion, decayed)
    ]
    assert results[1] - results[0] == pytest.approx(float(decay(params)), rel=1e-4)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_an_argument_that_has_a_value_is_left_alone(problem, value):
    def own(output, target, *, params=value):
        return criterion(output, target) * (1 + params)

    fixed = functools.partial(lambda o, t, *, params: own(o, t), params=None)
    expected = tnt.SGDEngine().train(**problem.job(lr=0.1 * (1 + value)))
    for function in (own, fixed):
        state = tnt.SGDEngine().train(**problem.job(criterion=function))
        same(state.params, expected.params)


# ---- a sample without a target ------------------------------------------------------


def encode(params, input):
    hidden = input @ params["weight"]
    return jnp.sum((hidden @ params["weight"].T - input) ** 2, -1)


@pytest.mark.parametrize("how", HOW)
def test_a_sample_without_a_target(problem, how):
    """The network computes the loss of an autoencoder, say."""
    data = {"input": problem.data["input"]}
    params = {"weight": 0.1 * jnp.eye(5, 3)}
    job = {"network": encode, "params": params, "lr": 0.01}
    state = tnt.SGDEngine().train(
        **problem.job(iterator=problem.over(tnt.TableDataset(data)), **how)
        | job
        | {"criterion": lambda output: output}
    )
    expected = tnt.SGDEngine().train(
        **problem.job(**how) | job | {"criterion": lambda output, target: output}
    )
    same(state.params, expected.params)
    assert int(state.samples) == 2 * 53


def test_a_criterion_that_wants_a_target_is_told_that_there_is_none(problem):
    iterator = problem.over(tnt.TableDataset({"input": problem.data["input"]}))
    with pytest.raises(KeyError, match="reads sample.'target'., but the sample is"):
        tnt.SGDEngine().train(**problem.job(iterator=iterator))


def test_a_target_that_is_there_is_passed(problem):
    def optional(output, target=None):
        return criterion(output, target)

    state = tnt.SGDEngine().train(**problem.job(criterion=optional))
    same(state.params, tnt.SGDEngine().train(**problem.job()).params)


# ---- [B, 1] beside [B], which would be compared each with all -----------------------


def column(params, input):
    return input @ params["weight"][:, :1]  # [B, 1]


def squares(output, target):
    return (output - target) ** 2


REPEATS = r"output float32\[8,1\] and target int32\[8\] differ in shape, .*\[8, 8\]"


@pytest.mark.parametrize("jit", [True, False])
def test_rows_that_a_criterion_repeats_are_an_error(problem, jit):
    job = problem.job(network=column, criterion=squares, jit=jit)
    with pytest.raises(ValueError, match=rf"got float32\[8,8\]: {REPEATS}"):
        tnt.SGDEngine().train(**job)


@pytest.mark.parametrize(
    "mean",
    [
        lambda output, target: squares(output, target).mean(),
        jax.jit(lambda output, target: squares(output, target).mean()),
    ],
)
def test_rows_whose_repeats_are_averaged_are_warned_of(problem, mean):
    job = problem.job(network=column, criterion=mean, max_steps=1)
    with pytest.warns(UserWarning, match=REPEATS):
        tnt.SGDEngine().train(**job)


def test_rows_that_a_criterion_aligns_are_fine(problem):
    def aligned(output, target):
        return squares(output[:, 0], target).mean()

    def ravelled(output, target):  # which would take the output [B] as well
        return squares(output.ravel(), target).mean()

    states = [
        tnt.SGDEngine().train(**problem.job(network=column, criterion=criterion))
        for criterion in (aligned, ravelled)
    ]
    assert (states[0].params["weight"] == states[1].params["weight"]).all()


# ---- how many losses -----------------------------------------------------------------


def tokens(output, target):  # [B, K] -> [B * K]
    return (output - target[:, None]).ravel() ** 2


@pytest.mark.parametrize("how", HOW)
def test_losses_of_another_number_than_rows_are_an_error(problem, how):
    words = (
        r"a loss of shape \[\] or \[(8|2)\], one for each row that it is given, got"
        r" float32\[(24|6)\]. Take the mean of each row, loss.reshape\(len\(target\),"
    )
    with pytest.raises(ValueError, match=words):
        tnt.SGDEngine().train(**problem.job(criterion=tokens, **how))


@pytest.mark.parametrize(
    "losses",
    [
        lambda output, target: jnp.zeros(2),
        lambda output, target: jnp.sum(output) * jnp.ones(1),
        lambda output, target: jnp.zeros(0),
    ],
)
def test_losses_that_are_no_rows_are_an_error(problem, losses):
    words = r"got float32\[[012]\]. Take the mean of all, loss.mean\(\)\."
    job = problem.job(criterion=losses)
    with pytest.raises(ValueError, match=words):
        tnt.SGDEngine().train(**job)
    del job["lr"], job["max_epoch"]
    with pytest.raises(ValueError, match=words):
        tnt.SGDEngine().test(**job)


@pytest.mark.parametrize("how", [{}, {"accumulate": 3}])
def test_rows_of_tokens_train_like_the_mean_of_all(problem, how):
    def rows(output, target):
        return tokens(output, target).reshape(len(target), -1).mean(1)

    def all_of_them(output, target):
        return tokens(output, target).mean()

    states = [
        tnt.SGDEngine().train(**problem.job(criterion=loss, **how))
        for loss in (rows, all_of_them)
    ]
    same(states[0].params, states[1].params)


def test_one_sample_that_is_not_a_batch_may_have_a_loss_in_parts():
    sample = {"input": np.float32([1.0, 3.0]), "target": np.float32(2.0)}
    job = {
        "network": lambda params, input: input * params,
        "criterion": lambda output, target: jnp.append(output - target, 0.0) ** 2,
        "iterator": tnt.DatasetIterator([sample]),
        "params": jnp.ones(()),
        "lr": 1.0,
        "max_epoch": 1,
    }
    with pytest.warns(UserWarning, match="the step sees one sample"):
        state = tnt.SGDEngine().train(**job)
    assert float(state.loss) == pytest.approx(2 / 3)


@pytest.mark.parametrize("how", [{}, {"accumulate": 2}, {"members": 2}])
def test_nothing_is_promoted_where_nothing_may_be(problem, how):
    def network(params, input):
        return input @ params["weight"] + params["bias"][None]

    params, iterator = problem.params, problem.iterator(policy="pad-last")
    if "members" in how:
        params = jax.tree.map(lambda leaf: jnp.stack([leaf] * 2), params)
    job = problem.job(network=network, iterator=iterator, params=params)
    engine = tnt.SGDEngine(tnt.hooks.metering("loss", "error"))
    expected = engine.train(**job, **how)
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        state = engine.train(**job, **how)
    jax.tree.map(np.testing.assert_array_equal, state.params, expected.params)
    jax.tree.map(np.testing.assert_array_equal, state.meters, expected.meters)


def test_nothing_is_promoted_beside_a_step_of_ones_own(problem):
    def step(state, sample):
        return state.replace(loss=sample["input"].sum(-1))

    engine = tnt.StepEngine(step, tnt.hooks.record())
    iterator = problem.iterator(policy="pad-last")
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        state = engine.train(iterator=iterator, params=jnp.ones(()), max_epoch=1)
    mean = problem.data["input"].sum(-1).mean()
    assert state.history["loss"] == [pytest.approx(mean, rel=1e-5)]
