"""Flags that say whether a network is in training: passed, or an error."""

import functools

import jax.numpy as jnp
import pytest

import tntjax as tnt
from tntjax.network._flags import check_flags, flag_values, training_flags


def takes(signature):
    """A function of `x` and what a user may write after it."""
    return eval(f"lambda x, {signature}: x")  # noqa: S307


def typed(x, is_train: bool | None = None):
    return x


SEEMING = {
    "is_train=True": takes("is_train=True"),
    "isTrain=True": takes("isTrain=True"),
    "train_mode=False": takes("train_mode=False"),
    "is_eval=False": takes("is_eval=False"),
    "eval_mode=True": takes("eval_mode=True"),
    "use_dropout=True": takes("*, use_dropout=True"),
    "mode='train'": takes("mode='train'"),
    "learning": takes("learning"),
    "is_train": typed,
}
INNOCENT = [
    takes("return_features=False"),
    takes("dropout_rate=0.1"),
    takes("test_input=None"),
    takes("mode='nearest'"),
    takes("training_steps=10"),
    takes("*args, **kwargs"),
    functools.partial(takes("is_train=True"), is_train=False),
    jnp.sin,
    max,
]


@pytest.mark.parametrize(("name", "function"), SEEMING.items(), ids=list(SEEMING))
def test_what_seems_to_be_a_flag_is_an_error_with_the_way_out(name, function):
    with pytest.raises(TypeError, match=f"^adapter: .* takes {name}.*Name it: ") as e:
        training_flags("adapter", function, None, given=1)
    word = name.split("=")[0]
    assert f"training={word!r}" in str(e.value)
    assert training_flags("adapter", function, word, given=1) == (word,)
    assert training_flags("adapter", function, (), given=1) == ()


@pytest.mark.parametrize("function", INNOCENT, ids=range(len(INNOCENT)))
def test_what_says_something_else_is_left_alone(function):
    check_flags("adapter", function, "", given=1)


def test_the_first_arguments_are_what_is_passed():
    check_flags("adapter", lambda train, test: train, "", given=2)


def test_a_flag_that_is_known_is_enough():
    function = takes("train=True, use_dropout=True")
    assert training_flags("adapter", function, None, given=1) == ("train",)


def test_a_flag_that_is_misnamed_is_an_error():
    words = r"has no argument 'is_trian', which training= names; it has x, is_train\."
    with pytest.raises(TypeError, match=words):
        training_flags("adapter", takes("is_train=True"), "is_trian", given=1)
    assert training_flags("a", takes("**kwargs"), "any", given=1) == ("any",)


def test_flags_of_the_opposite_are_told_by_their_words():
    names = ("train", "is_train", "learning", "enable_dropout")
    assert flag_values(names, True) == dict.fromkeys(names, True)
    names = ("deterministic", "use_running_average", "is_eval", "testing", "inference")
    assert flag_values(names, True) == dict.fromkeys(names, False)


# ---- networks of one's own ----------------------------------------------------------

JOB = {
    "criterion": lambda output, target: (output - target) ** 2,
    "iterator": tnt.DatasetIterator([{"input": jnp.ones(4), "target": jnp.ones(4)}]),
    "params": jnp.zeros(()),
}


@pytest.mark.parametrize("name", ["is_train", "training", "deterministic"])
def test_a_plain_network_is_not_told(name):
    network = eval(f"lambda params, input, {name}=True: params * input")  # noqa: S307
    words = rf"network: .* takes {name}=True, .* Make it a tnt.network.Stateful, which"
    with pytest.raises(TypeError, match=words):
        tnt.SGDEngine().train(**JOB, network=network, lr=0.1, max_epoch=1)
    with pytest.raises(TypeError, match=words):
        tnt.SGDEngine().test(**JOB, network=network)
    fixed = functools.partial(network, **{name: False})
    assert int(tnt.SGDEngine().test(**JOB, network=fixed).t) == 1


def test_a_stateful_network_is_passed_training_alone():
    def apply(params, state, input, *, key, training, is_train=True):
        return params * input, state

    with pytest.raises(
        TypeError, match="Stateful: .*takes is_train=True.* Read the arg"
    ):
        tnt.network.Stateful(apply)
