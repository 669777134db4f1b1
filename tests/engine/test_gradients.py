"""What is differentiated: the network, and what hooks do to its output."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt


def linear(params, input):
    return input @ params


def mean_error(output, target):
    return ((output - target) ** 2).mean(-1)


def batches(rows=8, number=3):
    generator = np.random.default_rng(0)
    input = generator.normal(size=(number, rows, 3)).astype(np.float32)
    target = (input @ np.ones((3, 2)) + 0.5).astype(np.float32)
    return [{"input": x, "target": y} for x, y in zip(input, target, strict=True)]


NO_HOOKS = tnt.Hooks()


def train(hooks=NO_HOOKS, **how):
    job = {
        "network": linear,
        "criterion": mean_error,
        "iterator": tnt.DatasetIterator(batches()),
        "params": jnp.full((3, 2), 0.1),
        "max_epoch": 2,
    } | how
    if "optimizer" in job:
        return tnt.OptimEngine(hooks).train(**job)
    return tnt.SGDEngine(hooks).train(**{"lr": 0.1} | job)


def assert_close(state, expected):
    np.testing.assert_allclose(state.params, expected.params, rtol=2e-5, atol=1e-6)


HOW = [{}, {"jit": False}, {"steps_per_call": 2}, {"accumulate": 3}]
HOW += [{"accumulate": 3, "jit": False}]


# ---- hooks of on_forward ------------------------------------------------------------


def double(state):
    return state.replace(output=2 * state.output)


def count(state):
    return state.replace(
        aux={**state.aux, "rows": state.aux["rows"] + len(state.output)}
    )


START = tnt.Hooks(on_start=lambda s: s.replace(aux={"rows": 0, "scale": 2.0}))


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_what_hooks_do_to_the_output_is_differentiated(how):
    hooks = tnt.chain(START, tnt.Hooks(on_forward=count), tnt.Hooks(on_forward=double))
    state = train(hooks, **how)
    expected = train(network=lambda params, input: 2 * linear(params, input))
    assert_close(state, expected)
    assert int(state.aux["rows"]) == 48


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_what_the_output_depends_on_by_way_of_aux_is_differentiated(how):
    def note(state):
        return state.replace(aux={**state.aux, "scale": jnp.mean(state.output**2)})

    def scale(state):
        return state.replace(output=state.output * state.aux["scale"])

    def scaled(params, input):
        output = linear(params, input)
        return output * jnp.mean(output**2)

    hooks = tnt.chain(START, tnt.Hooks(on_forward=note), tnt.Hooks(on_forward=scale))
    pieces = how.get("accumulate", 1)
    assert_close(train(hooks, **how), train(network=scaled, accumulate=pieces))


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_what_the_output_depends_on_by_way_of_params_is_differentiated(how):
    def shift(state):
        return state.replace(output=state.output + jnp.sum(state.params**2))

    expected = train(network=lambda p, x: linear(p, x) + jnp.sum(p**2))
    assert_close(train(tnt.Hooks(on_forward=shift), **how), expected)


def test_what_the_output_depends_on_by_way_of_the_model_state_is_differentiated():
    def norm(params, model_state, input, *, key, training):
        return linear(params, input), jnp.linalg.norm(params)

    def divide(state):
        return state.replace(output=state.output / state.model_state)

    how = {"network": tnt.network.Stateful(norm), "model_state": jnp.float32(1)}
    expected = train(network=lambda p, x: linear(p, x) / jnp.linalg.norm(p))
    assert_close(train(tnt.Hooks(on_forward=divide), **how), expected)


def drop(state):
    key, own = jax.random.split(state.key)
    keep = jax.random.bernoulli(own, 0.5, state.output.shape)
    return state.replace(key=key, output=jnp.where(keep, state.output, 0))


@pytest.mark.slow
def test_a_hook_with_a_key_splits_it_once():
    compiled, eager = (
        train(tnt.Hooks(on_forward=drop), jit=jit) for jit in (True, False)
    )
    key = jax.random.key(0)
    for _ in range(6):
        key, _ = jax.random.split(key)
    assert (
        jax.random.key_data(compiled.key).tolist() == jax.random.key_data(key).tolist()
    )
    assert_close(compiled, eager)


@pytest.mark.parametrize("jit", [True, False])
def test_a_hook_that_only_looks_may_call_the_host(jit):
    seen = []

    def look(state):
        jax.experimental.io_callback(seen.append, None, state.output.sum())
        return state

    train(tnt.Hooks(on_forward=look), jit=jit)
    jax.effects_barrier()
    assert len(seen) == 6


def test_without_jit_a_hook_that_only_looks_sees_values():
    seen = []
    look = tnt.Hooks(on_forward=lambda s: seen.append(np.asarray(s.output)) or s)
    train(look, jit=False)
    assert [output.shape for output in seen] == [(8, 2)] * 6


def test_the_gradient_of_the_output_is_that_of_the_output_after_hooks():
    def start(state):
        return state.replace(aux={"grad_output": jnp.zeros((8, 2))})

    def keep(state):
        return state.replace(aux={"grad_output": state.grad_output})

    hooks = tnt.chain(
        tnt.Hooks(on_start=start, on_backward_criterion=keep),
        tnt.Hooks(on_forward=double),
    )
    one = batches(number=1)
    state = train(hooks, iterator=tnt.DatasetIterator(one), max_epoch=1)
    output = 2 * one[0]["input"] @ np.full((3, 2), 0.1, np.float32)
    expected = (output - one[0]["target"]) / 8
    np.testing.assert_allclose(state.aux["grad_output"], expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_line_search_minimises_what_hooks_make_of_the_output(accumulate):
    hooks = tnt.Hooks(on_forward=double)
    how = {"optimizer": optax.lbfgs(), "accumulate": accumulate, "max_epoch": 4}
    how["iterator"] = tnt.DatasetIterator(batches(number=1))
    state = train(hooks, **how)
    expected = train(network=lambda p, x: 2 * linear(p, x), **how)
    np.testing.assert_allclose(state.params, expected.params, rtol=1e-3)
    value, wanted = (s.opt_state[-1].value for s in (state, expected))
    assert float(value) == pytest.approx(float(wanted), rel=1e-3)


def test_a_changed_loss_is_seen_and_not_minimised():
    hooks = tnt.chain(
        tnt.hooks.metering(loss=(tnt.AverageValueMeter(), lambda s: s.loss)),
        tnt.Hooks(on_forward_criterion=lambda s: s.replace(loss=2 * s.loss)),
        tnt.hooks.metering(twice=(tnt.AverageValueMeter(), lambda s: s.loss)),
    )
    state = train(hooks)
    assert_close(state, train())
    loss, twice = (float(state.meters[n].value().mean) for n in ("loss", "twice"))
    assert twice == pytest.approx(2 * loss)


# ---- outputs and losses without a gradient ------------------------------------------


def with_labels(params, input):
    logits = linear(params, input)
    return {"logits": logits, "label": logits.argmax(-1), "sure": logits[:, 0] > 0}


def of_logits(output, target):
    return mean_error(output["logits"], target)


INTEGER_HOOKS = {
    "none": NO_HOOKS,
    "loss_scaling": tnt.hooks.loss_scaling(initial=8.0),
    "double": tnt.Hooks(
        on_backward_criterion=lambda s: s.replace(
            grad_output=jax.tree.map(lambda g: 1.0 * g, s.grad_output)
        )
    ),
    "on_forward": tnt.Hooks(on_forward=lambda s: s.replace(output={**s.output})),
}


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("hooks", INTEGER_HOOKS)
@pytest.mark.parametrize("half", [True, False])
def test_integers_beside_the_logits(hooks, how, half):
    network = tnt.network.mixed_precision(with_labels) if half else with_labels
    plain = tnt.network.mixed_precision(linear) if half else linear
    state = train(INTEGER_HOOKS[hooks], network=network, criterion=of_logits, **how)
    np.testing.assert_allclose(state.params, train(network=plain).params, rtol=2e-3)


def test_a_network_may_return_keys():
    def keyed(params, input):
        return {"logits": linear(params, input), "key": jax.random.key(0)}

    assert_close(train(network=keyed, criterion=of_logits), train())


@pytest.mark.parametrize(
    ("criterion", "came"),
    [
        (lambda o, t: jnp.round(mean_error(o, t)).astype(int), r"int32\[[84]\]"),
        (lambda o, t: (o > t).all(-1), r"bool\[[84]\]"),
        (lambda o, t: mean_error(o, t) + 0j, r"complex64\[[84]\].*square of jnp.abs"),
    ],
)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_loss_without_a_gradient_is_an_error(criterion, came, accumulate):
    with pytest.raises(TypeError, match=f"must return real floats.*{came}"):
        train(criterion=criterion, accumulate=accumulate)


def test_a_test_may_count_errors_in_its_criterion():
    state = tnt.SGDEngine().test(
        network=linear,
        criterion=lambda output, target: (output > target).all(-1),
        iterator=tnt.DatasetIterator(batches()),
        params=jnp.zeros((3, 2)),
    )
    assert int(state.samples) == 24


# ---- complex parameters -------------------------------------------------------------

ONES = {"input": np.ones(4, "c8"), "target": np.full(4, 1 + 2j, "c8")}
COMPLEX = {
    "network": lambda params, input: params * input,
    "criterion": lambda output, target: jnp.abs(output - target) ** 2,
    "iterator": tnt.DatasetIterator([ONES] * 100),
    "params": jnp.zeros((), jnp.complex64),
    "max_epoch": 1,
}
OPTIMIZERS = {
    "lr": {"lr": 0.1},
    "sgd": {"optimizer": optax.sgd(0.1)},
    "adam": {"optimizer": optax.adam(0.1)},
    "lbfgs": {"optimizer": optax.lbfgs()},
}


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("how", [{}, {"jit": False}, {"accumulate": 2}])
def test_complex_parameters_are_trained(optimizer, how):
    how = {**COMPLEX, **OPTIMIZERS[optimizer], **how}
    how["iterator"] = tnt.DatasetIterator([ONES] * (10 if "jit" in how else 100))
    how["max_epoch"] = 10 if "jit" in how and optimizer != "lbfgs" else 1
    state = train(tnt.hooks.nan_guard(), **how)
    assert complex(state.params) == pytest.approx(1 + 2j, abs=0.02)
    assert state.params.dtype == jnp.complex64


@pytest.mark.slow
def test_complex_parameters_of_a_criterion_are_trained():
    state = train(
        network=lambda params, input: input + 0 * params,
        criterion=lambda own, output, target: jnp.abs(own * output - target) ** 2,
        criterion_params=jnp.zeros((), jnp.complex64),
        iterator=tnt.DatasetIterator([ONES] * 100),
        params=jnp.zeros(()),
        max_epoch=1,
    )
    assert complex(state.criterion_params) == pytest.approx(1 + 2j, abs=1e-3)
