"""What hooks change where they may not, or in place, and values that make no sense."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt
from tests.engine.conftest import criterion, network

START = tnt.Hooks(on_start=lambda s: s.replace(aux={"n": np.float32(0)}))
NAN = float("nan")


def train(problem, *hooks, **change):
    return tnt.SGDEngine(tnt.chain(*hooks)).train(**problem.job(**change))


def same(one, other):
    np.testing.assert_allclose(one["weight"], other["weight"], rtol=1e-5, atol=1e-6)


# ---- in place -----------------------------------------------------------------------


def as_dict(params, input):
    return {"logits": network(params, input)}


def dict_criterion(output, target):
    return criterion(output["logits"], target)


def double_in_place(state):
    state.output["logits"] = 2 * state.output["logits"]
    return state


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param({"jit": False}, marks=pytest.mark.slow),
        {"accumulate": 2},
    ],
)
def test_an_output_changed_in_place_is_differentiated(problem, how):
    """A network may return a dict or a list, which hooks can write to."""
    job = {"network": as_dict, "criterion": dict_criterion, "max_epoch": 1, **how}
    state = train(problem, tnt.Hooks(on_forward=double_in_place), **job)

    def doubled(params, input):
        return {"logits": 2 * network(params, input)}

    same(state.params, train(problem, **{**job, "network": doubled}).params)


@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize("event", ["on_sample", "on_forward", "on_backward"])
def test_an_entry_of_aux_may_be_written_in_place(problem, event, jit):
    def count(state):
        state.aux["n"] = state.aux["n"] + 1
        return state

    hooks = START, tnt.Hooks(**{event: count})
    assert int(train(problem, *hooks, max_epoch=1, jit=jit).aux["n"]) == 7


@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize(("field", "value"), [("aux", 1), ("params", jnp.ones(2))])
def test_a_new_entry_in_place_is_an_error(problem, field, value, jit):
    def add(state):
        getattr(state, field)["new"] = value
        return state

    with pytest.raises(TypeError, match=rf"hook \S+ of on_update changed {field},"):
        train(problem, START, tnt.Hooks(on_update=add), jit=jit)


def test_what_a_hook_writes_in_place_is_not_in_the_state_before(problem):
    seen = []

    def change(state):
        state.sample["input"] = state.sample["input"] * 0
        return state

    def look(state):
        seen.append(state)
        return state

    given = {"input": problem.data["input"], "target": problem.data["target"]}
    iterator = tnt.DatasetIterator([given])
    hooks = tnt.Hooks(on_sample=look), tnt.Hooks(on_sample=change)
    train(problem, *hooks, iterator=iterator, max_epoch=2, jit=False)
    for state in seen:
        np.testing.assert_array_equal(state.sample["input"], problem.data["input"])


# ---- gradients, masks, results ------------------------------------------------------


@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize(
    ("event", "field", "change"),
    [
        ("on_backward", "grads", lambda g: {**g, "bias": g["bias"][0]}),
        ("on_backward", "grads", lambda g: {"weight": g["weight"]}),
        ("on_backward", "grads", lambda g: {**g, "bias": g["bias"][None]}),
        ("on_backward_criterion", "grad_output", lambda g: g[0]),
        ("on_backward_criterion", "grad_output", lambda g: [g]),
    ],
)
def test_a_gradient_of_another_shape_names_the_hook(problem, event, field, change, jit):
    """One that is broadcast would train something else, in silence."""

    def wrong(state):
        return state.replace(**{field: change(getattr(state, field))})

    words = rf"the compiled hook \S+wrong of {event} changed .* state.{field}, or"
    with pytest.raises(TypeError, match=words):
        train(problem, tnt.Hooks(**{event: wrong}), jit=jit)


def test_a_gradient_of_another_dtype_is_taken(problem):
    def halve(state):
        return state.replace(
            grads=jax.tree.map(lambda g: g.astype("float16"), state.grads)
        )

    state = train(problem, tnt.Hooks(on_backward=halve))
    assert state.params["weight"].dtype == np.float32


@pytest.mark.parametrize("how", [{}, {"jit": False}, {"accumulate": 2}])
@pytest.mark.parametrize("changes_output", [True, False])
def test_a_mask_set_in_on_forward_is_an_error(problem, changes_output, how):
    def hide(state):
        mask = jnp.arange(len(state.output)) < 2
        output = 2 * state.output if changes_output else state.output
        return state.replace(sample={**state.sample, "mask": mask}, output=output)

    hooks = tnt.Hooks(on_forward=hide)
    with pytest.raises(TypeError, match="mask.*changed in on_forward.*set it in on_sa"):
        train(problem, hooks, **how)
    job = {name: problem.job()[name] for name in ("network", "iterator", "params")}
    how = {name: value for name, value in how.items() if name == "jit"}
    with pytest.raises(TypeError, match="mask.*changed in on_forward"):
        tnt.SGDEngine(hooks).test(**job, **how)


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param({"jit": False}, marks=pytest.mark.slow),
        {"accumulate": 2},
    ],
)
def test_a_mask_that_was_there_may_be_seen_in_on_forward(problem, how):
    data = {**problem.data, "mask": np.arange(53) % 3 > 0}
    iterator = problem.over(tnt.TableDataset(data))

    def double(state):
        return state.replace(sample=dict(state.sample), output=2 * state.output)

    hooks = tnt.Hooks(on_forward=double)
    state = train(problem, hooks, iterator=iterator, **how)
    assert state.samples == 2 * data["mask"].sum()


def wrong_shape():
    def update(updates, state, params=None):
        return jax.tree.map(lambda g: g[None], updates), state

    return optax.GradientTransformation(lambda params: (), update)


@pytest.mark.parametrize("jit", [True, False])
def test_an_optimizer_whose_updates_have_another_shape(problem, jit):
    job = problem.job(optimizer=wrong_shape(), jit=jit)
    del job["lr"]
    with pytest.raises(
        TypeError, match="the optimizer changed params.*keep its struct"
    ):
        tnt.OptimEngine().train(**job)


def test_a_hook_with_a_jit_of_its_own_is_told_so(problem):
    hooks = tnt.Hooks(on_update=jax.jit(lambda state: state))
    with pytest.raises(TypeError, match="A hook needs no jax.jit of its own"):
        train(problem, hooks)


# ---- values that hooks of the host put in -------------------------------------------

WRONG = [
    ("lr", "0.1", TypeError, "lr must be a number, got '0.1'"),
    ("lr", -1.0, ValueError, "lr must be at least 0, got -1.0"),
    ("lr", NAN, ValueError, "lr must be at least 0, got nan"),
    ("lr", float("inf"), ValueError, "lr must be finite"),
    ("lr", np.ones(2), TypeError, "lr must be a number"),
    ("params", None, TypeError, "params must be a pytree of float arrays, got None"),
    ("params", {"weight": "a"}, TypeError, r"params\['weight'\] is 'a'"),
    ("params", {"weight": np.ones(2, int)}, TypeError, "params.*be floating point"),
    ("key", 3, TypeError, "key must be a PRNG key, got 3"),
    ("key", jax.random.split(jax.random.key(0)), TypeError, "key must be one PRNG key"),
    ("stop", "no", TypeError, "stop must be True or False, got 'no'"),
    ("stop", np.ones(2, bool), TypeError, "stop must be True or False"),
    ("max_steps", -1, ValueError, "max_steps must be at least 0, got -1"),
    ("max_steps", 2.5, TypeError, "max_steps must be an integer, got 2.5"),
    ("max_epoch", "2", TypeError, "max_epoch must be an integer, got '2'"),
]


@pytest.mark.parametrize(("field", "value", "error", "words"), WRONG)
def test_a_value_that_makes_no_sense_names_the_hook(
    problem, field, value, error, words
):
    def wrong(state):
        return state.replace(**{field: value})

    for hooks, event in (
        (tnt.every(2, wrong), r"every\(2\)"),
        (tnt.Hooks(on_start=wrong), "on_start"),
        (tnt.Hooks(on_end_epoch=wrong), "on_end_epoch"),
    ):
        with pytest.raises(error, match=f"{event}: state.{words}") as caught:
            train(problem, hooks)
        notes = "".join(caught.value.__notes__)
        assert f"This happened in the hook {wrong.__qualname__} of" in notes
    fields = ("max_epoch", "max_steps", "stop")
    if field not in fields and (field, value) != ("params", None):
        state = train(problem).replace(**{field: value})
        job = {n: problem.job()[n] for n in ("network", "criterion", "iterator")}
        with pytest.raises(error, match=rf"train\(state=...\): state.{words}"):
            tnt.SGDEngine().train(**job, state=state)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lr", 0),
        ("lr", np.float32(0.5)),
        ("lr", jnp.float32(0.5)),
        ("stop", np.bool_(False)),
        ("stop", jnp.asarray(False)),
        ("max_steps", np.int64(9)),
        ("max_steps", None),
        ("key", jax.random.PRNGKey(3)),
    ],
)
def test_values_of_all_libraries_are_taken(problem, field, value):
    hooks = tnt.every(2, lambda s: s.replace(**{field: value}))
    assert train(problem, hooks).t == (9 if field == "max_steps" and value else 14)


@pytest.mark.parametrize("jit", ["False", 1, None])
def test_jit_is_true_or_false(problem, jit):
    with pytest.raises(TypeError, match="jit must be True or False, got"):
        train(problem, jit=jit)
    job = {name: problem.job()[name] for name in ("network", "iterator", "params")}
    with pytest.raises(TypeError, match="jit must be True or False, got"):
        tnt.SGDEngine().test(**job, jit=jit)


@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize("value", ["a", None, [1.0]])
def test_what_is_no_number_in_aux_names_the_hook(problem, value, jit):
    hooks = tnt.Hooks(on_update=lambda s: s.replace(aux={"n": value}))
    with pytest.raises(TypeError, match="of on_update changed aux"):
        train(problem, START, hooks, jit=jit)


def test_a_key_is_not_replaced_by_a_number(problem):
    hooks = tnt.Hooks(on_update=lambda s: s.replace(key=3))
    with pytest.raises(TypeError, match="of on_update changed key"):
        train(problem, hooks)


# ---- what has no effect -------------------------------------------------------------


def optax_job(problem, **change):
    job = problem.job(optimizer=optax.sgd(0.1), **change)
    del job["lr"]
    return job


@pytest.mark.parametrize("field", ["lr", "lr_criterion"])
def test_a_rate_beside_an_optimizer_is_an_error(problem, field):
    """It would be shown, and the optimizer's own would be used."""
    hooks = tnt.Hooks(on_start_epoch=lambda s: s.replace(**{field: 0.0}))
    words = f"state.{field} has no effect: the optimizer has the learning rate"
    with pytest.raises(TypeError, match=words):
        tnt.OptimEngine(hooks).train(**optax_job(problem))
    state = tnt.OptimEngine().train(**optax_job(problem))
    rest = optax_job(problem)
    del rest["params"]
    with pytest.raises(TypeError, match=rf"train\(state=...\): {words}"):
        tnt.OptimEngine().train(**rest, state=state.replace(**{field: 0.0}))


@pytest.mark.parametrize(
    ("engine", "given", "error", "words"),
    [
        (tnt.SGDEngine, {"lr_criterion": 0.1}, TypeError, "lr_criterion is the rate"),
        (
            tnt.OptimEngine,
            {"criterion_optimizer": optax.sgd(0.1)},
            TypeError,
            "criterion_optimizer is for criterion_params",
        ),
        (tnt.SGDEngine, {"data_axis": "rows"}, ValueError, "pass mesh=... as well"),
    ],
)
def test_an_argument_for_what_is_not_there_is_an_error(
    problem, engine, given, error, words
):
    job = problem.job() if engine is tnt.SGDEngine else optax_job(problem)
    with pytest.raises(error, match=words):
        engine().train(**job, **given)


def test_parameters_of_another_form_beside_the_old_opt_state(problem):
    def grow(state):
        return state.replace(params={**state.params, "more": jnp.zeros(2)})

    for event in ("on_start", "on_start_epoch"):
        with pytest.raises(TypeError, match="opt_state=optimizer.init.new"):
            job = {**optax_job(problem), "optimizer": optax.adam(0.1)}
            tnt.OptimEngine(tnt.Hooks(**{event: grow})).train(**job)

    def grow_both(state):
        new = grow(state)
        return new.replace(opt_state=optax.adam(0.1).init(new.params))

    hooks = tnt.Hooks(on_start_epoch=lambda s: s if s.epoch else grow_both(s))
    job = {**optax_job(problem), "optimizer": optax.adam(0.1)}
    assert "more" in tnt.OptimEngine(hooks).train(**job).params


def test_a_real_gradient_does_not_become_complex(problem):
    def turn(state):
        return state.replace(grads=jax.tree.map(lambda g: g * 1j, state.grads))

    with pytest.raises(TypeError, match="made real numbers complex"):
        train(problem, tnt.Hooks(on_backward=turn))


# ---- losses of a test, and parameters that are none ---------------------------------


@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize(
    ("criterion", "words"),
    [
        (lambda o, t: criterion(o, t).sum(), "one loss for each row, got float32.."),
        (lambda o, t: o, r"a loss of shape \[\] or \[B\]"),
        (lambda o, t: None, r"a loss of shape \[\] or \[B\], got None"),
        (lambda o, t: (criterion(o, t), {}), r"got \(.*\)\. Return an array alone"),
    ],
)
def test_a_test_refuses_the_losses_that_training_refuses(
    problem, criterion, words, jit
):
    data = {**problem.data, "mask": np.arange(53) % 3 > 0}
    job = {"network": network, "criterion": criterion, "params": problem.params}
    with pytest.raises(ValueError, match=words):
        tnt.SGDEngine().test(
            **job, iterator=problem.over(tnt.TableDataset(data)), jit=jit
        )


def test_plugins_of_a_network_without_parameters(problem):
    hooks = tnt.chain(tnt.hooks.loss_scaling(), tnt.hooks.nan_guard(2))
    job = {"network": lambda params, input: input[:, :3], "params": {}}
    assert train(problem, hooks, **job).t == 14


def test_tensors_of_torch_are_not_parameters(problem):
    class Tensor:
        dtype, shape = "torch.float32", (3,)

    with pytest.raises(TypeError, match=r"params\['bias'\] is .* of JAX or NumPy"):
        train(problem, params={**problem.params, "bias": Tensor()})


@pytest.mark.parametrize("rate", [1 + 0j, np.complex64(1), np.bool_(True), jnp.ones(1)])
def test_a_rate_is_a_real_number(problem, rate):
    with pytest.raises(TypeError, match="lr must be a number, got"):
        train(problem, lr=rate)


def test_a_number_of_steps_beyond_the_epoch_costs_no_memory(problem):
    """The samples of a shorter call are padded, but not to terabytes."""
    state = train(problem, steps_per_call=10**9)
    same(state.params, train(problem).params)


# ---- integers of 64 bits, and keys that are none ------------------------------------


@pytest.mark.parametrize("value", [2**40, np.int64(2**40), np.array([1, 2**32])])
@pytest.mark.parametrize("event", ["on_start", "on_end_epoch"])
def test_what_hooks_leave_does_not_wrap_around(problem, event, value):
    hooks = tnt.Hooks(**{event: lambda state: state.replace(aux={"n": value})})
    with pytest.raises(
        OverflowError, match=r"state.aux\['n'\] is .* beyond the 32 bits"
    ):
        train(problem, hooks)


def test_small_numbers_of_64_bits_are_carried_in_32(problem):
    ends = np.array([2**31 - 1, -(2**31)])
    hooks = tnt.Hooks(on_start=lambda state: state.replace(aux={"n": ends}))
    carried = train(problem, hooks, model_state={"n": ends})
    for found in (carried.aux["n"], carried.model_state["n"]):
        assert found.dtype == jnp.int32
        assert found.tolist() == ends.tolist()


@pytest.mark.parametrize("count", [2**40, np.int64(2**40)])
def test_a_counter_does_not_wrap_around(problem, count):
    hooks = tnt.Hooks(on_start=lambda state: state.replace(t=count))
    with pytest.raises(OverflowError, match=r"state\.t is .* beyond the 32 bits"):
        train(problem, hooks)


def test_a_model_state_does_not_wrap_around(problem):
    with pytest.raises(OverflowError, match=r"model_state\['n'\] has the number 1099"):
        train(problem, model_state={"n": np.array(2**40)})


def test_a_hook_may_not_take_the_key_away(problem):
    hooks = tnt.Hooks(on_start=lambda state: state.replace(key=None))
    with pytest.raises(TypeError, match=r"state.key must be a PRNG key, got None"):
        train(problem, hooks)
    state = train(problem).replace(key=None)
    given = {"params": None, "lr": None, "state": state, "max_epoch": 3}
    with pytest.raises(ValueError, match=r"this one has no key. Give it one"):
        train(problem, **given)


def test_one_key_for_all_members_is_refused(problem):
    hooks = tnt.Hooks(on_end_epoch=lambda state: state.replace(key=jax.random.key(1)))
    params = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), problem.params)
    with pytest.raises(ValueError, match=r"state.key is key<.* a leading axis of 2"):
        train(problem, hooks, params=params, members=2)
