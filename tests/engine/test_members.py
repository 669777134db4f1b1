"""Many runs in one program: each member ends as its run alone would."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt
from tests.engine.conftest import CLASSES, FEATURES, network

MEMBERS = 4
RATES = np.array([0.01, 0.1, 0.3, 1.0], np.float32)


ROUNDED = {"meters": 1e-3}
"""Meters keep what rounding took off, in which all digits may differ."""


def draw(key):
    weight = jax.random.normal(key, (FEATURES, CLASSES))
    return {"weight": weight, "bias": jnp.zeros(CLASSES)}


PARAMS = jax.vmap(draw)(jax.random.split(jax.random.key(3), MEMBERS))


def member(tree, number):
    return jax.tree.map(lambda leaf: leaf[number], tree)


def assert_alike(one, other, atol=1e-5):
    assert jax.tree.structure(one) == jax.tree.structure(other)

    def alike(a, b):
        if jnp.issubdtype(jnp.asarray(a).dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=atol)

    jax.tree.map(alike, one, other)


def assert_members_alike(together, alone):
    """Compares what is carried of all members with that of runs of one."""
    for number, state in enumerate(alone):
        for field in ("params", "opt_state", "model_state", "large", "meters", "aux"):
            own = member(getattr(together, field), number)
            assert_alike(getattr(state, field), own, ROUNDED.get(field, 1e-5))
        if state.lr is not None:
            assert state.lr == pytest.approx(float(together.lr[number]), rel=1e-6)


def metering():
    return tnt.hooks.metering(
        loss=(tnt.AverageValueMeter(), lambda state: state.loss),
        confusion=(
            tnt.ConfusionMeter(CLASSES),
            lambda state: (state.output, state.sample["target"]),
        ),
    )


def run_both(problem, hooks, **changes):
    """Trains all members together and each alone, by gradient descent."""
    common = problem.job(**changes)
    common.pop("params"), common.pop("lr")
    keys = jax.random.split(jax.random.key(7), MEMBERS)
    together = tnt.SGDEngine(hooks()).train(
        **common, params=PARAMS, lr=RATES, key=keys, members=MEMBERS
    )
    alone = [
        tnt.SGDEngine(hooks()).train(
            **common,
            params=member(PARAMS, number),
            lr=float(RATES[number]),
            key=keys[number],
        )
        for number in range(MEMBERS)
    ]
    return together, alone


@pytest.mark.parametrize(
    "more",
    [
        {},
        pytest.param({"jit": False}, marks=pytest.mark.slow),
        pytest.param({"steps_per_call": 3}, marks=pytest.mark.slow),
    ],
)
def test_members_end_as_runs_alone_do(problem, more):
    together, alone = run_both(problem, metering, **more)
    assert_members_alike(together, alone)
    for name in ("t", "samples", "epoch", "position"):
        assert getattr(together, name) == getattr(alone[0], name)
    np.testing.assert_allclose(together.loss, [s.loss for s in alone], rtol=1e-4)


def validation(problem):
    error = tnt.hooks.metering(
        error=(tnt.ClassErrorMeter(), lambda s: (s.output, s.sample["target"]))
    )
    return tnt.hooks.validate(
        tnt.SGDEngine(error),
        problem.iterator(),
        score=lambda state: state.meters["error"].value()[1],
    )


@pytest.mark.slow
@pytest.mark.parametrize("restore", [True, False])
def test_members_stop_early_each_by_itself(problem, restore):
    def hooks():
        stopping = tnt.hooks.early_stopping(
            lambda state: state.aux["validate"], patience=2, restore=restore
        )
        return tnt.chain(metering(), validation(problem), stopping)

    together, alone = run_both(problem, hooks, max_epoch=12)
    epochs = [state.epoch for state in alone]
    assert len(set(epochs)) > 1 and min(epochs) < 12
    assert together.epoch == max(epochs)
    assert together.stop == all(state.stop for state in alone)
    for field in ("params", "large", "meters"):
        for number, state in enumerate(alone):
            own = member(getattr(together, field), number)
            assert_alike(getattr(state, field), own, ROUNDED.get(field, 1e-5))
    best = [int(state.aux["early_stopping"]["epoch"]) for state in alone]
    assert together.aux["early_stopping"]["epoch"].tolist() == best


@pytest.mark.slow
def test_a_run_with_members_that_are_done_goes_on(problem):
    def hooks():
        stopping = tnt.hooks.early_stopping(
            lambda state: state.aux["validate"], patience=2
        )
        return tnt.chain(validation(problem), stopping)

    common = problem.job(max_epoch=12, members=MEMBERS, params=PARAMS, lr=RATES)
    whole = tnt.SGDEngine(hooks()).train(**common)
    part = tnt.SGDEngine(hooks()).train(**{**common, "max_epoch": 5})
    del common["params"], common["lr"]
    on = tnt.SGDEngine(hooks()).train(**common, state=part)
    np.testing.assert_array_equal(on.params["weight"], whole.params["weight"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "hooks",
    [
        lambda: tnt.hooks.plateau(lambda s: 0.5, factor=0.5, patience=1),
        lambda: tnt.hooks.learning_rate(optax.cosine_decay_schedule(0.2, 14)),
        lambda: tnt.hooks.learning_rate({0: 0.1, 1: 0.01}, by="epoch"),
        lambda: tnt.hooks.ema(0.9),
        lambda: tnt.hooks.ema(0.9, debias=False, start=3),
        lambda: tnt.hooks.nan_guard(5),
        lambda: tnt.hooks.loss_scaling(initial=8.0),
        lambda: tnt.chain(tnt.hooks.ema(0.9), metering(), tnt.hooks.nan_guard()),
    ],
)
def test_plugins_work_as_they_are(problem, hooks):
    assert_members_alike(*run_both(problem, hooks))


@pytest.mark.slow
@pytest.mark.parametrize("members", [CLASSES, MEMBERS])
def test_averages_are_read_member_by_member(problem, members):
    """Also with as many members as classes, where other axes would go together."""

    def skip(state):  # so that averages weigh differently
        return state.replace(skip=(state.lr > 0.05) & (state.t < 3))

    hooks = tnt.chain(tnt.Hooks(on_backward=skip), tnt.hooks.ema(0.9, debias=True))
    some = jax.tree.map(lambda leaf: leaf[:members], PARAMS)
    job = problem.job(params=some, lr=RATES[:members], members=members, max_steps=5)
    found = tnt.hooks.ema_params(tnt.SGDEngine(hooks).train(**job))
    for number in range(members):
        own = {"params": member(some, number), "lr": float(RATES[number])}
        one = tnt.SGDEngine(hooks).train(**problem.job(**own, max_steps=5))
        assert_alike(tnt.hooks.ema_params(one), member(found, number))


@pytest.mark.parametrize(
    "optimizer",
    [
        optax.adam(1e-2),
        pytest.param(
            optax.inject_hyperparams(optax.adamw)(1e-2), marks=pytest.mark.slow
        ),
        pytest.param(
            optax.partition(
                {"a": optax.sgd(0.1), "b": optax.set_to_zero()},
                {"weight": "a", "bias": "b"},
            ),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_optimizers_of_optax(problem, optimizer):
    common = problem.job(optimizer=optimizer)
    common.pop("params"), common.pop("lr")
    together = tnt.OptimEngine().train(**common, params=PARAMS, members=MEMBERS)
    alone = [
        tnt.OptimEngine().train(**common, params=member(PARAMS, number))
        for number in range(MEMBERS)
    ]
    assert_members_alike(together, alone)


def test_a_step_of_ones_own_and_randomness(problem):
    def step(state, sample):
        key, own = jax.random.split(state.key)
        noise = jax.random.normal(own, state.params["weight"].shape)
        moved = {**state.params, "weight": state.params["weight"] + state.lr * noise}
        return state.replace(params=moved, key=key, opt_state=state.opt_state + 1)

    keys = jax.random.split(jax.random.key(1), MEMBERS)
    common = {"iterator": problem.iterator(), "max_epoch": 1}
    together = tnt.StepEngine(step).train(
        **common,
        params=PARAMS,
        opt_state=jnp.arange(MEMBERS),
        lr=RATES,
        key=keys,
        members=MEMBERS,
    )
    alone = [
        tnt.StepEngine(step).train(
            **common,
            params=member(PARAMS, number),
            opt_state=jnp.asarray(number),
            lr=float(RATES[number]),
            key=keys[number],
        )
        for number in range(MEMBERS)
    ]
    assert_members_alike(together, alone)
    assert together.opt_state.tolist() == [7, 8, 9, 10]


@pytest.mark.slow
def test_a_key_in_aux_is_of_one_member(problem):
    def start(state):
        return state.replace(aux={"key": jax.random.fold_in(state.key, 1)})

    def draw(state):
        key, own = jax.random.split(state.aux["key"])
        noise = 0.1 * jax.random.normal(own, state.sample["input"].shape)
        input = state.sample["input"] + noise
        aux = {**state.aux, "key": key}
        return state.replace(aux=aux, sample={**state.sample, "input": input})

    def hooks():
        plateau = tnt.hooks.plateau(lambda state: 0.5, factor=0.5, patience=1)
        return tnt.chain(tnt.Hooks(on_start=start, on_sample=draw), plateau)

    assert_members_alike(*run_both(problem, hooks))


@pytest.mark.slow
def test_each_member_may_have_an_order_of_its_own(problem):
    """As docs/beyond.md has it: it gathers from data on the device."""
    data = jax.device_put(problem.dataset())
    places = tnt.BatchDataset(tnt.TableDataset({"input": np.arange(len(data))}), 8)

    def start(state):
        order = jax.random.permutation(state.key, len(data))
        return state.replace(aux={"order": order})

    def gather(state):
        order = state.aux["order"][state.sample["input"]]
        return state.replace(sample=tnt.take(data, order))

    def hooks():
        return tnt.Hooks(on_start=start, on_sample=gather)

    iterator = tnt.DatasetIterator(places)
    together, alone = run_both(problem, hooks, iterator=iterator)
    assert_members_alike(together, alone)
    assert len(set(map(bytes, np.asarray(together.aux["order"])))) == MEMBERS


def test_one_key_is_split(problem):
    key = jax.random.key(5)
    common = problem.job(params=PARAMS, max_steps=1)
    state = tnt.SGDEngine().train(**common, key=key, members=MEMBERS)
    wanted = jax.random.key_data(jax.random.split(key, MEMBERS))
    np.testing.assert_array_equal(jax.random.key_data(state.key), wanted)


@pytest.mark.parametrize("key", [jnp.zeros((MEMBERS, 2)), np.zeros(MEMBERS)])
def test_keys_of_members_are_checked(problem, key):
    common = problem.job(params=PARAMS, key=key)
    with pytest.raises(TypeError, match="key must be a PRNG key, got float"):
        tnt.SGDEngine().train(**common, members=MEMBERS)


def test_when_all_have_stopped_a_state_lets_all_go_on(problem):
    common = problem.job(params=PARAMS, members=MEMBERS)
    stop = tnt.hooks.early_stopping(lambda state: 1.0, patience=1)
    state = tnt.SGDEngine(stop).train(**common | {"max_epoch": 3})
    assert (state.epoch, state.stop, state.done.all()) == (2, True, True)
    del common["params"], common["lr"]
    on = tnt.SGDEngine().train(**common | {"max_epoch": 3}, state=state)
    assert (on.epoch, on.stop, on.done) == (3, False, None)
    assert not np.array_equal(on.params["weight"], state.params["weight"])


def test_what_hooks_see(problem):
    seen = {"starts": 0}

    def start(state):
        seen["starts"] += 1
        assert state.params["weight"].shape == (FEATURES, CLASSES)
        assert state.members is None and type(state.lr) is float
        return state.replace(aux={"first": state.params["weight"][0, 0]})

    def look(state):
        assert state.members == MEMBERS
        assert isinstance(state.loss, np.ndarray) and state.loss.shape == (MEMBERS,)
        assert isinstance(state.lr, np.ndarray) and state.lr.shape == (MEMBERS,)
        assert state.aux["first"].shape == (MEMBERS,)
        seen[state.t] = state.loss
        return state

    def step(state):
        assert state.params["weight"].shape == (FEATURES, CLASSES)
        assert state.lr.shape == ()
        return state

    hooks = tnt.Hooks(on_start=start, on_update=step, on_end_epoch=look, on_end=look)
    hooks = tnt.chain(hooks, tnt.watch(3, look), tnt.every(5, look))
    job = problem.job(params=PARAMS, lr=0.1, members=MEMBERS)
    state = tnt.SGDEngine(hooks).train(**job)
    assert seen.pop("starts") == MEMBERS and set(seen) == {3, 5, 6, 7, 9, 10, 12, 14}
    np.testing.assert_array_equal(state.aux["first"], PARAMS["weight"][:, 0, 0])


@pytest.mark.slow
def test_what_a_hook_makes_for_one_is_for_all(problem):
    """Meters made at the start of an epoch, Torchnet's way, a rate, and parameters."""
    zero = {name: jnp.zeros(leaf.shape[1:]) for name, leaf in PARAMS.items()}

    def start_epoch(state):
        meters = {"loss": tnt.AverageValueMeter(), "confusion": tnt.ConfusionMeter(4)}
        return state.replace(meters=meters, lr=0.5 / (1 + state.epoch), params=zero)

    def measure(state):
        loss = state.meters["loss"].add(state.loss)
        return state.replace(meters={**state.meters, "loss": loss})

    hooks = tnt.Hooks(on_start_epoch=start_epoch, on_forward_criterion=measure)
    job = problem.job(params=PARAMS, lr=RATES, members=MEMBERS)
    state = tnt.SGDEngine(hooks).train(**job)
    one = tnt.SGDEngine(hooks).train(**problem.job(params=zero))
    assert state.lr.tolist() == [0.25] * MEMBERS
    for number in range(MEMBERS):
        assert_alike(one.meters, member(state.meters, number), ROUNDED["meters"])
        assert_alike(one.params, member(state.params, number))


@pytest.mark.slow
def test_tests_of_many_networks(problem):
    job = problem.job(params=PARAMS)
    for name in ("lr", "max_epoch"):
        del job[name]
    state = tnt.SGDEngine(metering()).test(**job, members=MEMBERS)
    for number in range(MEMBERS):
        own = {**job, "params": member(PARAMS, number)}
        one = tnt.SGDEngine(metering()).test(**own)
        assert_alike(one.meters, member(state.meters, number), ROUNDED["meters"])
    assert state.meters["loss"].value().mean.shape == (MEMBERS,)
    assert state.samples == 53


def test_the_first_bad_member_is_named_and_all_go_on(problem):
    rates = np.array([0.1, 1e38, 0.1, 1e38], np.float32)
    job = problem.job(params=PARAMS, lr=rates, members=MEMBERS)
    engine = tnt.SGDEngine(tnt.hooks.nan_guard(2))
    with pytest.raises(tnt.hooks.NonFiniteError) as caught:
        engine.train(**job)
    assert "This was for member 1." in caught.value.__notes__
    state = caught.value.state.replace(params=PARAMS, lr=RATES)
    on = engine.train(**job | {"params": None, "lr": None}, state=state)
    assert on.t == 14 and on.aux["nan_guard"]["step"].tolist() == [0] * MEMBERS
    assert np.isfinite(on.params["weight"]).all()


@pytest.mark.devices(4)
@pytest.mark.slow
def test_on_a_mesh(problem):
    mesh = jax.make_mesh((2, 2), ("members", "data"))

    def shard(path, leaf):
        return jax.sharding.PartitionSpec("members")

    job = problem.job(params=PARAMS, lr=RATES, members=MEMBERS)
    one = tnt.SGDEngine(metering()).train(**job)
    state = tnt.SGDEngine(metering()).train(**job, mesh=mesh, shard=shard)
    assert_alike(one.params, state.params)
    means = [s.meters["loss"].value().mean for s in (one, state)]
    assert_alike(*means)
    assert state.params["weight"].sharding.spec == jax.sharding.PartitionSpec("members")


@pytest.mark.slow
def test_members_compile_once(problem):
    traced = []

    def network_(params, input):
        traced.append(input.shape)
        return network(params, input)

    engine = tnt.SGDEngine(metering())
    job = problem.job(params=PARAMS, lr=RATES, members=MEMBERS, network=network_)
    engine.train(**{**job, "max_epoch": 5})
    before = len(traced)
    engine.train(**{**job, "lr": RATES / 2, "max_epoch": 3})
    assert len(traced) == before


def test_rates_of_16_bits_are_numbers(problem):
    rates = RATES.astype(jnp.bfloat16)
    job = problem.job(params=PARAMS, lr=rates, members=MEMBERS)
    np.testing.assert_array_equal(tnt.SGDEngine().train(**job).lr, np.float32(rates))


# ---- what is wrong says so ----------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"members": 0}, "members must be at least 1"),
        ({"members": "4"}, "members must be an integer"),
        (
            {"members": 3},
            r"params\['bias'\] is float32\[4,3\], but in a run of 3 members",
        ),
        ({"lr": RATES[:2]}, r"lr must be a number, got float32.*array of floats \[4\]"),
        ({"lr": RATES > 0}, r"lr must be a number, got .*array of floats \[4\]"),
        ({"lr": RATES.tolist()}, r"lr must be a number, got .*array of floats \[4\]"),
        ({"lr": -RATES}, "lr must be at least 0"),
        ({"model_state": jnp.zeros(3)}, r"model_state is float32\[3\], but in a run"),
        (
            {"key": jax.random.split(jax.random.key(0), 2)},
            "key is key.*or pass one key",
        ),
    ],
)
def test_arguments_that_do_not_fit(problem, changes, message):
    job = problem.job(params=PARAMS, lr=RATES, members=MEMBERS)
    with pytest.raises((TypeError, ValueError), match=f"(?i){message}"):
        tnt.SGDEngine().train(**{**job, **changes})


def test_what_a_hook_adds_late_has_the_axis(problem):
    def add(state):
        return state.replace(aux={"new": np.float32(0)})

    job = problem.job(params=PARAMS, lr=RATES, members=MEMBERS)
    with pytest.raises(
        ValueError, match=r"state.aux\['new'\] is .*float32.* 4 members"
    ):
        tnt.SGDEngine(tnt.Hooks(on_end_epoch=add)).train(**job)


def test_text_in_aux_is_refused_as_in_a_run_of_one(problem):
    hooks = tnt.Hooks(on_start=lambda state: state.replace(aux={"name": "a"}))
    job = problem.job(params=PARAMS, lr=RATES, members=MEMBERS)
    with pytest.raises(TypeError, match="must be numbers or arrays"):
        tnt.SGDEngine(hooks).train(**job)


def test_members_must_agree_on_what_they_share(problem):
    def choose(state):
        return state.replace(network=lambda params, input: network(params, input))

    job = problem.job(params=PARAMS, lr=RATES, members=MEMBERS)
    with pytest.raises(TypeError, match="made of state.network another thing for mem"):
        tnt.SGDEngine(tnt.Hooks(on_start=choose)).train(**job)


@pytest.mark.parametrize("done", [True, [True] * 3, np.ones(MEMBERS), "all"])
def test_what_says_who_is_done_is_checked(problem, done):
    hooks = tnt.Hooks(on_end_epoch=lambda state: state.replace(done=done))
    job = problem.job(params=PARAMS, lr=RATES, members=MEMBERS)
    with pytest.raises(TypeError, match=r"state.done must be bool \[4\], True for"):
        tnt.SGDEngine(hooks).train(**job)
    with pytest.raises(TypeError, match=r"this run has none. To end it set state.stop"):
        tnt.SGDEngine(hooks).train(**problem.job())


def test_a_hook_may_say_who_is_done(problem):
    kept = {}

    def end(state):
        if state.done is None:
            kept["params"] = np.array(state.params["weight"])
        worst = np.arange(MEMBERS) == np.argmax(state.loss)
        return state.replace(done=worst if state.done is None else state.done | worst)

    hooks = tnt.Hooks(on_end_epoch=end)
    job = problem.job(params=PARAMS, lr=RATES, members=MEMBERS, max_epoch=9)
    state = tnt.SGDEngine(hooks).train(**job)
    stayed = (kept["params"] == np.asarray(state.params["weight"])).all(axis=(1, 2))
    (first,) = np.flatnonzero(stayed)
    assert state.done[first]  # it stays as it was when it was done, the others went on
    compiled = tnt.Hooks(on_update=lambda state: state.replace(done=state.t > 2))
    with pytest.raises(TypeError, match=r"changed state.done, which only the host can"):
        tnt.SGDEngine(compiled).train(**job)


def test_a_state_of_another_number(problem):
    job = problem.job(params=PARAMS, lr=RATES, members=MEMBERS)
    state = tnt.SGDEngine().train(**job)
    for name in ("params", "lr"):
        del job[name]
    for members in (None, 3):
        with pytest.raises(ValueError, match="is of a run with members=4, so members="):
            tnt.SGDEngine().train(**{**job, "members": members}, state=state)


def test_scores_of_validate_are_one_a_member(problem):
    validate = tnt.hooks.validate(
        tnt.SGDEngine(metering()), problem.iterator(), score=lambda state: 0.5
    )
    job = problem.job(params=PARAMS, lr=RATES, members=MEMBERS)
    with pytest.raises(TypeError, match=r"must return \[4\] numbers, one for each"):
        tnt.SGDEngine(validate).train(**job)


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_a_member_that_is_done_stays_so_when_the_run_goes_on(problem, place, tmp_path):
    """Also meters, which a hook of on_start_epoch resets, stay as they were."""

    def end(state):
        second = np.arange(MEMBERS) == 1
        return state.replace(done=second if state.epoch == 2 else state.done)

    hooks = tnt.chain(tnt.hooks.metering("loss"), tnt.Hooks(on_end_epoch=end))
    job = problem.job(members=MEMBERS, params=PARAMS, lr=RATES)
    whole = tnt.SGDEngine(hooks).train(**job | {"max_epoch": 4})
    if place == "memory":
        part = tnt.SGDEngine(hooks).train(**job)
        fields = {"params": None, "lr": None, "max_epoch": 4}
        on = tnt.SGDEngine(hooks).train(**job | fields, state=part)
    else:
        pytest.importorskip("orbax.checkpoint")
        engine = tnt.SGDEngine(tnt.chain(hooks, tnt.hooks.checkpoint(tmp_path)))
        part = engine.train(**job, resume=True)
        on = engine.train(**job | {"max_epoch": 4}, resume=True)
    assert on.done.tolist() == whole.done.tolist() == [False, True, False, False]
    for field in ("params", "meters"):
        ends = [getattr(state, field) for state in (on, whole)]
        jax.tree.map(np.testing.assert_array_equal, *ends)
        ends = [member(getattr(state, field), 1) for state in (on, part)]
        jax.tree.map(np.testing.assert_array_equal, *ends)


def test_members_without_parameters_have_an_optimizer_each(problem):
    job = problem.job(network=lambda params, input: input[:, :3], params={"none": None})
    del job["lr"]
    job |= {"optimizer": optax.adam(0.1), "members": MEMBERS}
    part = tnt.OptimEngine().train(**job | {"max_epoch": 1})
    assert part.opt_state[0].count.tolist() == [7] * MEMBERS  # updates
    on = tnt.OptimEngine().train(**job | {"params": None}, state=part)
    assert on.opt_state[0].count.tolist() == [14] * MEMBERS
