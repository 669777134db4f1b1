"""TransformDataset: a function applied to each sample."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from tntjax._struct import pytree, static
from tntjax._types import Dataset, Sample
from tntjax.dataset._take import (
    check_index,
    check_indices,
    take,
    take_one_by_one,
    uniform_length,
    with_flat,
)


@pytree
class TransformDataset:
    """A dataset whose samples are passed through a function.

    Where the data lies on a device the function is traced, and mapped over the batch.

    Args:
      dataset: what to transform.
      transform: `sample -> sample`, or a mapping `{field: function}` for some of the
        fields of a dict.
      key: the one field that the function is for: `field -> field`.
      batched: the function takes many samples at once, its arrays have one more
        axis in front: [N, ...] -> [N, ...]. This is the fast form.
      with_index: also pass the index ([N] if batched): `transform(sample, index)`.

    Raises:
      TypeError: if a transform is not a function.
      ValueError: if `key` comes with a mapping.

    Example:
      >>> import numpy as np
      >>> dataset = [{"input": 3, "target": 0}, {"input": 4, "target": 1}]
      >>> TransformDataset(dataset, lambda x: x * x, key="input")[1]
      {'input': 16, 'target': 1}
      >>> TransformDataset(dataset, {"input": float, "target": bool})[1]
      {'input': 4.0, 'target': True}

    Purpose: decoding, cropping, casting: whatever one sample needs.

    Torchnet: `dataset/transformdataset.lua`, which changes the sample below in place
    and always passes the index. Here the sample below stays as it is.
    """

    dataset: Dataset
    transform: Callable[..., Any] | Mapping[str, Callable[..., Any]] = static()
    key: str | None = static(default=None)
    batched: bool = static(default=False)
    with_index: bool = static(default=False)

    def __post_init__(self) -> None:
        if isinstance(self.transform, Mapping):
            if self.key is not None:
                raise ValueError(
                    "TransformDataset takes key=... with a function, or a mapping"
                    " {field: function}; got both."
                )
            # A tuple, since what JAX caches on must be hashable.
            object.__setattr__(self, "transform", tuple(self.transform.items()))
        functions = [function for _, function in _by_field(self)]
        for function in functions:
            if not callable(function):
                raise TypeError(
                    "TransformDataset needs a function or {field: function},"
                    f" got {function!r}."
                )

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        index = check_index(self, index)
        if isinstance(index, jax.Array):
            return self.take(index)
        if self.batched:
            row = jax.tree.map(np.asarray, self.take(np.array([index])))
            return jax.tree.map(lambda leaf: leaf[0], row)
        return self._apply(self.dataset[index], index)

    def take(self, indices: ArrayLike) -> Sample:
        """Reads and transforms many samples at once.

        Args:
          indices: integers of any shape S, possibly traced.

        Returns:
          The sample with leaves [*S, ...].

        Raises:
          IndexError: if an index on the host is out of range.
          TypeError: if `indices` are traced and the function cannot be.
        """
        rows = check_indices(self, indices)
        if self.batched:
            return with_flat(lambda r: self._apply(take(self.dataset, r), r), rows)
        if not isinstance(rows, jax.Array):
            return take_one_by_one(self, rows)
        one = lambda r: self._apply(take(self.dataset, r), r)  # noqa: E731
        try:
            return with_flat(jax.vmap(one), rows)
        except (
            jax.errors.TracerArrayConversionError,
            jax.errors.ConcretizationTypeError,
        ) as error:
            raise TypeError(
                f"The transform of {self!r} works on NumPy values, but the data lies on"
                " a device, where it is traced. Write it with jax.numpy, or keep the"
                " arrays in NumPy."
            ) from error

    def _apply(self, sample: Sample, index: Any) -> Sample:
        extra = (index,) if self.with_index else ()
        changed = dict(sample) if isinstance(sample, dict) else sample
        for field, function in _by_field(self):
            if field is None:
                return function(changed, *extra)
            if field not in changed:
                raise KeyError(
                    f"TransformDataset: the sample has no field {field!r},"
                    f" only {sorted(changed)}."
                )
            changed[field] = function(changed[field], *extra)
        return changed

    @property
    def uniform_length(self) -> int:
        """Known for a function of batches; otherwise shapes may depend on values."""
        return uniform_length(self.dataset) if self.batched else 0


def _by_field(dataset: Any) -> tuple[tuple[str | None, Callable], ...]:
    transform = dataset.transform
    return transform if isinstance(transform, tuple) else ((dataset.key, transform),)
