"""The protocols: what each part asks of the others, and nothing of how it is made."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeGuard, runtime_checkable

import jax
from jax.typing import ArrayLike

Sample = Any
"""A pytree of arrays; by convention a dict with the fields `input` and `target`."""

Hook = Callable[[Any], Any]  # `State -> State`, pure when it runs compiled


@runtime_checkable
class Dataset(Protocol):
    """A pure function of an index: a list, a torch or Hugging Face dataset is one.

    `__getitem__` is deterministic and may be called from several threads. An index
    below 0 or at the length raises `IndexError`. Optional members make it fast:

    * `take(indices)`: many samples stacked along new first axes of any shape, in
      arrays of their own. It counts only when `indices` is its one parameter.
    * `uniform_length`: how many of the leading samples are known to have the same
      structure, shapes and dtypes, so that a run of them can be taken at once.
    * `on_device`: whether compiled code can gather samples.
    * `sample_bytes`: the size of one sample.
    """

    def __len__(self) -> int:
        """Returns how many samples there are."""
        ...

    def __getitem__(self, index: int, /) -> Sample:
        """Returns sample `index`, 0 <= index < len."""
        ...


def is_dataset(value: object) -> TypeGuard[Dataset]:
    """True if it has `len` and `[index]` by number.

    A class is a function that makes a dataset. A dict has samples by name, and what
    pandas makes by label, which need not be its place.
    """
    no_length = isinstance(value, type) or getattr(value, "shape", None) == ()
    if no_length or hasattr(value, "iloc") or not isinstance(value, Dataset):
        return False
    return not isinstance(value, Mapping) or not len(value) or 0 in value


@runtime_checkable
class Chunk(Protocol):
    """A run of samples on their way into one compiled call. A pytree.

    `xs` is what a scan walks over: pytree leaves with a first axis of the chunk's
    length. `read` turns one slice of it into the sample, inside the compiled step.
    """

    @property
    def xs(self) -> Any:
        """The pytree to scan over, leaves [K, ...]."""
        ...

    def read(self, x: Any) -> Sample:
        """Returns the sample that one slice of `xs` stands for."""
        ...

    def part(self, number: int) -> "Chunk":
        """Returns the chunk that holds one of the samples alone."""
        ...

    def padded(self, length: int) -> "Chunk":
        """Returns the chunk with anything behind, so that `xs` has `length` rows."""
        ...

    def __len__(self) -> int:
        """Returns K, the number of samples."""
        ...


class Room(Protocol):
    """Chooses how large chunks are."""

    def __call__(
        self, position: int, sample_bytes: int, length: int | None = None
    ) -> int:
        """Returns how many samples a chunk may hold.

        Args:
          position: the number of its first sample in the epoch.
          sample_bytes: bytes of one.
          length: how many samples alike the epoch has, if that is known: then chunks
            may be such that they divide it.
        """
        ...


@runtime_checkable
class SampleIterator(Protocol):
    """The samples that an engine trains on: in order, from any place in any epoch."""

    def run(self, epoch: int = 0, start: int = 0) -> Iterator[Sample]:
        """Yields the samples of an epoch, one by one, from number `start` on."""
        ...

    def chunks(self, epoch: int, start: int, room: Room) -> Iterator[Chunk]:
        """Yields the same samples in chunks of one shape.

        `room`, a `Room`, is asked for the most samples that a chunk may hold; it holds
        as many, unless the samples end or change their shapes.

        An engine on an accelerator reads chunks on the host in a thread of its own, up
        to two ahead. The thread is the only one to touch what is returned here then,
        and the arrays of a chunk must stay as they are once it is yielded. If there is
        a method `prepare(epoch)`, it is called before the end of the epoch before.
        """
        ...


class Network(Protocol):
    """`network(params, input) -> output`: pure, differentiable in `params`."""

    def __call__(self, params: Any, input: Any, /) -> Any:
        """Returns the output for a batch of inputs."""
        ...


class Criterion(Protocol):
    """`criterion(output, target) -> loss`: [] a mean, or [B] one for each example."""

    def __call__(self, output: Any, target: Any, /) -> jax.Array:
        """Returns the loss, [] or [B] float."""
        ...


@runtime_checkable
class Meter(Protocol):
    """A monoid: `reset()` is the identity of the associative `merge`.

    A frozen pytree whose `add` keeps structure, shapes and dtypes, so that a meter
    can be carried through a scan. Nothing changes in place: rebind the result.

    Whatever has these methods is a meter. The base `tnt.Meter` brings two of them.
    """

    def add(self, *args: Any, mask: ArrayLike | None = None) -> "Meter":
        """Returns the meter with a batch counted in."""
        ...

    def merge(self, other: Any) -> "Meter":
        """Returns one meter for what both have seen."""
        ...

    def reset(self) -> "Meter":
        """Returns the meter that has seen nothing."""
        ...

    def value(self) -> Any:
        """Returns what was measured: numbers and NumPy arrays, unless traced."""
        ...


class View(Protocol):
    """A closure attached to a `Log`; `key` and `value` come with a set or a get."""

    def __call__(self, log: Any, *args: Any) -> None:
        """Shows something of the log."""
        ...
