import pickle
from collections import OrderedDict

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.transform import (
    compose,
    identity,
    make_batch,
    merge,
    normalize,
    randperm,
    table_apply,
)


def double(x):
    return 2 * x


def increase(x):
    return x + 1


MADE = {
    "compose": lambda: compose([double, increase]),
    "merge": lambda: merge({"a": double, "b": increase}),
    "merge of a list": lambda: merge([double, increase]),
    "table_apply": lambda: table_apply(double),
    "make_batch": lambda: make_batch(),
    "make_batch with merge": lambda: make_batch(double),
    "randperm": lambda: randperm(10, seed=3),
    "normalize": lambda: normalize(0.5),
}
every_transform = pytest.mark.parametrize("make", MADE.values(), ids=MADE.keys())


@every_transform
def test_two_made_alike_are_equal_and_hash_alike(make):
    assert make() == make()
    assert hash(make()) == hash(make())
    others = [other() for other in MADE.values() if other is not make]
    assert make() not in others


@every_transform
def test_survives_pickle(make):
    assert pickle.loads(pickle.dumps(make())) == make()


@every_transform
def test_repr_is_how_it_is_made(make):
    shown = repr(make())
    assert "0x" not in shown and "\n" not in shown
    assert eval(shown) == make()


@every_transform
def test_is_frozen(make):
    with pytest.raises(AttributeError):
        make().anything = 1


def test_jax_compiles_once_for_equal_transforms():
    traces = 0

    def apply(function, x):
        nonlocal traces
        traces += 1
        return function(x)

    compiled = jax.jit(apply, static_argnums=0)
    for _ in range(3):
        assert compiled(compose([double, increase]), jnp.float32(3)) == 7
    assert traces == 1


def test_identity_returns_its_argument():
    sample = {"input": np.zeros(3)}
    assert identity(sample) is sample


def test_compose_applies_the_first_first():
    assert compose([double, increase])(3) == 7
    assert compose([increase, double])(3) == 8


def test_compose_of_nothing_is_the_identity():
    sample = object()
    assert compose([])(sample) is sample


def test_compose_is_associative():
    left = compose([compose([double, increase]), double])
    right = compose([double, compose([increase, double])])
    assert left(5) == right(5) == 22


def test_compose_copies_the_list():
    functions = [double]
    composed = compose(functions)
    functions.append(increase)
    assert composed(3) == 6


@pytest.mark.parametrize("make", [compose, merge])
def test_needs_functions(make):
    with pytest.raises(TypeError, match="needs functions, but entry 1 is None"):
        make([double, None])
    with pytest.raises(TypeError, match="needs a list of functions, got double"):
        make(double)


def test_merge_keeps_keys_and_results_as_they_are():
    merged = merge({"size": len, "copy": list})("ab")
    assert merged == {"size": 2, "copy": ["a", "b"]}
    assert list(merged) == ["size", "copy"]


def test_merge_returns_what_it_was_given():
    assert merge([double, increase])(3) == [6, 4]
    assert merge((double, increase))(3) == (6, 4)
    assert merge(OrderedDict(a=double))(3) == {"a": 6}


def test_merge_of_a_dict_needs_functions():
    with pytest.raises(TypeError, match="merge needs functions, but entry 1 is 3"):
        merge({"a": double, "b": 3})
