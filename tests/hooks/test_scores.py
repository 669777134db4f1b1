"""Scores of early_stopping, plateau and checkpoint: which is better, and what fails."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tntjax._score import as_score
from tntjax.hooks import early_stopping, plateau, validate

TESTER = tnt.SGDEngine(
    tnt.hooks.metering(loss=(tnt.AverageValueMeter(), lambda s: s.loss))
)


def train(problem, *hooks, max_epoch=6):
    job = problem.job(iterator=problem.iterator(30), max_epoch=max_epoch)
    return tnt.SGDEngine(tnt.chain(*hooks)).train(**job)


def ends(hooks, scores):
    """What a plugin makes of scores at the ends of epochs, without training."""
    state = hooks.on_start(tnt.State(lr=jnp.float32(1), params=jnp.float32(0)))
    for epoch, score in enumerate(scores, 1):
        state = state.replace(epoch=epoch, params=jnp.float32(epoch))
        state = hooks.on_end_epoch(state.replace(iterator=score))
        if state.stop:
            break
    return state if hooks.on_end is None else hooks.on_end(state)


SCORE = lambda state: state.iterator  # noqa: E731
CONSTANTS = {
    "0.1": 0.1,
    "0.7": 0.7,
    "1/3 of NumPy": np.float64(1 / 3),
    "a mean": np.mean([0.1, 0.2, 0.4]),
    "float32": jnp.float32(0.1),
    "bfloat16": jnp.bfloat16(0.1),
    "float16 of NumPy": np.float16(0.1),
    "an array": np.asarray(0.1),
    "an integer": 3,
    "a large integer": 2**24 + 1,
    "int32": jnp.int32(3),
    "negative": -0.9,
    "1e300": 1e300,
    "a bool": True,
}


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("restore", [False, True])
@pytest.mark.parametrize("constant", CONSTANTS.values(), ids=list(CONSTANTS))
def test_a_score_that_stays_the_same_is_not_better(constant, maximize, restore):
    hooks = early_stopping(SCORE, 2, maximize=maximize, restore=restore)
    state = ends(hooks, [constant] * 10)
    assert (state.epoch, state.stop) == (3, True)
    assert int(state.aux["early_stopping"]["epoch"]) == 1
    assert float(state.params) == (1 if restore else 3)


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("constant", CONSTANTS.values(), ids=list(CONSTANTS))
def test_plateau_lowers_the_rate_where_a_score_stays_the_same(constant, maximize):
    hooks = plateau(SCORE, 0.5, 1, maximize=maximize)
    assert float(ends(hooks, [constant] * 4).lr) == 0.125


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    "scores",
    [
        [1.0 - k * 1e-9 for k in range(8)],  # less apart than float32 tells
        [2**24 + 8 - k for k in range(8)],
        [jnp.bfloat16(1 - k / 16) for k in range(8)],
        [0.1, jnp.float32(0.1) - 1e-3, np.float16(0.05), 0, -1, -1.5, -2, -3],
    ],
    ids=["float64", "integers", "bfloat16", "mixed"],
)
def test_a_score_that_gets_better_by_little_is_better(scores, sign):
    hooks = early_stopping(SCORE, 1, maximize=sign < 0)
    state = ends(hooks, [sign * score for score in scores])
    assert (state.epoch, state.stop) == (8, False)


@pytest.mark.parametrize(
    ("score", "restored"), [([0.5, 0.25, 0.2500001, 0.3], 2), ([0.5, 0.4999, 0.5], 2)]
)
def test_the_parameters_of_the_best_epoch_come_back(score, restored):
    hooks = early_stopping(SCORE, 5, restore=True)
    assert float(ends(hooks, score).params) == restored


def test_min_delta_is_compared_as_it_is_given():
    scores = [1.0, 0.75, 0.5, 0.26]
    hooks = early_stopping(SCORE, 10, min_delta=0.25)
    assert int(ends(hooks, scores).aux["early_stopping"]["epoch"]) == 3


def test_the_record_goes_through_compiled_steps_as_it_is(problem):
    stop = early_stopping(lambda s: 1 / 3, 2)
    state = train(problem, stop)
    assert int(state.epoch) == 3
    words = np.asarray(state.aux["early_stopping"]["words"])
    assert words.view(np.float64)[0] == 1 / 3


# ---- what is not a number -----------------------------------------------------------

WORDS = {
    "a tuple": ((0.5, 0.1), "(0.5, 0.1). Return a number, such as state.meters["),
    "a value": (
        tnt.AverageValueMeter().value(),
        "MeanStd with the fields mean, std. Return one of them, such as meter.value()",
    ),
    "None": (None, "None. Return a number, such as"),
    "a string": ("0.5", "'0.5'. Return"),
    "a string of NumPy": (np.asarray("0.5"), "<U3[]. Return"),
    "an array": (np.ones(1), "float64[1]. Return"),
    "a complex number": (jnp.complex64(1), "complex64[]. Return"),
    "a key": (jax.random.key(0), "key<fry>[]. Return"),
    "a dict": ({1: 0.5}, "{1: 0.5}. Return"),
}


@pytest.mark.parametrize(("value", "words"), WORDS.values(), ids=list(WORDS))
def test_what_is_not_a_number_names_the_plugin_and_what_came(value, words):
    for name, plugin in {"early_stopping": early_stopping, "plateau": plateau}.items():
        wanted = f"{name}: score must return one number, got {words}"
        with pytest.raises(TypeError, match=re.escape(wanted)):
            ends(plugin(SCORE, patience=1), [value])


def test_a_number_comes_as_exact_as_it_was():
    numbers = [1 / 3, np.float64(1 / 3), 2**53 - 1, jnp.bfloat16(0.1), np.bool_(True)]
    assert [as_score(number, "") for number in numbers] == [
        1 / 3,
        1 / 3,
        9007199254740991.0,
        0.10009765625,
        1.0,
    ]


def test_an_error_in_a_score_names_the_plugin():
    with pytest.raises(KeyError, match="'loss'") as caught:
        ends(early_stopping(lambda s: s.meters["loss"], 1), [0])
    assert caught.value.__notes__ == ["This happened in the score of early_stopping."]


# ---- scores of validate -------------------------------------------------------------


def validating(problem, *scores, **options):
    """A `validate` that measures what is given, an epoch after the other."""
    left = iter(scores)
    return validate(TESTER, problem.iterator(30), score=lambda r: next(left), **options)


READ = lambda state: state.aux["validate"]  # noqa: E731


@pytest.mark.slow
@pytest.mark.parametrize("jit", [True, False])
def test_after_validate_the_right_epoch_is_restored(problem, jit):
    kept = []
    keep = tnt.Hooks(on_end_epoch=lambda s: kept.append(s.params["bias"]) or s)
    stop = early_stopping(READ, 2, restore=True)
    job = problem.job(iterator=problem.iterator(30), max_epoch=9, jit=jit)
    hooks = tnt.chain(keep, validating(problem, 3, 1, 2, 2), stop)
    state = tnt.SGDEngine(hooks).train(**job)
    assert (int(state.epoch), float(state.aux["validate"])) == (4, 2)
    np.testing.assert_array_equal(state.params["bias"], kept[1])


GETS = {
    "[]": READ,
    "get": lambda s: s.aux.get("validate", 0.0),
    "in a function": lambda s: jax.jit(lambda state: state.aux["validate"])(s),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["[]", "get"])
@pytest.mark.parametrize("plugin", [early_stopping, plateau])
def test_before_validate_is_an_error_that_names_the_order(problem, plugin, name):
    hooks = plugin(GETS[name], patience=2)
    words = (
        rf"{plugin.__name__}: score reads state.aux\['validate'\] after epoch 1, but it"
        rf" is not measured. Chain validate before {plugin.__name__}, and give both"
    )
    with pytest.raises(ValueError, match=words):
        train(problem, hooks, validating(problem, 3, 1, 2, 2))


def test_a_test_less_often_is_an_error_that_names_every(problem):
    hooks = validating(problem, 3, 1, 2, every=2), early_stopping(READ, 2)
    with pytest.raises(ValueError, match="after epoch 1, but it is not measured"):
        train(problem, *hooks)
    late = early_stopping(lambda s: READ(s) if int(s.epoch) > 2 else 0.0, 9)
    with pytest.raises(ValueError, match="after epoch 3, but it is that of epoch 2"):
        train(problem, validating(problem, 3, 1, 2, every=2), late)
    hooks = validating(problem, 3, 1, 2, every=2), early_stopping(READ, 2, every=2)
    assert int(train(problem, *hooks).aux["early_stopping"]["epoch"]) == 4


def test_a_score_of_the_training_run_may_come_first(problem):
    stop = early_stopping(lambda s: s.aux.get("mine", 0.5), 2)
    state = train(problem, stop, validating(problem, 3, 1, 2, 2))
    assert int(state.epoch) == 3


def test_a_score_may_call_what_is_compiled(problem):
    stop = early_stopping(GETS["in a function"], 2)
    state = train(problem, validating(problem, 3, 1, 2, 2), stop)
    assert int(state.epoch) == 4


@pytest.mark.slow
@pytest.mark.parametrize("plugin", [early_stopping, plateau])
def test_a_score_that_is_not_there_is_named(problem, plugin):
    words = (
        rf"{plugin.__name__}: score reads state.aux\['validate'\], but state.aux has"
        r" '.*'. validate\(..., score=...\), chained before, puts its score there, as"
    )
    hooks = plugin(READ, patience=2)
    with pytest.raises(KeyError, match=words):
        train(problem, validate(TESTER, problem.iterator(30)), hooks)
    with pytest.raises(
        KeyError, match=words.replace(".*", ".*, 'valid', 'valid.epoch")
    ):
        train(problem, hooks, validating(problem, 1, name="valid"))


@pytest.mark.parametrize("typo", ["validat", "other"])
def test_a_name_that_nothing_measures_is_an_error_before_the_first_epoch(
    problem, tmp_path, typo
):
    test = validating(problem, 1, 2, 3)
    pytest.importorskip("orbax.checkpoint")
    for plugin in (
        early_stopping(typo, 2),
        plateau(typo, patience=2),
        tnt.hooks.checkpoint(tmp_path, best=typo),
    ):
        with pytest.raises(KeyError, match="but state.aux has .*'validate'") as caught:
            train(problem, test, plugin)
        assert caught.value.state.t == 0
    with pytest.raises(
        KeyError, match="chained before, puts its score there"
    ) as caught:
        train(problem, early_stopping("validate", 2), test)
    assert caught.value.state.t == 0
    stop = early_stopping("validate", 9)
    checkpoint = tnt.hooks.checkpoint(tmp_path, best="validate")  # in any place
    assert train(problem, checkpoint, test, stop, max_epoch=2).epoch == 2


def test_hooks_after_plateau_see_the_rate_as_a_number_of_python(problem):
    seen = []
    see = tnt.Hooks(on_end_epoch=lambda s: seen.append(s.lr) or s)
    train(problem, plateau(lambda s: 0.5, 0.5, patience=1), see, max_epoch=3)
    assert seen == [0.1, 0.05, 0.025] and {type(rate) for rate in seen} == {float}


# ---- the debuggers of JAX -----------------------------------------------------------


@pytest.mark.slow
def test_plugins_have_no_nan_and_no_infinity_of_their_own(problem, tmp_path):
    hooks = [
        tnt.hooks.metering(loss=(tnt.AverageValueMeter(), lambda s: s.loss)),
        tnt.hooks.ema(0.9, debias=True),
        tnt.hooks.loss_scaling(),
        tnt.hooks.nan_guard(3),
        tnt.hooks.timing(lambda record: None),
        tnt.hooks.profile(tmp_path / "trace", first=1, steps=1),
        validate(
            TESTER,
            problem.iterator(30),
            score=lambda r: 0.5,
            params=tnt.hooks.ema_params,
        ),
        early_stopping(READ, 9, restore=True),
        plateau(READ, patience=2, maximize=True),
    ]
    with jax.debug_nans(True), jax.debug_infs(True):
        state = train(problem, *hooks, max_epoch=3)
        schedule = tnt.hooks.learning_rate({0: 0.1, 2: 0.2}, by="epoch")
        train(problem, schedule, max_epoch=2)
    assert int(state.epoch) == 3
    assert np.isfinite(jax.tree.leaves(state.params)[0]).all()


@pytest.mark.parametrize(
    "score",
    [
        lambda s: {**s.aux}["validate"],
        lambda s: dict(s.aux)["validate"],
        lambda s: dict(s.aux.items())["validate"],
        lambda s: jax.jit(lambda s: s.aux["validate"])(s),
    ],
)
def test_a_copy_of_aux_has_no_score_of_another_epoch(problem, score):
    every_other = tnt.hooks.validate(
        tnt.SGDEngine(
            tnt.hooks.metering(loss=(tnt.AverageValueMeter(), lambda s: s.loss))
        ),
        problem.iterator(),
        score=lambda result: result.meters["loss"].value().mean,
        every=2,
    )
    hooks = tnt.chain(every_other, early_stopping(score, 5))
    with pytest.raises((KeyError, ValueError)):
        tnt.SGDEngine(hooks).train(**problem.job(max_epoch=4))
    both = tnt.chain(every_other, early_stopping(score, 5, every=2))
    assert tnt.SGDEngine(both).train(**problem.job(max_epoch=4)).epoch == 4


@pytest.mark.parametrize(
    ("score", "maximize", "words"),
    [
        ("accuracy", False, "'accuracy' to be better the lower it is.*maximize=True"),
        ("error", True, "'error' to be better the higher it is.*maximize=False"),
    ],
)
@pytest.mark.parametrize("judge", [early_stopping, plateau])
def test_a_score_that_is_better_the_other_way_round_is_warned_of(
    problem, judge, score, maximize, words
):
    hooks = (
        tnt.hooks.metering("error", "accuracy"),
        validate(problem.iterator(), score=score),
        judge("validate", patience=3, maximize=maximize),
    )
    with pytest.warns(UserWarning, match=f"{judge.__name__} takes {words}"):
        train(problem, *hooks, max_epoch=1)


@pytest.mark.parametrize(("score", "maximize"), [("accuracy", True), ("error", False)])
def test_a_score_that_is_better_as_it_is_told_is_not_warned_of(
    problem, score, maximize
):
    hooks = (
        tnt.hooks.metering("error", "accuracy"),
        validate(problem.iterator(), score=score),
        early_stopping("validate", 3, maximize=maximize),
    )
    train(problem, *hooks, max_epoch=1)


def test_a_checkpoint_is_warned_of_its_direction_too(problem, tmp_path):
    pytest.importorskip("orbax.checkpoint")
    measured = validate(problem.iterator(), score="error")
    save = tnt.hooks.checkpoint(tmp_path, best="validate", maximize=True)
    with pytest.warns(UserWarning, match="checkpoint takes 'error' to be better the"):
        train(problem, tnt.hooks.metering("error"), measured, save, max_epoch=1)


def test_an_integer_beyond_floats():
    with pytest.raises(ValueError, match="beyond 10\\*\\*308. Scale it"):
        as_score(10**5000, "validate: score")
