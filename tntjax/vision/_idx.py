"""IDX, the file format of MNIST: a small header, then numbers."""

import gzip
import io
import math
import os

import numpy as np

from tntjax._files import as_place
from tntjax.vision._archive import DAMAGED

# The third byte of the header. Numbers of more than one byte are big-endian.
_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Reads an IDX file, plain or gzipped, whichever its first bytes tell.

    Args:
      path: the file. Its name does not matter: browsers unpack without renaming.

    Returns:
      The array, of the sizes in the header and in the machine's byte order. It is
      read-only: take a copy to write into.

    Raises:
      FileNotFoundError: if there is no such file.
      TypeError: if `path` is not a path.
      ValueError: if the file is empty, truncated, too long, damaged, or no IDX file;
        the text names the file and what is wrong with it.

    Example:
      >>> import pathlib, tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = pathlib.Path(folder, "labels-idx1-ubyte")
      ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
      ...     read_idx(path).tolist()
      [7, 2, 1]

    Torchnet: its example read MNIST through the `mnist` rock; the format is described
    at http://yann.lecun.com/exdb/mnist.
    """
    place = as_place(path, "read_idx: path")  # `open` takes numbers too
    with open(place, "rb") as file:
        return parse_idx(file.read(), place)


def parse_idx(content: bytes, where: str) -> np.ndarray:
    """Does what `read_idx` does for bytes; `where` names them in an error."""
    content = unpack(content, where)
    if not content:
        raise ValueError(f"{where} is empty.")
    rank = content[3] if len(content) > 3 else 0
    if content[:2] != b"\0\0" or len(content) < 4 or content[2] not in _DTYPES:
        raise ValueError(
            f"{where} is no IDX file: it begins with {content[:8]!r}, and an IDX file"
            " with two zeros, a code for the type of its numbers and its rank."
        )
    start = 4 + 4 * rank
    if len(content) < start:
        raise ValueError(
            f"{where} is truncated: its header of rank {rank} has {start} bytes,"
            f" the file {len(content)}."
        )
    dtype = np.dtype(_DTYPES[content[2]])
    shape = tuple(np.frombuffer(content, ">u4", rank, offset=4).tolist())
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        state = "is truncated" if len(content) < expected else "is too long"
        raise ValueError(
            f"{where} {state}: its header promises {list(shape)} numbers in"
            f" {expected} bytes, the file has {len(content)} (unpacked)."
        )
    numbers = np.frombuffer(content, dtype, offset=start).reshape(shape)
    numbers = numbers.astype(dtype.newbyteorder("="), copy=False)
    numbers.setflags(write=False)
    return numbers


def unpack(content: bytes, where: str, most: int = -1) -> bytes:
    """Returns `most` bytes of what is in a gzip file, and anything else as it is."""
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        with gzip.open(io.BytesIO(content)) as file:
            return file.read(most)
    except DAMAGED as error:
        raise ValueError(
            f"{where} is a truncated or damaged gzip file: {error}"
        ) from error
