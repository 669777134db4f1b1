"""What is said to typical mistakes: the argument, what came, what to write instead."""

import dataclasses
import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt
from tests.engine.conftest import criterion, network
from tntjax.engine._hooks import STEP_EVENTS
from tntjax.network._check import takes


def module(package, name="Module"):
    """What looks like a module of another library, which need not be installed."""
    cls = type(name, (), {"__module__": f"{package}.module"})
    cls.__call__ = lambda self, input: input
    return cls()


class Loader:
    """What looks like a DataLoader of torch: an iterable that is no dataset."""

    dataset, batch_size = (), 16

    def __iter__(self):
        return iter(self.dataset)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"lr": "0.1"}, TypeError, r"lr must be a number, got '0.1'. .*float\(text\)"),
        ({"lr": [0.1, 0.2]}, TypeError, r"got \[0.1, 0.2\].*optax.partition"),
        ({"lr": jnp.ones(2)}, TypeError, r"lr must be a number, got float32\[2\]"),
        ({"lr": None}, TypeError, "lr must be a number, got None.*goes to OptimEngine"),
        ({"lr": True}, TypeError, "lr must be a number, got True"),
        (
            {"lr": optax.cosine_decay_schedule(3e-3, 750)},
            TypeError,
            r"lr must be a number, got the function cosine.*tnt.hooks.learning_rate\(",
        ),
        (
            {"lr_criterion": "x", "criterion_params": 1.0},
            TypeError,
            "lr_criterion must be a number, got 'x'",
        ),
        ({"key": 7}, TypeError, r"got 7. Write key=jax.random.key\(7\)"),
        ({"key": jnp.zeros(2)}, TypeError, "key must be a PRNG key, got float32"),
        (
            {"key": jnp.zeros(3, "uint32")},
            TypeError,
            "key must be a PRNG key, got uint32",
        ),
        ({"params": None}, TypeError, "train needs params=..., a pytree"),
        ({"params": {"act": "relu"}}, TypeError, r"params\['act'\] is 'relu'"),
        ({"params": {"act": max}}, TypeError, r"params\['act'\] is max, but"),
        (
            {"params": module("flax.nnx")},
            TypeError,
            r"params is a module.*tnt.network.nnx",
        ),
        ({"params": module("equinox")}, TypeError, "tnt.network.equinox"),
        ({"params": module("flax.linen")}, TypeError, "tnt.network.linen"),
        (
            {"network": module("flax.nnx")},
            TypeError,
            r"network is a module.*tnt.network.nnx",
        ),
        (
            {"network": module("flax.linen")},
            TypeError,
            r"train\(network=tnt.network.linen",
        ),
        ({"network": module("equinox")}, TypeError, "tnt.network.equinox"),
        ({"network": module("haiku", "Transformed")}, TypeError, "tnt.network.haiku"),
        ({"iterator": iter([1])}, TypeError, "A generator can be read once"),
        ({"iterator": (k for k in [1])}, TypeError, "got <generator object .*list"),
        ({"iterator": tnt.DatasetIterator}, TypeError, "Pass an instance"),
        ({"iterator": Loader()}, TypeError, r"BatchDataset\(loader.dataset, 64\)"),
        ({"iterator": [{"input": 1}]}, TypeError, "tnt.DatasetIterator.dataset"),
    ],
)
def test_arguments(problem, change, error, words):
    with pytest.raises(error, match=words) as caught:
        tnt.SGDEngine().train(**problem.job(**change))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("engine", "name", "words"),
    [
        (
            tnt.SGDEngine,
            "epochs",
            "no argument 'epochs'. It is called 'max_epoch' here",
        ),
        (tnt.SGDEngine, "n_epochs", "It is called 'max_epoch' here"),
        (tnt.SGDEngine, "learning_rate", "It is called 'lr' here"),
        (tnt.SGDEngine, "optimizer", r"tnt.OptimEngine\(hooks\).train"),
        (tnt.OptimEngine, "learning_rate", "It is called 'lr' here"),
        (tnt.SGDEngine, "max_epochs", "Did you mean 'max_epoch'. Its arguments are"),
        (tnt.SGDEngine, "zzz", "'zzz'. Its arguments are network, criterion"),
        (tnt.SGDEngine, "callbacks", "The engine has the hooks"),
        (tnt.SGDEngine, "validation_data", r"tnt.hooks.validate\(iterator\)"),
        (tnt.SGDEngine, "device", r"jax.device_put\(params, device\)"),
    ],
)
def test_keywords(engine, name, words):
    with pytest.raises(TypeError, match=words):
        engine().train(**{name: 1})


def test_test_has_keywords_too():
    with pytest.raises(TypeError, match=r"SGDEngine.test has no argument 'max_epoch'"):
        tnt.SGDEngine().test(max_epoch=1)  # pyright: ignore
    with pytest.raises(TypeError, match=r"by name, such as train\(network=..., crit"):
        tnt.SGDEngine().train(max)  # pyright: ignore


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("state", "Pass params=state.params, and model_state=state.model_state"),
        ("lr", "reads all samples once and changes no parameters: leave it out"),
        ("optimizer", "leave it out"),
        ("epochs", "leave it out"),
    ],
)
def test_what_a_test_does_not_take(name, words):
    with pytest.raises(TypeError, match=f"SGDEngine.test has no argument .* {words}"):
        tnt.SGDEngine().test(**{name: 1})


@pytest.mark.parametrize(
    ("make", "name", "words"),
    [
        (tnt.OptimEngine, "optimizer", "OptimEngine(...).train(..., optimizer=...)."),
        (tnt.SGDEngine, "learning_rate", "SGDEngine(...).train(..., lr=...)."),
        (tnt.SGDEngine, "state", "SGDEngine(...).train(..., state=...)."),
        (tnt.StepEngine, "max_epoch", "StepEngine(...).train(..., max_epoch=...)."),
    ],
)
def test_what_is_train_s_is_not_given_to_the_engine(make, name, words):
    with pytest.raises(TypeError, match=re.escape(f"belongs to train: {words}")):
        make(**{name: 1})


def test_a_step_has_its_own_optimizer():
    with pytest.raises(TypeError, match=r"opt_state=optimizer.init\(params\)"):
        tnt.StepEngine(max).train(optimizer=optax.sgd(0.1))  # pyright: ignore


def test_a_state_in_the_place_of_parameters(problem):
    state = tnt.SGDEngine().train(**problem.job(max_epoch=1))
    with pytest.raises(TypeError, match="got a State. Write params=state.params"):
        tnt.SGDEngine().train(**problem.job(params=state))
    job = {"network": network, "criterion": criterion, "iterator": problem.iterator()}
    with pytest.raises(TypeError, match="got a State. Write params=state.params"):
        tnt.SGDEngine().test(**job, params=state)


def test_an_engine_takes_one_hooks():
    words = r"SGDEngine takes hooks, got 2 arguments.* tnt.chain\(\*hooks\)"
    with pytest.raises(TypeError, match=words):
        tnt.SGDEngine(tnt.Hooks(), tnt.Hooks())  # pyright: ignore
    with pytest.raises(TypeError, match="StepEngine takes step and hooks, got 3"):
        tnt.StepEngine(max, tnt.Hooks(), tnt.Hooks())  # pyright: ignore
    with pytest.raises(TypeError, match="OptimEngine has no argument 'callbacks'"):
        tnt.OptimEngine(callbacks=[])  # pyright: ignore
    assert str(inspect.signature(tnt.SGDEngine)).startswith("(hooks:")


@pytest.mark.parametrize(("name", "own"), [("fit", "train"), ("evaluate", "test")])
def test_methods(name, own):
    with pytest.raises(AttributeError, match=f"It is called '{own}' here"):
        getattr(tnt.OptimEngine(), name)
    assert not hasattr(tnt.SGDEngine(), "unheard_of")


def test_hooks_that_are_something_else():
    for given, words in (
        ([tnt.Hooks()], r"tnt.chain\(\*hooks\)"),
        ({"on_end": max}, r"tnt.Hooks\(\*\*hooks\)"),
        (max, r"tnt.Hooks\(on_update=f\)"),
        (tnt.hooks.record, r"Call it: record\("),
        (tnt.Hooks, r"Call it: Hooks\("),
    ):
        with pytest.raises(TypeError, match=f"SGDEngine needs Hooks, got .*{words}"):
            tnt.SGDEngine(given)  # pyright: ignore
    with pytest.raises(TypeError, match=r"chain takes Hooks, got .*chain\(\*hooks\)"):
        tnt.chain([tnt.Hooks()])  # pyright: ignore
    with pytest.raises(TypeError, match=r"chain takes Hooks, got progress. Call it"):
        tnt.chain(tnt.hooks.progress)  # pyright: ignore


def test_functions_without_an_event():
    with pytest.raises(TypeError, match=r"by event, got max. .*Hooks\(on_update="):
        tnt.Hooks(max)  # pyright: ignore
    with pytest.raises(TypeError, match=r"Of several chain each: tnt.chain\("):
        tnt.Hooks(on_end=[max, min])  # pyright: ignore


def test_a_field_that_a_state_does_not_have():
    with pytest.raises(AttributeError, match="no field 'metrics'.* mean 'meters'"):
        _ = tnt.State().metrics
    with pytest.raises(AttributeError, match="no field 'step'.* mean 't'"):
        _ = tnt.State().step
    assert not hasattr(tnt.State(), "unheard_of")


def test_errors_of_jax_say_what_to_write(problem):
    mixed = {**problem.params, 0: jnp.zeros(())}
    with pytest.raises(ValueError) as caught:
        tnt.SGDEngine().train(**problem.job(params=mixed))
    assert "Write all as strings: str(key)" in "".join(caught.value.__notes__)


def test_keys_of_several_types_in_a_sample():
    job = {"network": max, "criterion": max, "params": (), "lr": 0.1}
    with pytest.raises(ValueError) as caught:
        iterator = tnt.DatasetIterator([{0: np.ones(2), "inputs": np.ones(2)}])
        tnt.SGDEngine().train(**job, iterator=iterator)
    assert "Write all as strings: str(key)" in str(caught.value)


def test_a_state_is_frozen():
    words = r"cannot assign to field 't': a State .* new = old.replace\(t=...\)"
    with pytest.raises(dataclasses.FrozenInstanceError, match=words):
        tnt.State().t = 3  # pyright: ignore
    words = r"new = dataclasses.replace\(old, n=...\)"
    with pytest.raises(dataclasses.FrozenInstanceError, match=words):
        tnt.AverageValueMeter().n = 3  # pyright: ignore
    with pytest.raises(TypeError, match="Did you mean 'sample'"):
        tnt.State().replace(smaple=1)


@pytest.mark.slow
def test_integers_of_numpy_are_integers(problem):
    three, seen = np.int64(3), []
    hooks = tnt.every(three, lambda state: seen.append(state.t) or state)
    how = {"max_epoch": np.int32(1), "steps_per_call": np.int64(2), "accumulate": three}
    state = tnt.SGDEngine(hooks).train(**problem.job(**how))
    assert (state.t, seen) == (7, [3, 6])
    assert repr(hooks.scheduled[0].n) == "3"


def test_numbers_of_the_other_byte_order_are_numbers(problem):
    def other_order(tree):  # as files of NumPy may hold them
        return jax.tree.map(lambda leaf: np.asarray(leaf).astype(">f4"), tree)

    hooks = tnt.chain(
        tnt.Hooks(on_start=lambda s: s.replace(aux={"three": np.array([3], ">i4")})),
        tnt.every(1, lambda s: s.replace(params=other_order(s.params))),
    )
    job = problem.job(max_steps=2)
    plain = tnt.SGDEngine().train(**job)
    state = tnt.SGDEngine(hooks).train(**job | {"params": other_order(job["params"])})
    jax.tree.map(np.testing.assert_array_equal, state.params, plain.params)
    assert state.aux["three"].tolist() == [3]


# ---- errors in hooks ----------------------------------------------------------------


def note_of(problem, hooks, error, **how):
    with pytest.raises(error) as caught:
        tnt.SGDEngine(hooks).train(**problem.job(**how))
    return "\n".join(caught.value.__notes__)


def branches(state):
    return state if state.t > 3 else state.replace(aux={})


def reads(state):
    return state.replace(aux={"loss": float(jnp.sum(state.t))})


def converts(state):
    return state.replace(aux={"t": np.asarray(state.t)})


@pytest.mark.parametrize("event", [STEP_EVENTS[0], STEP_EVENTS[-1]])
@pytest.mark.parametrize("hook", [branches, reads, converts])
def test_a_tracer_error_names_the_hook(problem, event, hook):
    error = (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError)
    note = note_of(problem, tnt.Hooks(**{event: hook}), error)
    assert f"This happened in the hook {hook.__name__} of {event}." in note
    for way_out in ("jnp.where(", "tnt.watch(n", "tnt.every(n", "jit=False"):
        assert way_out in note


def test_a_missing_entry_names_those_there_are(problem):
    begin = tnt.Hooks(
        on_start=lambda s: s.replace(meters={"loss": tnt.AverageValueMeter()})
    )
    look = tnt.Hooks(on_update=lambda s: s.meters["los"])
    note = note_of(problem, tnt.chain(begin, look), KeyError)
    assert "of on_update. Did you mean state.meters['loss']?" in note
    assert "state.meters has loss; state.sample has input, target" in note
    late = tnt.Hooks(on_end_epoch=lambda s: s.aux["validate"])
    note = note_of(problem, late, KeyError, max_epoch=1)
    assert "of on_end_epoch. state.meters and state.aux are empty." in note


def test_what_exists_in_a_step_only_is_explained(problem):
    note = note_of(problem, tnt.watch(2, lambda s: s.output.mean()), AttributeError)
    assert "of watch(2). Outside a step sample, output and grads are None" in note


def test_a_hook_that_drops_one_of_many_entries_is_told_which(problem):
    names = [f"w{k}" for k in range(300)]

    def start(state):
        return state.replace(aux=dict.fromkeys(names, 0))

    def drop(state):
        return state.replace(aux={k: v for k, v in state.aux.items() if k != "w217"})

    hooks = tnt.Hooks(on_start=start, on_update=drop)
    with pytest.raises(TypeError, match="changed aux,") as caught:
        tnt.SGDEngine(hooks).train(**problem.job())
    text = str(caught.value)
    assert "lost:   ['w217']" in text
    assert "... 288 more" in text
    assert len(text) < 2000 and len(text.splitlines()) < 40


@pytest.mark.parametrize("jit", [True, False])
def test_the_output_of_a_network_is_numbers_in_training(problem, jit):
    def named(params, input):
        return {"logits": network(params, input), "name": "mine"}

    def of_logits(output, target):
        return criterion(output["logits"], target)

    job = problem.job(network=named, criterion=of_logits, jit=jit)
    with pytest.raises(TypeError, match=r"numbers .*output\['name'\] is 'mine'\. What"):
        tnt.SGDEngine().train(**job)
    names = []
    hooks = tnt.Hooks(on_forward=lambda s: names.append(s.output["name"]) or s)
    kept = {name: job[name] for name in ("network", "params", "iterator", "jit")}
    tnt.SGDEngine(hooks).test(**kept)  # has no gradient
    assert set(names) == {"mine"}


def test_examples_of_code_are_python(problem):
    hooks = tnt.Hooks(on_update=lambda state: None)
    with pytest.raises(TypeError, match="returned None") as caught:
        tnt.SGDEngine(hooks).train(**problem.job())
    text = str(caught.value)
    assert "def hook(state):" in text
    assert "lambda" not in text.split("\n", 1)[1]


# ---- inside transformations ---------------------------------------------------------


def test_inside_a_transformation(problem):
    def train(lr=0.1, **change):
        return tnt.SGDEngine().train(**problem.job(lr=lr, **change)).params["weight"]

    words = r"train and test cannot run inside jax.jit, jax.vmap or jax.grad"
    for transformed in (
        lambda: jax.jit(train)(0.1),
        lambda: jax.jit(lambda: train())(),
        lambda: jax.vmap(train)(jnp.ones(2)),
        lambda: jax.grad(lambda lr: train(lr).sum())(0.1),
        lambda: jax.vmap(lambda key: train(key=key))(
            jax.random.split(jax.random.key(0))
        ),
        lambda: jax.grad(lambda bias: train(params={"weight": 0.0, "bias": bias}))(0.0),
    ):
        with pytest.raises(TypeError, match=words):
            transformed()


def test_a_test_inside_a_transformation(problem):
    job = {name: problem.job()[name] for name in ("network", "iterator")}

    def test(params):
        return tnt.SGDEngine().test(**job, params=params).t

    with pytest.raises(TypeError, match=r"\(params\['bias'\] is a tracer\)"):
        jax.jit(test)(problem.params)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "number"), [("int64", -(2**31) - 1), ("uint64", 2**32)]
)
def test_numbers_too_wide_for_the_device(problem, dtype, number):
    data = {**problem.data, "id": np.arange(53, dtype=dtype)}
    tnt.SGDEngine().train(**problem.job(iterator=problem.over(tnt.TableDataset(data))))
    data["id"][40] = number
    iterator = problem.over(tnt.TableDataset(data))
    with pytest.raises(OverflowError, match=rf"sample\['id'\] has the number {number}"):
        tnt.SGDEngine().train(**problem.job(iterator=iterator), steps_per_call=2)


def test_an_argument_that_is_missing():
    with pytest.raises(TypeError, match="SGDEngine.train: .*argument: 'network'"):
        tnt.SGDEngine().train(lr=0.1)  # pyright: ignore
    with pytest.raises(TypeError, match="OptimEngine.test: .*argument: 'iterator'"):
        tnt.OptimEngine().test(network=max)  # pyright: ignore


@pytest.mark.parametrize("engine", [tnt.SGDEngine, tnt.OptimEngine])
def test_a_signature_lists_all_arguments(engine):
    names = list(inspect.signature(engine.train).parameters)
    assert names[:5] == ["self", "network", "criterion", "iterator", "params"]
    assert "arguments" not in names and "steps_per_call" in names
    assert inspect.signature(engine.train).parameters["accumulate"].default == 1


@pytest.mark.parametrize(
    ("function", "expected"), [(lambda x: x, False), (lambda x, y: x, True), (3, False)]
)
def test_how_many_arguments_a_function_takes(function, expected):
    assert takes(function, 2) == expected


def test_arrays_on_several_devices(problem):
    one, other = jax.devices()[:2]
    places = {"weight": one, "bias": other}
    params = {
        name: jax.device_put(problem.params[name], places[name]) for name in places
    }
    with pytest.raises(ValueError) as caught:
        tnt.SGDEngine().train(**problem.job(params=params))
    assert "jax.device_put(params, device)" in "".join(caught.value.__notes__)


@pytest.mark.parametrize(
    "wrong",
    [
        {"network": lambda params, input: np.asarray(input) @ params["weight"]},
        {"network": lambda p, x: x @ p["weight"] if x.sum() > 0 else x @ p["weight"]},
        {"criterion": lambda output, target: float(output.sum())},
    ],
)
def test_numbers_in_compiled_functions_have_a_way_out(problem, wrong):
    with pytest.raises(Exception) as caught:
        tnt.SGDEngine().train(**problem.job(**wrong))
    assert "use jnp in the place of np, jnp.where" in "".join(caught.value.__notes__)


@pytest.mark.parametrize(
    "mask, advice",
    [
        (np.ones((4, 5), bool), "tokens, needs another name"),
        (np.ones((4, 1), bool), r"Write mask\[:, 0\]\."),
        (np.ones((4, 1), np.float32), r"write mask\[:, 0\] != 0;"),
        (np.ones(4, np.int32), "write mask != 0;"),
        (np.ones(4, np.float32), "write mask != 0;"),
        (np.array(True), r"np\.full\(len\(input\), mask\)"),
    ],
)
def test_a_mask_of_another_form(problem, mask, advice):
    batch = {"input": np.ones((4, 5)), "target": np.zeros(4, int), "mask": mask}
    with pytest.raises(TypeError, match=rf"must be a bool \[B\], got .*{advice}"):
        tnt.SGDEngine().train(**problem.job(iterator=tnt.DatasetIterator([batch])))
