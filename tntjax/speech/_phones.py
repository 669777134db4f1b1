"""The phones of TIMIT, and how they are folded for training and for scores."""

from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike

PHONES_61 = tuple(
    "aa ae ah ao aw ax ax-h axr ay b bcl ch d dcl dh dx eh el em en eng epi er ey f g"
    " gcl h# hh hv ih ix iy jh k kcl l m n ng nx ow oy p pau pcl q r s sh t tcl th uh"
    " uw ux v w y z zh".split()
)
"""The labels of TIMIT's files."""

_BOTH = {"ax-h": "ax", "axr": "er", "hv": "hh", "em": "m", "nx": "n"}
_BOTH |= {"eng": "ng", "ux": "uw", "h#": "sil", "pau": "sil"}
_TO_48 = _BOTH | dict.fromkeys(("bcl", "dcl", "gcl"), "vcl")
_TO_48 |= dict.fromkeys(("pcl", "tcl", "kcl"), "cl")
_48_TO_39 = {"ao": "aa", "ax": "ah", "ix": "ih", "el": "l", "en": "n", "zh": "sh"}
_48_TO_39 |= dict.fromkeys(("vcl", "cl", "epi"), "sil")

PHONES_48 = tuple(sorted({_TO_48.get(phone, phone) for phone in PHONES_61} - {"q"}))
"""Those that models are trained on: `vcl`, `cl`, `epi` and `sil` are silences."""

PHONES_39 = tuple(sorted({_48_TO_39.get(phone, phone) for phone in PHONES_48}))
"""Those that scores are counted on."""


def fold_phones(phones: Sequence[str], to: int = 39) -> list[str]:
    """Replaces phones by the ones that stand for them, and leaves `q` out.

    Equal neighbours stay two, as in Kaldi's scores.

    Args:
      phones: labels of the 61, 48 or 39.
      to: 61 (which changes nothing), 48 or 39.

    Returns:
      The labels.

    Raises:
      ValueError: if a label is unknown, or is not in so large a set.

    Example:
      >>> fold_phones(["h#", "ix", "q", "dcl", "zh", "ao"])
      ['sil', 'ih', 'sil', 'sh', 'aa']

    Lee and Hon, Speaker-independent phone recognition using hidden Markov models
    (1989), with Kaldi's map.
    """
    found = [fold_phone(phone, to) for phone in phones]
    return [phone for phone in found if phone is not None]


def fold_phone(phone: str, to: int) -> str | None:
    """Returns the phone that stands for another, None for `q`, which has none."""
    known = {61: PHONES_61, 48: PHONES_48, 39: PHONES_39}
    if to not in known:
        raise ValueError(f"phones are folded to 61, 48 or 39, got {to!r}.")
    if to < 61:
        if phone == "q":
            return None
        phone = _TO_48.get(phone, phone)
    if to == 39:
        phone = _48_TO_39.get(phone, phone)
    if phone not in known[to]:
        raise ValueError(f"{phone!r} is not one of the {to} phones of TIMIT.")
    return phone


def frame_labels(
    spans: ArrayLike,
    labels: ArrayLike,
    count: int,
    *,
    size: int = 400,
    hop: int = 160,
    center: bool = False,
) -> np.ndarray:
    """Labels each frame by the span that holds its middle.

    Args:
      spans: [N, 2] integers, the first sample of each span and the one behind it, by
        their starts. Where two overlap the later counts.
      labels: [N] integers.
      count: F, the number of frames.
      size: samples of a frame.
      hop: samples from one frame to the next.
      center: frames lie around each `hop`-th sample.

    Returns:
      [F] int32, -1 where there is no span.

    Example:
      >>> frame_labels([[0, 400], [400, 900]], [7, 8], 5).tolist()
      [7, 7, 8, 8, 8]
    """
    spans, labels = np.asarray(spans).reshape(-1, 2), np.asarray(labels, np.int32)
    middles = np.arange(count) * hop + (0 if center else size // 2)  # [F]
    place = np.searchsorted(spans[:, 0], middles, side="right") - 1
    if not len(spans):
        return np.full(count, -1, np.int32)
    inside = (place >= 0) & (middles < spans[np.maximum(place, 0), 1])
    return np.where(inside, labels[np.maximum(place, 0)], -1).astype(np.int32)
