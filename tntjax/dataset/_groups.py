"""Samples divided into groups, such as the batches of an epoch."""

import dataclasses
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Groups:
    """Groups of samples, in arrays: millions take little room, and reach workers fast.

    Args:
      order: numbers of samples [N], those of a group one after another.
      starts, ends: where in it each group lies, both [G].
    """

    order: np.ndarray
    starts: Any
    ends: Any

    def __post_init__(self) -> None:
        vars(self).update(starts=np.asarray(self.starts), ends=np.asarray(self.ends))

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> list[int]:
        return self.order[self.starts[index] : self.ends[index]].tolist()
