from typing import Any

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec


def gather(tree: Any) -> Any:
    """Makes arrays of an explicit mesh whole on each device, in jit or not.

    JAX leaves it to us what becomes of rows of such a mesh which go to places that only
    their values tell. Of other arrays the compiler decides.
    """
    meshes = [jax.typeof(leaf).sharding.mesh for leaf in jax.tree.leaves(tree)]
    explicit = [mesh for mesh in meshes if AxisType.Explicit in mesh.axis_types]
    if not explicit:
        return tree
    whole = NamedSharding(explicit[0], PartitionSpec())
    return jax.tree.map(lambda leaf: jax.sharding.reshard(leaf, whole), tree)
