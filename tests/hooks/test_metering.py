"""metering: what is added where, with which mask, and when it is reset."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tntjax._struct import pytree
from tntjax.hooks import metering


def read_loss(state):
    return state.loss


def read_pair(state):
    return state.output, state.sample["target"]


METERS = {
    "loss": (tnt.AverageValueMeter(), read_loss),
    "error": (tnt.ClassErrorMeter((1, 2)), read_pair),
}


def without_training(problem, **changes):
    job = problem.job(**changes)
    return {k: v for k, v in job.items() if k not in ("lr", "max_epoch")}


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["include-last", "pad-last"])
def test_a_test_measures_every_row_once(problem, policy):
    iterator = problem.iterator(policy=policy)
    engine = tnt.SGDEngine(metering(METERS))
    params = {"weight": jnp.eye(5, 3), "bias": jnp.arange(3.0)}
    state = engine.test(**without_training(problem, iterator=iterator, params=params))
    output = problem.data["input"] @ np.eye(5, 3) + np.arange(3.0)
    target = problem.data["target"]
    losses = np.log(np.exp(output).sum(1)) - output[np.arange(53), target]
    assert int(state.meters["error"].n) == int(state.meters["loss"].n) == 53
    wrong = (output.argmax(1) != target).mean() * 100
    np.testing.assert_allclose(state.meters["error"].value()[1], wrong, rtol=1e-5)
    mean, std = state.meters["loss"].value()
    np.testing.assert_allclose((mean, std), (losses.mean(), losses.std(ddof=1)), 1e-4)


@pytest.mark.slow
def test_training_measures_the_last_epoch(problem):
    seen = []
    look = tnt.Hooks(on_end_epoch=lambda s: seen.append(int(s.meters["error"].n)) or s)
    hooks = tnt.chain(metering(METERS), look)
    state = tnt.SGDEngine(hooks).train(**problem.job())
    assert seen == [53, 53]
    assert int(state.meters["loss"].n) == 53


@pytest.mark.slow
def test_meters_that_have_seen_something_begin_anew(problem):
    full = tnt.AverageValueMeter().add(jnp.arange(5.0))
    engine = tnt.SGDEngine(metering(loss=(full, read_loss)))
    assert int(engine.test(**without_training(problem)).meters["loss"].n) == 53


@pytest.mark.slow
@pytest.mark.parametrize("jit", [True, False])
def test_without_criterion_what_needs_no_loss_is_measured(problem, jit):
    job = without_training(problem, criterion=None)
    state = tnt.SGDEngine(metering(METERS)).test(**job, jit=jit)
    full = tnt.SGDEngine(metering(METERS)).test(**without_training(problem), jit=jit)
    assert int(state.meters["loss"].n) == 0
    assert int(state.meters["error"].n) == 53
    assert state.meters["error"].value() == full.meters["error"].value()


@pytest.mark.slow
def test_several_leave_each_other_alone(problem):
    parts = [metering({name: entry}) for name, entry in METERS.items()]
    own = tnt.Hooks(on_start=lambda s: s.replace(meters={"mine": jnp.float32(3)}))
    state = tnt.SGDEngine(tnt.chain(own, *parts)).train(**problem.job())
    once = tnt.SGDEngine(metering(METERS)).train(**problem.job())
    assert state.meters["mine"] == 3
    for name in METERS:
        assert state.meters[name].value() == once.meters[name].value()


def test_two_of_one_name_are_an_error(problem):
    hooks = tnt.chain(metering(METERS), metering(loss=METERS["loss"]))
    with pytest.raises(ValueError, match=r"meters\['loss'\] is there already: two"):
        tnt.SGDEngine(hooks).train(**problem.job())


@pytree
class Rows:
    """Counts calls; takes no mask."""

    n: object = np.int32(0)

    def add(self, value):
        return Rows(self.n + value.shape[0])

    def merge(self, other):
        return Rows(self.n + other.n)

    def reset(self):
        return Rows()

    def value(self):
        return self.n


def test_a_mask_goes_only_to_meters_that_take_it_and_to_arrays(problem):
    hooks = metering(
        rows=(Rows(), lambda s: s.loss),
        rate=(tnt.AverageValueMeter(), lambda s: s.lr),
        loss=(tnt.AverageValueMeter(), lambda s: s.loss),
    )
    job = problem.job(iterator=problem.iterator(policy="pad-last"))
    with pytest.warns(UserWarning, match="the meter 'rows' takes no mask"):
        meters = tnt.SGDEngine(hooks).train(**job).meters
    assert meters["rows"].value() == 56
    assert int(meters["rate"].n) == 7
    assert int(meters["loss"].n) == 53


@pytest.mark.parametrize(
    "entry", [tnt.AverageValueMeter(), (read_loss, tnt.AverageValueMeter()), (1, 2, 3)]
)
def test_an_entry_must_be_a_meter_and_a_function(entry):
    with pytest.raises(TypeError, match=r"metering\(loss=...\) needs \(meter, functi"):
        metering(loss=entry)


def test_an_error_names_the_meter(problem):
    hooks = metering(wrong=(tnt.ClassErrorMeter(), lambda s: (s.loss, s.output)))
    with pytest.raises(ValueError) as caught:
        tnt.SGDEngine(hooks).train(**problem.job())
    assert "in metering, for the meter 'wrong'" in "".join(caught.value.__notes__)


def test_two_made_alike_compile_once(problem, compiles):
    job = problem.job()
    tnt.SGDEngine(metering(METERS)).train(**job)
    before = len(compiles)
    tnt.SGDEngine(metering(METERS)).train(**job)
    assert len(compiles) == before


# ---- a meter of one's own -----------------------------------------------------------


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Perplexity:
    """As docs/meters.md says: a frozen dataclass of arrays, with the four methods."""

    total: jax.Array = dataclasses.field(default_factory=lambda: jnp.zeros(()))
    n: jax.Array = dataclasses.field(default_factory=lambda: jnp.zeros((), jnp.int32))

    def add(self, loss):
        return Perplexity(self.total + loss.sum(), self.n + loss.size)

    def merge(self, other):
        return Perplexity(self.total + other.total, self.n + other.n)

    def reset(self):
        return Perplexity()

    def value(self):
        return float(np.exp(self.total / self.n))


@pytest.mark.slow
@pytest.mark.parametrize("jit", [True, False])
def test_a_dataclass_of_arrays_is_a_meter(problem, jit):
    hooks = metering(ppl=(Perplexity(), read_loss), loss=METERS["loss"])
    state = tnt.SGDEngine(hooks).train(**problem.job(jit=jit))
    assert int(state.meters["ppl"].n) == 53
    mean = state.meters["loss"].value().mean
    np.testing.assert_allclose(state.meters["ppl"].value(), np.exp(mean), rtol=1e-5)


@pytest.mark.slow
def test_the_same_meters_again_compile_nothing(problem, compiles):
    job = problem.job(network=lambda params, input: input @ params["weight"])
    done = []
    for _ in range(3):  # made anew, and used twice
        hooks = metering(ppl=(Perplexity(), read_loss))
        for _ in range(2):
            tnt.SGDEngine(hooks).train(**job)
            done.append(len(compiles))
    assert done[0] > 0 and set(done) == {done[0]}


class MaskedRows(tnt.Meter):
    """Counts rows; a mask comes among other keywords."""

    n: jax.typing.ArrayLike = np.int32(0)

    def add(self, value, **keywords):
        return MaskedRows(self.n + keywords["mask"].sum())

    def value(self):
        return self.n


def test_a_meter_that_takes_all_keywords_is_given_the_mask(problem):
    hooks = metering(rows=(MaskedRows(), lambda s: s.loss))
    job = problem.job(iterator=problem.iterator(policy="pad-last"))
    assert tnt.SGDEngine(hooks).train(**job).meters["rows"].value() == 53


def test_an_error_of_what_has_no_classes_says_what_to_read(problem):
    def named(params, input):
        return {"logits": input @ params["weight"]}

    def loss(output, target):
        return output["logits"].sum(-1) - target

    job = problem.job(network=named, criterion=loss, max_steps=1)
    words = r"from state.output and .* got \{'logits': .*metering\(error="
    with pytest.raises(TypeError, match=words):
        tnt.SGDEngine(metering("error")).train(**job)
