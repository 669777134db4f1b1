"""Trees as lists of named leaves, and how they get from devices to files and back."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

MISMATCH = """the checkpoint {path} is of something else:
{differences}
Go on with the network, optimizer and hooks that were saved, or use another folder. \
What hooks keep in the State must be there after on_start or on_start_epoch."""


class MismatchError(ValueError):
    """A checkpoint is of something else; `numbers` are fields that both have as one."""

    def __init__(self, text: str, numbers: dict[str, Any]) -> None:
        super().__init__(text)
        self.numbers = numbers


class Kind(NamedTuple):
    """The name of a leaf's dtype, for a PRNG key with its generator, and its shape."""

    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


def named_leaves(tree: dict[str, Any]) -> dict[str, Any]:
    """Returns the leaves by name, such as `params['weight']`."""
    return {
        field + jax.tree_util.keystr(path): leaf
        for field, part in tree.items()
        for path, leaf in jax.tree_util.tree_leaves_with_path(part)
    }


def kind_of(leaf: Any) -> Kind:
    """Returns what a leaf is: an array, a key or a number."""
    leaf = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
    return Kind(str(leaf.dtype), tuple(leaf.shape))


def describe_differences(
    saved: dict[str, Kind], wanted: dict[str, Kind], path: Any
) -> str:
    """Names all leaves that are not saved as wanted; empty if there are none."""
    differences = [
        f"  {name} is {saved.get(name, 'not')} there, and"
        f" {wanted.get(name, 'not')} here"
        for name in sorted(saved.keys() | wanted.keys())
        if saved.get(name) != wanted.get(name)
    ]
    if len(differences) > 8:
        differences[7:] = [f"  and {len(differences) - 7} leaves more"]
    text = "\n".join(differences)
    return MISMATCH.format(path=path, differences=text) if text else ""


def plain(leaf: Any) -> Any:
    """Returns a key's data, and any other leaf as it is."""
    return jax.random.key_data(leaf) if is_key(leaf) else leaf


def is_key(leaf: Any) -> bool:
    """True if a leaf is a typed PRNG key."""
    return isinstance(leaf, jax.Array) and jnp.issubdtype(
        leaf.dtype, jax.dtypes.prng_key
    )


def is_spread(leaf: Any) -> bool:
    """True if a leaf lies on several devices."""
    return isinstance(leaf, jax.Array) and len(leaf.sharding.device_set) > 1


def copies(leaves: dict[str, Any]) -> dict[str, Any]:
    """Copies leaves to the host, those on several devices to where they are.

    The buffers may be donated to the next call as soon as this returns.
    """
    leaves = {name: plain(leaf) for name, leaf in leaves.items()}
    for leaf in leaves.values():
        if isinstance(leaf, jax.Array) and not is_spread(leaf):
            leaf.copy_to_host_async()
    return {
        name: jnp.array(leaf, copy=True) if is_spread(leaf) else np.array(leaf)
        for name, leaf in leaves.items()
    }


def placed(value: Any, like: Any) -> Any:
    """Puts an array that was read, or a key's data, where another leaf lies."""
    if not isinstance(like, jax.Array):
        return value
    if is_key(like):
        value = placed(value, jax.random.key_data(like))
        return jax.random.wrap_key_data(value, impl=jax.random.key_impl(like))
    if is_spread(like):  # it was read in parts
        return value
    return jax.device_put(value, like.sharding if like.committed else None)
