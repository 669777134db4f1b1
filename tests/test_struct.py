import dataclasses
import functools
import pickle
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax._struct import Opaque, child, describe, pytree, static


@pytree
class Point:
    x: object
    y: object = 0
    unit: str = static(default="m")

    def __post_init__(self):
        if self.x is None:
            raise ValueError("A Point needs x.")

    def scaled(self, factor):
        return dataclasses.replace(self, x=self.x * factor)


@dataclasses.dataclass
class Holder:
    function: object


class Pair(NamedTuple):
    left: object
    right: object


class Callable:
    def __call__(self):
        """Does nothing."""


class Plain:
    """Has Python's own repr."""


def outer():
    def inner():
        """Does nothing."""

    return inner


def test_fields_cannot_be_set():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Point(1).x = 2


def test_fields_are_leaves_and_static_ones_are_not():
    assert jax.tree.leaves(Point(1, 2, "km")) == [1, 2]


def test_leaves_are_named_after_their_fields():
    leaves = jax.tree_util.tree_leaves_with_path(Point(1, {"a": 2}))
    assert [jax.tree_util.keystr(path) for path, _ in leaves] == [".x", ".y['a']"]


def test_static_fields_make_the_structure():
    assert jax.tree.structure(Point(1, 2)) == jax.tree.structure(Point(3, 4))
    assert jax.tree.structure(Point(1)) != jax.tree.structure(Point(1, unit="km"))


def test_a_round_trip_keeps_everything():
    leaves, structure = jax.tree.flatten(Point(1, 2, "km"))
    point = jax.tree.unflatten(structure, leaves)
    assert (type(point), point.x, point.y, point.unit) == (Point, 1, 2, "km")


def test_checks_see_what_a_user_passed_and_not_what_jax_rebuilds():
    assert jax.tree.map(lambda leaf: None, Point(1)).x is None
    with pytest.raises(ValueError, match="A Point needs x"):
        Point(None)


def test_instances_compare_by_identity():
    point = Point(np.zeros(2))
    assert point == point
    assert point != Point(np.zeros(2))
    assert len({point, point}) == 1


def test_enters_compiled_code_as_an_argument():
    point = jax.jit(lambda point, factor: point.scaled(factor))(Point(2.0), 3)
    assert (float(point.x), point.unit) == (6.0, "m")


def test_is_traced_once_for_new_leaves_and_again_for_a_new_static_field():
    traces = []
    compiled = jax.jit(lambda point: traces.append(point.unit))
    for point in (Point(1.0), Point(2.0), Point(1.0, unit="km")):
        compiled(point)
    assert traces == ["m", "km"]


def test_survives_pickle():
    point = pickle.loads(pickle.dumps(Point(1, [2], "km")))
    assert (point.x, point.y, point.unit) == (1, [2], "km")


def test_repr_shows_the_fields():
    shown = "Point(x=float32[2], y=[1, 2], unit='km')"
    assert repr(Point(np.zeros(2, np.float32), [1, 2], "km")) == shown


def test_a_repr_of_its_own_is_kept():
    @pytree
    class Named:
        x: int

        def __repr__(self):
            return "mine"

    assert repr(Named(1)) == "mine"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.zeros((5, 28)), "float64[5,28]"),
        (np.float32(1), "float32[]"),
        (jnp.zeros(3, jnp.bfloat16), "bfloat16[3]"),
        ({"a": np.zeros(1), 2: [1]}, "{'a': float64[1], 2: [1]}"),
        ([1, "two"], "[1, 'two']"),
        ((1, np.zeros(1)), "(1, float64[1])"),
        (list(range(7)), "list of 7"),
        (tuple(range(7)), "tuple of 7"),
        (Pair(1, 2), "Pair(left=1, right=2)"),
        (Point(1), "Point(x=1, y=0, unit='m')"),
        (len, "len"),
        (outer(), "outer.<locals>.inner"),
        (Point(1).scaled, "Point.scaled"),
        (functools.partial(len), "partial"),
        (Callable(), "Callable"),
        (np.float32, "float32"),
        (Plain, "Plain"),
        (np, "module"),
        (range(3), "range(0, 3)"),
        ("text", "'text'"),
        (None, "None"),
    ],
)
def test_describe(value, expected):
    assert describe(value) == expected


@pytree
class Secret:
    hidden: list = child(Opaque)
    shown: int = 0


def test_jax_does_not_look_into_what_is_opaque():
    secret = Secret(["text", np.zeros(2)], 5)
    leaves, structure = jax.tree.flatten(secret)
    assert leaves == [5]
    assert jax.tree.unflatten(structure, leaves).hidden is secret.hidden
    assert jax.jit(lambda secret: (len(secret.hidden), secret.shown))(secret) == (2, 5)
    assert "text" in str(structure)


@pytest.mark.parametrize("leaf", [1, (2, 3), jax.sharding.PartitionSpec(), [4]])
def test_what_jax_puts_in_the_place_of_leaves_stays_open(leaf):
    numbers = (int, float)
    either = pytree(
        type(
            "Either",
            (),
            {
                "__annotations__": {"part": object},
                "part": child(lambda v: v if isinstance(v, numbers) else Opaque(v)),
            },
        )
    )
    leaves, structure = jax.tree.flatten(either(5))
    changed = jax.tree.unflatten(structure, [leaf])
    assert changed.part is leaf
    assert jax.tree.structure(changed, is_leaf=lambda v: v is leaf) == structure


def test_what_is_opaque_equals_itself_alone():
    hidden = [1]
    assert jax.tree.structure(Secret(hidden)) == jax.tree.structure(Secret(hidden))
    assert jax.tree.structure(Secret(hidden)) != jax.tree.structure(Secret([1]))
    assert len({Opaque(hidden), Opaque(hidden), Opaque([1])}) == 2


@pytest.mark.parametrize("value", [Plain(), Holder(outer()), [{1: Plain()}]], ids=type)
def test_describe_shows_no_address(value):
    assert " at 0x" in repr(value)
    assert "0x" not in describe(value)


def test_describe_shows_a_few_levels_of_tables_that_lie_in_each_other():
    lists, dicts = [], {}
    for _ in range(60):
        lists, dicts = [lists], {"a": dicts}
    assert describe(lists) == "[[[[[...]]]]]"
    assert describe(dicts) == "{'a': {'a': {'a': {'a': {...}}}}}"
    for _ in range(60):
        lists = [lists, lists]
    assert len(describe(lists)) < 300
