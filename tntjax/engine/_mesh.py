"""Where things lie on a mesh of devices: batches in parts, parameters as told."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from tntjax._struct import describe
from tntjax._types import Chunk
from tntjax.engine._state import Carry, State

Shard = Callable[[str, jax.Array], PartitionSpec]
"""`(path, leaf) -> PartitionSpec` of a parameter, the path as `['dense']['kernel']`."""

Move = Callable[[State], State]


@dataclasses.dataclass(frozen=True)
class Placement:
    """Puts a run on a mesh. The compiler adds the communication.

    Args:
      mesh: the devices; the rows of a batch are divided over the axis `data_axis`.
      shard: where parameters lie, None for a copy on each device. What belongs to a
        parameter in `opt_state` and `large`, as it has its path and shape, lies there
        too. All else is copied.
      data_axis: name of an axis of the mesh.
    """

    mesh: Mesh
    shard: Shard | None
    data_axis: str

    def place(self, carry: Carry) -> Carry:
        """Puts both parts of a State where they belong."""
        heavy = jax.tree.map(_put, carry.heavy, self._shardings(carry.heavy))
        return Carry(heavy, self._copy_to_all(carry.light))

    def constrain(self, carry: Carry, kept: Any) -> tuple[Carry, Any]:
        """Tells the compiler that a call returns things where they were before."""
        constrain = jax.lax.with_sharding_constraint
        heavy, light = carry
        if heavy:  # a test gives nothing back
            heavy = jax.tree.map(constrain, heavy, self._shardings(heavy))
        everywhere = self._everywhere
        light, kept = jax.tree.map(lambda x: constrain(x, everywhere), (light, kept))
        return Carry(heavy, light), kept

    def chunk(self, chunk: Chunk, placed: dict[int, Any]) -> Chunk:
        """Divides the rows of the batches over the devices, if they can be divided.

        A batch that cannot, such as a shorter last one, is copied to each device.

        Args:
          chunk: the batches.
          placed: of the chunks before it, by id, what was copied to all devices and
            what became of it: the arrays of a dataset that compiled code gathers from.

        Returns:
          The chunk on the mesh.
        """
        columns = {id(leaf) for leaf in jax.tree.leaves(chunk.xs)}

        def put(leaf: Any) -> Any:
            if id(leaf) in columns:  # new in each chunk, [K, B, ...]
                return _put(leaf, self._of_column(leaf))
            if id(leaf) not in placed:  # with the leaf, or its id would be given away
                placed[id(leaf)] = leaf, _put(leaf, self._everywhere)
            return placed[id(leaf)][1]

        return jax.tree.map(put, chunk)

    def _of_column(self, leaf: Any) -> NamedSharding:
        devices = self.mesh.shape[self.data_axis]
        if leaf.ndim < 2 or leaf.shape[1] % devices:  # [K] numbers, or a shorter batch
            return self._everywhere
        return NamedSharding(self.mesh, PartitionSpec(None, self.data_axis))  # along B

    @property
    def _everywhere(self) -> NamedSharding:
        return NamedSharding(self.mesh, PartitionSpec())

    def _copy_to_all(self, tree: Any) -> Any:
        return jax.tree.map(lambda leaf: _put(leaf, self._everywhere), tree)

    def _shardings(self, heavy: dict[str, Any]) -> dict[str, Any]:
        """Finds where each leaf lies: where its parameter does, or everywhere."""
        places = {
            (path, leaf.shape): self._place(path, leaf)
            for path, leaf in jax.tree_util.tree_leaves_with_path(heavy["params"])
        }

        def place(path: Any, leaf: Any) -> NamedSharding:
            # A moment of Adam: [0].mu['dense'] ends like the parameter ['dense']. The
            # longest end counts; () is that of parameters that are one array.
            ends = ((path[k:], leaf.shape) for k in range(len(path) + 1))
            found = next((end for end in ends if end in places), None)
            return self._everywhere if found is None else places[found]

        return jax.tree_util.tree_map_with_path(place, heavy)

    def _place(self, path: Any, leaf: Any) -> NamedSharding:
        if self.shard is None:
            return self._everywhere
        name = jax.tree_util.keystr(path)
        spec = self.shard(name, leaf)
        if not isinstance(spec, PartitionSpec):
            raise TypeError(
                f"shard must return a PartitionSpec, got {describe(spec)} for {name}."
            )
        try:
            sharding = NamedSharding(self.mesh, spec)
            sharding.shard_shape(leaf.shape)  # raises if it does not fit
        except ValueError as error:  # no such axis, or too few rows for it
            error.add_note(f"This happened in shard, for {name}, {describe(leaf)}.")
            raise
        return sharding


def make_placement(
    mesh: Mesh | None, shard: Shard | None, data_axis: str
) -> Placement | None:
    """Checks what says where things lie.

    Raises:
      TypeError: if `mesh` is not a mesh.
      ValueError: if it has no such axis, or there is something to place and no mesh.
    """
    if mesh is None:
        for name, given in {"shard": shard, "data_axis": data_axis != "data"}.items():
            if given:
                raise ValueError(f"{name} says where on a mesh: pass mesh=... as well.")
        return None
    if not isinstance(mesh, Mesh):
        raise TypeError(f"mesh must be a jax.sharding.Mesh, got {describe(mesh)}.")
    if data_axis not in mesh.axis_names:
        raise ValueError(
            f"data_axis must be one of the mesh's axes {mesh.axis_names}, got"
            f" {data_axis!r}. If batches are to be whole on each device, give the mesh"
            " one of size 1: jax.make_mesh((1, ...), ('data', ...))."
        )
    # Whatever the axes were made for, here the compiler decides along all of them.
    return Placement(Mesh(mesh.devices, mesh.axis_names), shard, data_axis)


@contextlib.contextmanager
def on_mesh(placement: Placement | None) -> Iterator[tuple[Move, Move]]:
    """Sets the mesh of a placement, also where `jax.set_mesh` has set another.

    JAX does not compute with arrays on axes of another type than those of the mesh set.
    What comes from outside, where axes may be explicit, is told to lie on the mesh of
    the placement, and what goes back the other way; so does the State of an error.

    Args:
      placement: where on a mesh things lie, or None.

    Yields:
      Two functions, for a State that comes in and for one that goes back.
    """
    around = jax.sharding.get_abstract_mesh()
    if placement is None or around.empty or around == placement.mesh.abstract_mesh:
        yield _keep_state, _keep_state
        return
    inside = placement.mesh
    # Axes that have no counterpart outside stay as they are.
    types = dict(zip(inside.axis_names, inside.axis_types, strict=True))
    types |= {
        name: kind
        for name, kind in zip(around.axis_names, around.axis_types, strict=True)
        if name in types
    }
    outside = Mesh(inside.devices, inside.axis_names, axis_types=tuple(types.values()))
    # An older JAX has this name only.
    use_mesh = getattr(jax, "set_mesh", None) or getattr(jax.sharding, "use_mesh")  # noqa: B009
    leave = functools.partial(_move_state, outside)
    try:
        with use_mesh(inside):
            yield functools.partial(_move_state, inside), leave
    except BaseException as error:  # Ctrl-C, too, carries a State to go on from
        if isinstance(getattr(error, "state", None), State):
            setattr(error, "state", leave(getattr(error, "state")))  # noqa: B009, B010
        raise


def _keep_state(state: State) -> State:
    return state


def _move_state(mesh: Mesh, state: State) -> State:
    """Returns the State with its arrays on another mesh, divided as they were.

    What is divided over axes that this mesh lacks is copied to each device.
    """

    def move(leaf: Any) -> Any:
        sharding = getattr(leaf, "sharding", None)
        if not isinstance(sharding, NamedSharding) or sharding.mesh == mesh:
            return leaf
        parts = sharding.spec[: leaf.ndim]  # of a key there may be more than axes
        there = set(jax.tree.leaves(tuple(parts))) <= set(mesh.axis_names)
        spec = PartitionSpec(*parts) if there else PartitionSpec()
        return jax.device_put(leaf, NamedSharding(mesh, spec))

    return jax.tree.map(move, state)


def _put(leaf: Any, sharding: NamedSharding) -> jax.Array:
    # Of several processes: a leaf on their devices moves, one that each has is cut.
    if jax.process_count() == 1 or not getattr(leaf, "is_fully_addressable", True):
        return jax.device_put(leaf, sharding)
    return _put_by_each(leaf, sharding)  # pragma: no cover - see below


def _put_by_each(
    leaf: Any, sharding: NamedSharding
) -> jax.Array:  # pragma: no cover - in the two processes of tests/engine/test_mesh.py
    """Gives the devices of each process their part of a leaf that it has whole."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        data = _put_by_each(jax.random.key_data(leaf), sharding)
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
    host = jax.device_get(leaf)
    return jax.make_array_from_callback(host.shape, sharding, lambda part: host[part])
