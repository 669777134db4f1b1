"""A step of one's own, with all that the engine does around it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt
from tests.engine.conftest import criterion, network

RATE = 0.1


def descend(state, sample):
    """The step of SGDEngine, written out."""

    def measure(params):
        return jnp.mean(criterion(network(params, sample["input"]), sample["target"]))

    loss, grads = jax.value_and_grad(measure)(state.params)
    params = jax.tree.map(lambda p, g: p - RATE * g, state.params, grads)
    return state.replace(params=params, loss=loss)


OPTIMIZER = optax.adam(1e-2)


def adapt(state, sample):
    """A step with an optimizer of optax, which fires all events."""

    def measure(params):
        output = network(params, sample["input"])
        return jnp.mean(criterion(output, sample["target"])), output

    (loss, output), grads = jax.value_and_grad(measure, has_aux=True)(state.params)
    state = tnt.fire(state.replace(output=output), "on_forward")
    state = tnt.fire(state.replace(loss=loss), "on_forward_criterion")
    state = tnt.fire(state.replace(grads=grads), "on_backward")
    updates, opt_state = OPTIMIZER.update(state.grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    return state.replace(params=params, opt_state=opt_state)


def job(problem, **changes):
    given = {"iterator": problem.iterator(), "params": problem.params, "max_epoch": 2}
    return {**given, **changes}


def assert_alike(one, other, rtol=1e-5):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6)


def assert_same(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


# ---- it does what the other engines do ----------------------------------------------


@pytest.mark.parametrize(
    "more", [{}, {"jit": False}, {"steps_per_call": 3}, {"max_steps": 9}]
)
def test_descends_as_sgd_engine_does(problem, more):
    wanted = tnt.SGDEngine().train(**problem.job(**more))
    state = tnt.StepEngine(descend).train(**job(problem, **more))
    assert_alike(state.params, wanted.params)
    for name in ("t", "samples", "epoch", "position"):
        assert getattr(state, name) == getattr(wanted, name)
    assert state.loss == pytest.approx(wanted.loss, rel=1e-5)


def test_adapts_as_optim_engine_does(problem):
    common = job(problem)
    functions = {"network": network, "criterion": criterion}
    wanted = tnt.OptimEngine().train(optimizer=OPTIMIZER, **functions, **common)
    opt_state = OPTIMIZER.init(problem.params)
    state = tnt.StepEngine(adapt).train(opt_state=opt_state, **common)
    assert_alike(state.params, wanted.params)
    assert_alike(state.opt_state, wanted.opt_state)


def test_many_steps_are_one_call(problem):
    traced = []

    def step(state, sample):
        traced.append(sample["input"].shape)
        return descend(state, sample)

    tnt.StepEngine(step).train(**job(problem, max_epoch=8))
    assert len(traced) <= 4
    before = len(traced)
    tnt.StepEngine(step).train(**job(problem))
    assert len(traced) == before


def test_meters_hooks_and_watches(problem):
    shown = []
    metering = tnt.hooks.metering(
        loss=(tnt.AverageValueMeter(), lambda state: state.loss),
        error=(
            tnt.ClassErrorMeter(),
            lambda state: (state.output, state.sample["target"]),
        ),
    )
    stop = tnt.Hooks(
        on_backward=lambda s: s.replace(grads=jax.tree.map(jnp.zeros_like, s.grads))
    )
    watch = tnt.watch(3, lambda s: shown.append((s.t, s.loss, s.meters["loss"].n)))
    engine = tnt.StepEngine(adapt, tnt.chain(metering, stop, watch))
    common = job(problem, opt_state=OPTIMIZER.init(problem.params))
    state = engine.train(**common)
    assert int(state.meters["loss"].n) == 7  # one a batch of the last epoch
    assert int(state.meters["error"].n) == 53
    assert [t for t, _, _ in shown] == [3, 6, 9, 12]
    assert [int(n) for _, _, n in shown] == [3, 6, 2, 5]
    assert_same(state.params, problem.params)  # gradients went through the hook


def test_metering_of_output_and_loss_counts_each_batch_once(problem):
    """Also where no criterion is known, for which it measures earlier in a test."""
    metering = tnt.hooks.metering(
        n=(tnt.AverageValueMeter(), lambda state: jnp.float32(1))
    )
    common = job(problem, opt_state=OPTIMIZER.init(problem.params))
    state = tnt.StepEngine(adapt, metering).train(**common)
    assert int(state.meters["n"].n) == 7


def test_validates_with_the_network_that_it_was_given(problem):
    engine = tnt.StepEngine(descend)
    state = engine.train(**job(problem, network=network, criterion=criterion))
    assert state.network is network and state.criterion is criterion
    tested = engine.test(
        network=network,
        criterion=criterion,
        params=state.params,
        iterator=problem.iterator(),
    )
    assert int(tested.t) == 7


@pytest.mark.slow
def test_goes_on_from_a_state_and_from_the_disk(problem):
    whole = tnt.StepEngine(adapt).train(
        **job(problem, opt_state=OPTIMIZER.init(problem.params), max_epoch=3)
    )
    half = tnt.StepEngine(adapt).train(
        **job(problem, opt_state=OPTIMIZER.init(problem.params), max_steps=9)
    )
    on = tnt.StepEngine(adapt).train(
        iterator=problem.iterator(), state=half, max_epoch=3
    )
    assert_same((on.params, on.opt_state), (whole.params, whole.opt_state))
    saved = {name: getattr(half, name) for name in ("params", "opt_state", "key")}
    saved |= {name: getattr(half, name) for name in ("t", "epoch", "position")}
    again = tnt.StepEngine(adapt).train(
        **job(problem, opt_state=OPTIMIZER.init(problem.params), max_epoch=3),
        resume=lambda fields: saved,
    )
    assert_same((again.params, again.opt_state), (whole.params, whole.opt_state))


@pytest.mark.devices(4)
@pytest.mark.slow
def test_on_a_mesh(problem):
    mesh = jax.make_mesh((4,), ("data",))
    one = tnt.StepEngine(descend).train(**job(problem))
    state = tnt.StepEngine(descend).train(**job(problem, mesh=mesh))
    assert len(state.params["weight"].sharding.device_set) == 4
    assert_alike(state.params, one.params)


def test_a_step_may_be_skipped(problem):
    def step(state, sample):
        return descend(state, sample).replace(skip=state.t >= 5)

    state = tnt.StepEngine(step).train(**job(problem, max_steps=9))
    wanted = tnt.StepEngine(descend).train(**job(problem, max_steps=5))
    assert_alike(state.params, wanted.params)
    assert state.t == 9


# ---- samples and States of any form -------------------------------------------------


@pytest.mark.parametrize(
    ("sample", "rows"),
    [
        (np.float32(1), 1),
        (np.ones(5, np.float32), 5),
        ((np.ones((3, 2)), np.ones(3)), 3),
        ((np.ones((3, 2)), np.ones(4)), 1),
        ({"input": np.ones((4, 2)), "other": np.ones(9)}, 4),
        ({"input": {"a": np.ones((4, 2)), "b": np.ones(5)}}, 1),
        ({"x": np.ones(3), "mask": np.array([True, False, True])}, 2),
        ({"x": np.ones((3, 2)), "mask": np.ones((3, 2), bool)}, 3),  # of other things
        ({"x": np.ones(3), "mask": np.ones(3)}, 3),
    ],
)
def test_samples_may_be_of_any_form(sample, rows):
    def step(state, sample):
        return state.replace(params=state.params + 1)

    iterator = tnt.DatasetIterator([sample] * 3)
    state = tnt.StepEngine(step).train(
        iterator=iterator, params=jnp.zeros(()), max_epoch=1
    )
    assert float(state.params) == 3
    assert state.samples == 3 * rows
    assert np.isnan(state.loss)  # it left none


def test_the_loss_that_is_seen_is_the_mean_of_rows_that_count():
    def step(state, sample):
        return state.replace(loss=sample["x"])

    x, mask = np.array([1, np.nan, 5], np.float32), np.array([True, False, True])
    arguments = {"params": jnp.zeros(()), "max_epoch": 1}
    iterator = tnt.DatasetIterator([{"x": x, "mask": mask}])
    assert tnt.StepEngine(step).train(iterator=iterator, **arguments).loss == 3
    iterator = tnt.DatasetIterator([{"x": x[::2]}])
    assert tnt.StepEngine(step).train(iterator=iterator, **arguments).loss == 3


@pytest.mark.parametrize("loss", [3.0, np.array([2.0, 4.0])])
def test_a_mask_of_other_rows_hides_no_loss(loss):
    """The mean that a step made itself is there though all rows are hidden."""
    iterator = tnt.DatasetIterator([{"x": np.ones(3), "mask": np.zeros(3, bool)}])
    state = tnt.StepEngine(lambda state, sample: state.replace(loss=loss)).train(
        iterator=iterator, params=jnp.zeros(()), max_epoch=1
    )
    assert state.loss == 3


@pytest.mark.parametrize(("dtype", "large"), [("float16", 2**15), ("int32", 10**9)])
def test_the_mean_of_losses_whose_sum_is_beyond_their_dtype_is_right(dtype, large):
    iterator = tnt.DatasetIterator([{"x": np.ones(8), "mask": np.ones(8, bool)}])
    state = tnt.StepEngine(
        lambda state, sample: state.replace(loss=jnp.full(8, large, dtype))
    ).train(iterator=iterator, params=jnp.zeros(()), max_epoch=1)
    assert state.loss == large


def test_nan_guard_takes_a_mask_of_another_form_for_a_field():
    def step(state, sample):
        state = state.replace(loss=sample["x"], grads=state.params)
        return tnt.fire(state, "on_backward")

    x, mask = np.array([1, np.nan], np.float32), np.ones((3, 2), bool)
    with pytest.raises(tnt.hooks.NonFiniteError, match="in update 1 the loss was not"):
        tnt.StepEngine(step, tnt.hooks.nan_guard()).train(
            iterator=tnt.DatasetIterator([{"x": x, "mask": mask}]),
            params=jnp.ones(()),
            max_epoch=1,
        )


def test_two_optimizers_take_turns():
    """Each second update is of the other player, and each has a state of its own."""
    optimizers = {"a": optax.sgd(0.5), "b": optax.adam(0.1)}
    params = {"a": jnp.zeros(()), "b": jnp.ones(2)}

    def step(state, sample):
        def move(name, state):
            grads = jax.tree.map(jnp.ones_like, state.params[name])
            own = state.opt_state[name]
            updates, own = optimizers[name].update(grads, own, state.params[name])
            moved = optax.apply_updates(state.params[name], updates)
            return state.replace(
                params={**state.params, name: moved},
                opt_state={**state.opt_state, name: own},
            )

        return jax.lax.cond(
            state.t % 2 == 0, lambda s: move("a", s), lambda s: move("b", s), state
        )

    opt_state = {name: optimizers[name].init(params[name]) for name in params}
    state = tnt.StepEngine(step).train(
        iterator=tnt.DatasetIterator(range(5)),
        params=params,
        opt_state=opt_state,
        max_epoch=1,
    )
    assert float(state.params["a"]) == -1.5
    assert int(state.opt_state["b"][0].count) == 2


def test_randomness_and_memory_of_the_steps_own():
    def start(state):
        return state.replace(aux={"sum": jnp.zeros(())}, large={"seen": jnp.zeros(4)})

    def step(state, sample):
        key, own = jax.random.split(state.key)
        drawn = jax.random.normal(own)
        seen = state.large["seen"].at[state.t].set(drawn)
        total = {"sum": state.aux["sum"] + drawn}
        return state.replace(key=key, aux=total, large={"seen": seen})

    state = tnt.StepEngine(step, tnt.Hooks(on_start=start)).train(
        iterator=tnt.DatasetIterator(range(4)), params=(), max_epoch=1
    )
    assert len(set(np.asarray(state.large["seen"]).tolist())) == 4
    assert float(state.aux["sum"]) == pytest.approx(float(state.large["seen"].sum()))


# ---- what is wrong says so ----------------------------------------------------------


def change(**fields):
    return lambda state, sample: state.replace(**fields)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda state, sample: None, r"returned None and not a State.*\(state, sample"),
        (lambda state, sample: (state, 1), r"returned \(State.*and not a State"),
        (change(t=5), "changed state.t, which is the engine's"),
        (change(network=max), "changed state.network"),
        (change(events=None), "changed state.events"),
        (change(params=jnp.zeros(2)), r"changed params.*before: float32\[\]"),
        (change(params=jnp.zeros((), int)), "changed params"),
        (change(aux={"new": jnp.zeros(())}), "changed aux"),
        (change(opt_state=1.0), "changed opt_state"),
        (jax.jit(lambda state, sample: state), "needs no jax.jit of its own"),
        (change(loss="a"), "must leave a real loss of shape .* or None; got 'a'"),
        (change(loss={"a": 1.0}), r"must leave a real loss .*got {'a': 1.0}"),
        (change(loss=1j), "must leave a real loss"),
        (
            change(loss=jnp.zeros((2, 2))),
            r"must leave a real loss .*got float32\[2,2\]",
        ),
    ],
)
def test_what_a_step_may_not_do(step, message):
    with pytest.raises(TypeError, match=f"(?s){message}") as caught:
        tnt.StepEngine(step).train(
            iterator=tnt.DatasetIterator(range(3)), params=jnp.zeros(()), max_epoch=1
        )
    assert caught.value.state.t == 0  # nothing was lost


def test_a_change_of_form_says_what_to_do():
    with pytest.raises(TypeError) as caught:
        tnt.StepEngine(change(aux={"new": 1})).train(
            iterator=tnt.DatasetIterator(range(3)), params=jnp.zeros(()), max_epoch=1
        )
    assert any("on_start, and cast" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("event", ["on_forward", "on_backward_criterion"])
def test_a_hook_that_would_never_run_is_an_error(event):
    hooks = tnt.Hooks(**{event: lambda state: state})
    with pytest.raises(TypeError, match=f"never fires {event}, so the hook .*lambda"):
        tnt.StepEngine(change(), hooks).train(
            iterator=tnt.DatasetIterator(range(3)), params=jnp.zeros(()), max_epoch=1
        )


def test_events_are_fired_in_the_step_alone():
    with pytest.raises(TypeError, match="in the step of a StepEngine, got one outside"):
        tnt.fire(tnt.State(), "on_forward")
    with pytest.raises(TypeError, match="in the step of a StepEngine, got 5"):
        tnt.fire(5, "on_forward")
    with pytest.raises(ValueError, match="got 'on_foward'. Did you mean 'on_forward'"):
        tnt.fire(tnt.State(), "on_foward")
    with pytest.raises(ValueError, match="needs one of on_forward, .*got 'on_update'"):
        tnt.fire(tnt.State(), "on_update")


def test_an_error_in_the_step_tells_the_shapes():
    def step(state, sample):
        return state.params @ sample

    with pytest.raises(Exception) as caught:
        tnt.StepEngine(step).train(
            iterator=tnt.DatasetIterator([np.ones(3)]),
            params=jnp.zeros((2, 2)),
            max_epoch=1,
        )
    notes = "\n".join(caught.value.__notes__)
    assert "step(state, sample) with state.params = float32[2,2] and sample = " in notes


def test_arguments_are_checked(problem):
    with pytest.raises(
        TypeError, match="StepEngine: step must be a function, but it is 5"
    ):
        tnt.StepEngine(5)
    with pytest.raises(TypeError, match="StepEngine needs Hooks"):
        tnt.StepEngine(descend, [])
    with pytest.raises(TypeError, match="has no argument 'accumulate'"):
        tnt.StepEngine(descend).train(**job(problem, accumulate=2))
    with pytest.raises(TypeError, match="missing a required .*'iterator'"):
        tnt.StepEngine(descend).train(params=problem.params)
    with pytest.raises(TypeError, match=r"leave out opt_state="):
        tnt.StepEngine(descend).train(
            iterator=problem.iterator(), state=tnt.State(), opt_state=1.0
        )
    with pytest.raises(TypeError, match=r"Pass what it keeps, optimizer.init\(params"):
        tnt.StepEngine(descend).train(**job(problem, opt_state=OPTIMIZER))
    with pytest.raises(ValueError, match="lr must be at least 0"):
        tnt.StepEngine(descend).train(**job(problem, lr=-1))
    with pytest.raises(TypeError, match="network"):
        tnt.StepEngine(descend).train(**job(problem, network=5))


# ---- samples that depend on the State -----------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("put", [np.asarray, jnp.asarray])
def test_an_iterator_made_of_the_state_compiles_nothing_anew(put):
    traced, iterated = [], []

    def network(params, input):
        traced.append(input.shape)
        return input * params

    def play(state):
        iterated.append(float(state.params))
        target = put(0.5 * state.params * jnp.ones(8))
        games = tnt.TableDataset({"input": put(jnp.ones(8)), "target": target})
        return state.replace(iterator=tnt.DatasetIterator(tnt.BatchDataset(games, 4)))

    def run(max_epoch):
        return tnt.SGDEngine(tnt.Hooks(on_start_epoch=play)).train(
            network=network,
            criterion=lambda output, target: (output - target) ** 2,
            iterator=tnt.DatasetIterator([]),
            params=jnp.float32(8),
            lr=0.25,
            max_epoch=max_epoch,
        )

    state = run(6)
    assert state.t == 12 and float(state.params) < 0.5
    assert iterated == sorted(iterated, reverse=True)
    at_first = len(traced)
    run(1)
    assert at_first == len(traced) - at_first  # as often as for one epoch
