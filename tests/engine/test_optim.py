"""OptimEngine: optax does with the gradients what it would do by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

import tntjax as tnt
from tests.engine.conftest import criterion, network


def whole(problem):
    """All samples as the one batch of an epoch."""
    return tnt.DatasetIterator(tnt.BatchDataset(problem.dataset(), 53))


def job(problem, optimizer, **changes):
    given = {"network": network, "criterion": criterion, "params": problem.params}
    return {**given, "iterator": whole(problem), "optimizer": optimizer, **changes}


def loss_of(problem):
    data = problem.data

    def loss(params):
        return criterion(network(params, data["input"]), data["target"]).mean()

    return loss


@pytest.mark.slow
def test_adam_is_the_loop_by_hand(problem):
    optimizer, loss = optax.adam(0.1), loss_of(problem)
    params, opt_state = problem.params, optimizer.init(problem.params)
    for _ in range(5):
        updates, opt_state = optimizer.update(jax.grad(loss)(params), opt_state, params)
        params = optax.apply_updates(params, updates)
    state = tnt.OptimEngine().train(**job(problem, optimizer), max_epoch=5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
        (state.params, state.opt_state),
        (params, opt_state),
    )


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 4])
def test_a_line_search_evaluates_anew(problem, accumulate):
    optimizer, loss = optax.lbfgs(), loss_of(problem)
    params, opt_state = problem.params, optimizer.init(problem.params)
    value_and_grad = optax.value_and_grad_from_state(loss)
    for _ in range(6):
        value, grad = value_and_grad(params, state=opt_state)
        updates, opt_state = optimizer.update(
            grad, opt_state, params, value=value, grad=grad, value_fn=loss
        )
        params = optax.apply_updates(params, updates)
    how = {"max_epoch": 6, "accumulate": accumulate}
    state = tnt.OptimEngine().train(**job(problem, optimizer), **how)
    assert float(loss(state.params)) == pytest.approx(float(loss(params)), rel=1e-3)
    sgd = tnt.OptimEngine().train(**job(problem, optax.sgd(0.1)), max_epoch=6)
    assert float(loss(state.params)) < 0.8 * float(loss(sgd.params))


@pytest.mark.slow
def test_a_line_search_sees_the_dropout_of_its_step(problem):
    def apply(params, model_state, input, *, key, training):
        keep = jax.random.bernoulli(key, 0.5, input.shape)
        return network(params, jnp.where(keep, input, 0)), model_state

    values = []

    def note(state):
        values.append(float(state.opt_state[-1].info.decrease_error))
        return state

    hooks = tnt.Hooks(on_end_epoch=note)
    stateful = tnt.network.Stateful(apply)
    given = job(problem, optax.lbfgs(), network=stateful, max_epoch=4)
    tnt.OptimEngine(hooks).train(**given)
    assert values == [0.0] * 4  # each step found the decrease that it looked for


def test_groups_of_parameters(problem):
    labels = {"weight": "trained", "bias": "frozen"}
    groups = {"trained": optax.sgd(0.1), "frozen": optax.set_to_zero()}
    optimizer = optax.partition(groups, labels)
    state = tnt.OptimEngine().train(**job(problem, optimizer), max_epoch=2)
    assert not np.any(state.params["bias"])
    assert np.all(state.params["weight"])


def test_a_learnable_criterion_has_its_own_optimizer(problem):
    def scaled(scale, output, target):
        return criterion(output * scale, target)

    given = job(problem, optax.sgd(0.1), criterion=scaled, max_epoch=3)
    given |= {"criterion_params": jnp.float32(1.0)}
    frozen = tnt.OptimEngine().train(**given, criterion_optimizer=optax.set_to_zero())
    assert float(frozen.criterion_params) == 1.0
    trained = tnt.OptimEngine().train(**given)
    assert float(trained.criterion_params) != 1.0
    assert set(trained.opt_state) == {"network", "criterion"}
    tested = tnt.OptimEngine().test(
        network=network,
        criterion=scaled,
        iterator=whole(problem),
        params=trained.params,
        criterion_params=trained.criterion_params,
    )
    assert int(tested.samples) == 53


LEARNABLE = {"criterion": lambda scale, o, t: criterion(o * scale["by"], t)}
LEARNABLE["criterion_params"] = {"by": jnp.float32(1.0)}


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_learnable_criterion_may_share_a_line_search(problem, accumulate):
    params = {"weight": 0.1 * jnp.eye(5, 3), "bias": jnp.zeros(3)}
    given = job(problem, optax.lbfgs(), max_epoch=4, params=params, **LEARNABLE)
    state = tnt.OptimEngine().train(**given, accumulate=accumulate)
    assert float(state.criterion_params["by"]) != 1.0
    search = state.opt_state["criterion"][-1]
    assert float(search.info.decrease_error) < 1e-7  # a loss of 0.3 is rounded to 3e-8


def test_groups_that_do_not_fit_a_criterion_are_an_error(problem):
    groups = {"trained": optax.sgd(0.1), "frozen": optax.set_to_zero()}
    optimizer = optax.partition(groups, {"weight": "trained", "bias": "frozen"})
    given = job(problem, optimizer, max_epoch=1, **LEARNABLE)
    with pytest.raises(TypeError, match=r"fit criterion_params .*criterion_optimizer="):
        tnt.OptimEngine().train(**given)


@pytest.mark.slow
@pytest.mark.parametrize("opaque", [True, False])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_an_optimizer_gets_what_it_names(problem, opaque, accumulate):
    sam = optax.contrib.sam(
        optax.sgd(0.1),
        optax.contrib.normalize(),
        sync_period=2,
        opaque_mode=opaque,
    )
    loss = loss_of(problem)
    state = tnt.OptimEngine().train(
        **job(problem, sam, max_epoch=10), accumulate=accumulate
    )
    assert float(loss(state.params)) < 0.95 * float(loss(problem.params))


def test_an_optimizer_by_names_alone(problem):
    def update(grads, own, params=None, *, obj_fn, value):
        assert obj_fn(params).shape == value.shape
        return jax.tree.map(lambda g: -0.1 * g, grads), own

    named = optax.GradientTransformationExtraArgs(lambda params: (), update)
    state = tnt.OptimEngine().train(**job(problem, named), max_epoch=2)
    expected = tnt.OptimEngine().train(**job(problem, optax.sgd(0.1)), max_epoch=2)
    np.testing.assert_allclose(
        state.params["weight"], expected.params["weight"], rtol=1e-5
    )


@pytest.mark.slow
def test_an_optimizer_that_wants_other_names_is_told_what_there_is(problem):
    sophia = optax.contrib.sophia(0.01)
    with pytest.raises(ValueError, match="obj_fn must be provided") as caught:
        tnt.OptimEngine().train(**job(problem, sophia), max_epoch=1)
    assert "value, grad and value_fn" in caught.value.__notes__[0]

    def update(grads, own, params=None, *, value_fn):
        return sophia.update(grads, own, params, obj_fn=value_fn)

    wrapped = optax.GradientTransformationExtraArgs(sophia.init, update)
    state = tnt.OptimEngine().train(**job(problem, wrapped), max_epoch=2)
    assert np.any(state.params["weight"])


def test_a_rate_in_the_optimizer_changes_without_compiling(problem, compiles):
    after = []

    def halve(state):
        after.append(len(compiles))
        rate = state.opt_state.hyperparams["learning_rate"] / 2
        hyperparams = {**state.opt_state.hyperparams, "learning_rate": rate}
        opt_state = state.opt_state._replace(hyperparams=hyperparams)
        return state.replace(opt_state=opt_state)

    optimizer = optax.inject_hyperparams(optax.sgd)(learning_rate=0.8)
    hooks = tnt.Hooks(on_end_epoch=halve)
    state = tnt.OptimEngine(hooks).train(**job(problem, optimizer), max_epoch=4)
    assert float(state.opt_state.hyperparams["learning_rate"]) == pytest.approx(0.05)
    assert after[1] == after[3]


def test_a_second_train_compiles_nothing(problem, compiles):
    optimizer = optax.adam(0.1)
    tnt.OptimEngine().train(**job(problem, optimizer), max_epoch=1)
    first = len(compiles)
    tnt.OptimEngine().train(**job(problem, optimizer), max_epoch=1)
    assert len(compiles) == first


def test_an_optimizer_that_changes_its_state_is_named(problem):
    def update(grads, state, params=None):
        return grads, {"count": state["count"].astype(jnp.float32)}

    bad = optax.GradientTransformation(lambda params: {"count": jnp.int32(0)}, update)
    words = r"the optimizer changed opt_state\['count'\](.|\n)*int32\[\](.|\n)*float32"
    with pytest.raises(TypeError, match=words):
        tnt.OptimEngine().train(**job(problem, bad), max_epoch=1)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"optimizer": 0.1}, TypeError, r"optimizer must be .*optax.adam.*got 0.1"),
        ({"criterion_optimizer": "sgd"}, TypeError, "criterion_optimizer must be"),
        ({"accumulate": 0}, ValueError, "accumulate must be at least 1, got 0"),
        ({"accumulate": 2.0}, TypeError, "accumulate must be an integer, got 2.0"),
        ({"criterion_params": np.arange(2)}, TypeError, "criterion_params is int64"),
        ({"network": 3}, TypeError, "network must be a function"),
    ],
)
def test_bad_arguments(problem, change, error, words):
    given = {**job(problem, optax.sgd(0.1)), **change}
    with pytest.raises(error, match=words):
        tnt.OptimEngine().train(**given, max_epoch=1)


def test_hooks_only():
    with pytest.raises(TypeError, match="OptimEngine needs Hooks, got 3"):
        tnt.OptimEngine(3)
