"""Names: many strings in one piece of memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False, repr=False)
class Names:
    """A sequence of strings that pickles as fast as two arrays.

    A million strings of Python take a second to pickle, and a forked process that only
    counts references to them copies their pages.
    """

    text: bytes  # all of them in UTF-8, one behind the other
    ends: np.ndarray  # int64 [N]

    @classmethod
    def pack(cls, names: Iterable[str]) -> "Names":
        """Packs strings, also those that are no Unicode, as names of files may be."""
        encoded = [name.encode("utf-8", "surrogatepass") for name in names]
        ends = np.cumsum([len(name) for name in encoded], dtype=np.int64)
        return cls(b"".join(encoded), ends)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> str:
        start = self.ends[index - 1] if index else 0
        return self.text[start : self.ends[index]].decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        return map(self.__getitem__, range(len(self)))

    def __getstate__(self) -> dict[str, object]:
        return {"text": self.text, "ends": self.ends}

    @cached_property
    def positions(self) -> dict[str, int]:
        """The index of each name."""
        return {name: index for index, name in enumerate(self)}
