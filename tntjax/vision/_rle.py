"""COCO's run-length encoding of masks."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tntjax._check import require
from tntjax._numbers import check_at_least, check_integers
from tntjax._optional import import_optional
from tntjax._struct import describe

Rle = Mapping[str, Any]
"""`{"size": [height, width], "counts": runs}`: a list of ints, or packed in bytes."""

MOST_PLACE = 1 << 20
"""A point of a polygon further away, in pixels, is a mistake."""


def rle_decode(rle: Rle) -> np.ndarray:
    """Decodes a mask, whose runs go down the columns, zeros first.

    Args:
      rle: `{"size": [H, W], "counts": ...}`, where counts are the lengths of runs (as
        in COCO's crowds) or the string or bytes that they are packed in.

    Returns:
      bool [H, W].

    Raises:
      TypeError, ValueError: if it is not such a dict, or its runs do not make H x W.

    Example:
      >>> rle_decode({"size": [2, 3], "counts": [1, 3, 2]}).astype(int).tolist()
      [[0, 1, 0], [1, 1, 0]]

    Source: `maskApi.c` of https://github.com/cocodataset/cocoapi, which does not check
    the runs.
    """
    (height, width), runs = _read(rle)
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T.copy()


def rle_encode(mask: ArrayLike) -> dict[str, Any]:
    """Encodes a mask as files of results have it, to the same bytes as pycocotools.

    Args:
      mask: [H, W], bool or numbers of which all but 0 are foreground, in any order of
        memory.

    Returns:
      `{"size": [H, W], "counts": bytes}`. For JSON decode the bytes as ASCII.

    Raises:
      ValueError: if it does not have two axes, or holds NaN or no numbers.

    Example:
      >>> rle_encode([[0, 1, 0], [1, 1, 0]])
      {'size': [2, 3], 'counts': b'132'}
    """
    mask = np.asarray(mask)
    plain = mask.ndim == 2 and mask.dtype.kind in "biuf"
    if not plain or np.isnan(mask).any():
        raise ValueError(
            "rle_encode needs a mask [H, W] of bool or numbers, none of them NaN, got"
            f" {describe(mask)}. Of scores write rle_encode(scores > 0.5)."
        )
    flat = mask.T.astype(bool).ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=False))
    runs = np.diff(edges, prepend=0, append=flat.size)
    return {"size": list(mask.shape), "counts": _pack(runs)}


def rle_area(rle: Rle) -> int:
    """Counts the foreground pixels of a mask.

    Args:
      rle: as for `rle_decode`.

    Returns:
      How many there are.

    Raises:
      TypeError, ValueError: as `rle_decode`.

    Example:
      >>> rle_area({"size": [2, 3], "counts": b"132"})
      3
    """
    return int(_read(rle)[1][1::2].sum())


def rle_iou(
    masks: Sequence[Rle], others: Sequence[Rle], crowd: ArrayLike | None = None
) -> np.ndarray:
    """Measures how much masks overlap, without decoding them.

    Args:
      masks: the detections, D of them.
      others: the objects, G of them, of the same size.
      crowd: bool [G], which of `others` are regions of many objects: there it is the
        share of the detection that lies inside. None for none.

    Returns:
      float64 [D, G], intersection over union; 0 for two empty masks.

    Raises:
      TypeError, ValueError: as `rle_decode`; also if sizes differ.

    Example:
      >>> one, two = rle_encode([[1, 1, 0]]), rle_encode([[0, 1, 1]])
      >>> rle_iou([one, two], [one]).round(3).tolist()
      [[1.0], [0.333]]

    Source: `rleIou` of `maskApi.c`, where a size that differs gives -1.
    """
    is_crowd = np.zeros(len(others), bool) if crowd is None else np.asarray(crowd, bool)
    fits = is_crowd.shape == (len(others),)
    require(fits, f"rle_iou needs a crowd [{len(others)}]", crowd)
    read = [_read(rle) for rle in (*masks, *others)]
    sizes = sorted({size for size, _ in read})
    require(len(sizes) < 2, "rle_iou needs masks of one size", sizes)
    found = [_find_edges(runs) for _, runs in read]
    edges = found[: len(masks)]
    areas = np.array([e[1::2].sum() - e[::2].sum() for e in edges], np.float64)  # [D]
    owner = np.repeat(np.arange(len(edges)), [len(e) // 2 for e in edges])
    flat = np.concatenate([*edges, np.zeros(0, np.int64)])
    result = np.zeros((len(masks), len(others)))
    for column, runs in enumerate(found[len(masks) :]):
        # Pixels of the object before each position: a line that rises inside its runs.
        lengths = runs[1::2] - runs[::2]
        rise = np.cumsum(lengths)
        below = np.stack([rise - lengths, rise], 1).ravel()
        before = np.interp(flat, runs, below) if len(runs) else np.zeros(len(flat))
        shared = np.bincount(owner, before[1::2] - before[::2], len(masks))  # [D]
        union = areas if is_crowd[column] else areas + lengths.sum() - shared
        result[:, column] = np.divide(shared, np.maximum(union, 1))
    return result


def polygons_to_rle(
    polygons: Sequence[Sequence[float]], height: int, width: int
) -> dict[str, Any]:
    """Fills polygons, with pycocotools, and encodes the mask of all of them.

    Args:
      polygons: each [x0, y0, x1, y1, ...], of three points at least.
      height: of the image, in pixels.
      width: of the image.

    Returns:
      `{"size": [height, width], "counts": bytes}`.

    Raises:
      ImportError: if pycocotools is not installed.
      TypeError: if `height` or `width` is not an integer.
      ValueError: if there is no polygon, or one has fewer than three points, half a
        point or one that is far away: pycocotools takes four numbers for a box.

    Example:
      >>> rle_area(polygons_to_rle([[1, 1, 4, 1, 4, 3, 1, 3]], 5, 6))
      6
    """
    height = check_at_least("polygons_to_rle: height", height, 1)
    width = check_at_least("polygons_to_rle: width", width, 1)
    if height * width >= 2**32:
        raise ValueError(
            f"polygons_to_rle needs fewer than 2**32 pixels, got {height} x {width}."
        )
    some = isinstance(polygons, Sequence | np.ndarray) and len(polygons)
    require(some, "polygons_to_rle needs at least one polygon", polygons)
    parts = [_check_polygon(polygon) for polygon in polygons]
    mask = import_optional("pycocotools.mask", "polygons_to_rle", "vision")
    return mask.merge(mask.frPyObjects(parts, height, width))


def _check_polygon(polygon: Any) -> list[float]:
    with contextlib.suppress(ValueError):  # of lists of unequal lengths
        part = np.asarray(polygon)
        even = part.ndim == 1 and len(part) >= 6 and len(part) % 2 == 0
        # pycocotools' steps along an edge would not fit into 32 bits
        if even and part.dtype.kind in "iuf" and (np.abs(part) < MOST_PLACE).all():
            return part.astype(float).tolist()
    raise ValueError(
        "polygons_to_rle needs polygons [x0, y0, x1, y1, x2, y2, ...] in pixels, got"
        f" {describe(polygon)}."
    )


def _read(rle: Any) -> tuple[tuple[int, int], np.ndarray]:
    """Returns the size and the lengths of the runs, zeros first, checked."""
    if not isinstance(rle, Mapping) or not {"size", "counts"} <= set(rle):
        raise TypeError(
            'Expected RLE {"size": [height, width], "counts": ...}, got'
            f" {describe(rle)}. For polygons: polygons_to_rle(polygons, height, width)."
        )
    try:
        height, width = check_integers(list(rle["size"]), "").tolist()
    except (TypeError, ValueError):
        height = width = -1
    needs = "Expected RLE with a size [height, width]"
    require(height >= 0 and width >= 0, needs, rle["size"])
    counts = rle["counts"]
    if isinstance(counts, str | bytes | bytearray):
        runs = _unpack(counts.encode() if isinstance(counts, str) else bytes(counts))
    else:
        needs = "Expected RLE with counts in bytes, or a list of integers"
        try:
            runs = np.asarray(check_integers(counts, needs)).astype(np.int64)
        except OverflowError as error:
            raise ValueError(f"RLE with damaged counts: {error}.") from error
    pixels = height * width
    # Each run too: a sum of large ones may wrap around to the right number.
    whole = runs.ndim == 1 and (runs >= 0).all() and (runs <= pixels).all()
    if not whole or runs.sum() != pixels:
        raise ValueError(
            f"RLE of a mask of {height} x {width} = {pixels} pixels has runs that make"
            f" {sum(map(int, runs.flat))}: it is damaged, or its size is swapped."
        )
    return (height, width), runs


def _find_edges(runs: np.ndarray) -> np.ndarray:
    """Returns where runs of ones begin and end, in turn, none of them empty."""
    edges = np.cumsum(runs)
    edges = edges[: len(edges) // 2 * 2].reshape(-1, 2)
    return edges[edges[:, 0] < edges[:, 1]].ravel()


def _unpack(packed: bytes) -> np.ndarray:
    """Reads numbers of five bits a character; from the fourth on they are differences.

    Bit 5 of a character says that the number goes on, bit 4 of its last is the sign.
    """
    codes = np.frombuffer(packed, np.uint8).astype(np.int64) - 48
    if not len(codes):
        return codes
    ends = np.flatnonzero(codes & 32 == 0)
    widths = np.diff(ends, prepend=-1)  # characters of each number
    whole = len(ends) and ends[-1] == len(codes) - 1 and widths.max() <= 12
    if not whole or codes.min() < 0 or codes.max() > 63:
        raise ValueError(f"RLE with damaged counts: {describe(packed[:40])}.")
    starts = ends - widths + 1
    places = 5 * (np.arange(len(codes)) - np.repeat(starts, widths))
    runs = np.add.reduceat((codes & 31) << places, starts)
    negative = codes[ends] & 16 > 0
    runs[negative] -= 1 << (5 * widths[negative])
    # Each from the fourth on was stored less the one two places before it.
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs


def _pack(runs: np.ndarray) -> bytes:
    values = runs.astype(np.int64).copy()
    values[3:] -= runs[1:-2]
    packed, going = [], np.ones(len(values), bool)
    while going.any():
        code, values = values & 31, values >> 5
        more = going & np.where(code & 16 > 0, values != -1, values != 0)
        packed.append(np.where(going, code + 32 * more + 48, 0))
        going = more
    characters = np.stack(packed, 1).ravel() if packed else np.zeros(0)
    return characters[characters > 0].astype(np.uint8).tobytes()
