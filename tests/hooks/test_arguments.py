"""What plugins say to arguments that make no sense, where they are made."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

import tntjax as tnt
from tntjax import hooks

NAN = float("nan")
TESTER = tnt.SGDEngine()
BATCHES = tnt.DatasetIterator([{"input": np.ones(4), "target": np.ones(4)}])
PAIR = (tnt.AverageValueMeter(), lambda state: state.loss)


def score(state):
    return state.aux["validate"]


def loss(state):
    return state.loss


@pytest.mark.parametrize(
    ("plugin", "given", "error", "words"),
    [
        ("early_stopping", {"min_delta": "a"}, TypeError, "min_delta must be a number"),
        ("early_stopping", {"min_delta": NAN}, ValueError, "min_delta must be at le"),
        ("early_stopping", {"maximize": "min"}, TypeError, "maximize must be True or"),
        ("early_stopping", {"restore": 1}, TypeError, "restore must be True or False"),
        ("early_stopping", {"patience": "3"}, TypeError, "patience must be an integer"),
        ("plateau", {"factor": "a"}, TypeError, "factor must be a number, got 'a'"),
        ("plateau", {"factor": True}, TypeError, "factor must be a number, got True"),
        ("plateau", {"factor": 1}, ValueError, "needs 0 < factor < 1, got 1"),
        ("plateau", {"factor": NAN}, ValueError, "needs 0 < factor < 1, got nan"),
        ("plateau", {"smallest": "a"}, TypeError, "smallest must be a number, got"),
        ("plateau", {"smallest": NAN}, ValueError, "finite smallest >= 0, got nan"),
        ("plateau", {"smallest": -1}, ValueError, "finite smallest >= 0, got -1.0"),
        ("plateau", {"maximize": "max"}, TypeError, "maximize must be True or False"),
        ("loss_scaling", {"initial": "a"}, TypeError, "initial must be a number, got"),
        ("loss_scaling", {"initial": NAN}, ValueError, "<= initial <= .*, got nan"),
        ("loss_scaling", {"factor": None}, TypeError, "factor must be a number, got"),
        ("loss_scaling", {"factor": float("inf")}, ValueError, "factor > 1, got inf"),
        ("ema", {"decay": "a"}, TypeError, "decay must be a number, got 'a'"),
        ("ema", {"decay": np.ones(1)}, TypeError, "decay must be a number, got float"),
        ("ema", {"decay": NAN}, ValueError, "needs 0 <= decay < 1, got nan"),
        ("ema", {"debias": "no"}, TypeError, "debias must be True or False, got 'no'"),
        ("ema", {"start": 1.5}, TypeError, "start must be an integer, got 1.5"),
        ("checkpoint", {"maximize": "min"}, TypeError, "maximize must be True or Fal"),
        ("checkpoint", {"every": "1"}, TypeError, r"every=...\) must be an integer"),
        ("metering", {"meters": 3}, TypeError, "metering needs names.*; got 3"),
        ("metering", {"meters": [("a", PAIR)]}, TypeError, "metering needs names"),
        ("metering", {"meters": "eror"}, ValueError, "the names 'loss', 'error', 'acc"),
        (
            "metering",
            {"meters": {"a": (tnt.AverageValueMeter, loss)}},
            TypeError,
            r"metering\(a=...\) needs \(meter, function\).*; got",
        ),
        ("metering", {"meters": {"a": PAIR[:1]}}, TypeError, r"\(a=...\) needs"),
        ("validate", {"engine": tnt.SGDEngine}, TypeError, "needs an engine, such"),
        ("validate", {"iterator": [1]}, TypeError, "iterator must have run and chunks"),
        ("validate", {"iterator": iter([1])}, TypeError, "generator can be read once"),
        ("validate", {"mesh": 3}, TypeError, "mesh must be a jax.sharding.Mesh, got 3"),
        ("validate", {"shard": max}, ValueError, "pass mesh=... as well"),
        ("validate", {"scor": score}, TypeError, "'scor'. Did you mean 'score'"),
        ("validate", {"network": max}, TypeError, "no argument 'network'. Its argum"),
        ("validate", {"params": {}}, TypeError, "None, but params is"),
        ("validate", {"key": 3}, TypeError, r"key must be a PRNG key, got 3"),
        ("validate", {"jit": "False"}, TypeError, "jit must be True or False, got"),
        ("validate", {"steps_per_call": "a"}, ValueError, "steps_per_call must be"),
        ("validate", {"steps_per_call": 0}, ValueError, "steps_per_call must be"),
        ("nan_guard", {"n": "a"}, TypeError, "n must be an integer, got 'a'"),
        ("learning_rate", {"schedule": 0.1}, TypeError, "needs a schedule"),
        ("timing", {"report": 3}, TypeError, "timing"),
    ],
)
def test_bad_arguments(plugin, given, error, words):
    """At once, and not after the first epoch."""
    usual = {
        "early_stopping": {"score": score, "patience": 2},
        "plateau": {"score": score},
        "ema": {"decay": 0.9},
        "checkpoint": {"directory": "folder"},
        "validate": {"engine": TESTER, "iterator": BATCHES},
    }
    arguments = {**usual.get(plugin, {}), **given}
    positional = [arguments.pop("meters")] if plugin == "metering" else []
    with pytest.raises(error, match=words) as caught:
        getattr(hooks, plugin)(*positional, **arguments)
    assert plugin in str(caught.value) or plugin == "validate"
    assert len(str(caught.value)) < 400


def test_numbers_of_all_libraries_are_taken():
    half = np.float32(0.5), jnp.float32(0.5), 0.5, np.array(0.5)
    made = [hooks.plateau(score, factor=number, smallest=number) for number in half]
    assert all(one == made[0] for one in made)
    assert hooks.ema(jnp.float16(0.5), debias=np.bool_(True)) == hooks.ema(
        0.5, debias=True
    )
    assert hooks.loss_scaling(jnp.bfloat16(8), 2) == hooks.loss_scaling(8, 2.0)


def test_what_validate_passes_on_is_taken():
    mesh = Mesh(np.array(jax.devices()[:1]), ("data",))
    how = {"mesh": mesh, "data_axis": "data", "jit": False, "steps_per_call": 1}
    assert hooks.validate(TESTER, BATCHES, **how, key=jax.random.key(0))


def test_two_hooks_that_save_into_one_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "saved")
    one = hooks.checkpoint(tmp_path / "saved")
    job = {"network": lambda p, x: p * x, "criterion": lambda o, t: (o - t) ** 2}
    job |= {"iterator": BATCHES, "params": jnp.zeros(()), "lr": 0.1, "max_epoch": 1}
    for other in (tmp_path / "saved", tmp_path / "link"):
        engine = tnt.SGDEngine(tnt.chain(one, hooks.checkpoint(other, every=2)))
        with pytest.raises(ValueError, match="two hooks save checkpoints into .*saved"):
            engine.train(**job)
    assert not (tmp_path / "saved").exists()


@pytest.mark.parametrize(
    ("plugin", "name", "words"),
    [
        (tnt.hooks.early_stopping, "monitor", "It is called 'score' here"),
        (tnt.hooks.early_stopping, "mode", "It is called 'maximize' here"),
        (tnt.hooks.plateau, "min_lr", "It is called 'smallest' here"),
        (tnt.hooks.checkpoint, "save_top_k", "It is called 'keep' here"),
        (tnt.hooks.record, "zzz", "'zzz'. Its arguments are where, every"),
    ],
)
def test_arguments_of_other_libraries(plugin, name, words):
    with pytest.raises(TypeError, match=f"{plugin.__name__} has no argument .*{words}"):
        plugin(**{name: 3})


NO_PLUGINS = {"NonFiniteError", "Timing", "ema_params"}
PLUGINS = sorted(set(tnt.hooks.__all__) - NO_PLUGINS - {"metering"})  # which takes any


@pytest.mark.parametrize("name", ["lr", "optimizer", "state", "epochs", "callbacks"])
@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_lists_its_own_arguments(plugin, name):
    """And does not say what a test of an engine, or its train, would."""
    make = getattr(tnt.hooks, plugin)
    given = {}
    if plugin == "validate":  # which hands arguments on to the test
        given = {"engine": tnt.DatasetIterator([{"input": np.ones((1, 1))}])}
    with pytest.raises(TypeError, match=f"^{plugin} has no argument {name!r}") as told:
        make(**given, **{name: 1})
    assert "A test reads" not in str(told.value)
