"""Arrays that are spread over an explicit mesh, put together."""

from typing import Any

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec


def gather(tree: Any) -> Any:
    """Makes arrays whole on each device, if their types say how they are spread.

    JAX leaves it to us what becomes of rows of an explicit mesh which go to places that
    only their values tell. Of other arrays the compiler decides.

    Args:
      tree: arrays, tracers or numbers.

    Returns:
      The same, in jit or not.
    """
    meshes = [jax.typeof(leaf).sharding.mesh for leaf in jax.tree.leaves(tree)]
    explicit = [mesh for mesh in meshes if AxisType.Explicit in mesh.axis_types]
    if not explicit:
        return tree
    whole = NamedSharding(explicit[0], PartitionSpec())
    return jax.tree.map(lambda leaf: jax.sharding.reshard(leaf, whole), tree)
