"""The phones of TIMIT, and how they are folded for training and for scores."""

from collections.abc import Sequence

import numpy as np
from jax.typing import ArrayLike

from tntjax._check import require
from tntjax._numbers import check_at_least, check_boolean, check_integers
from tntjax.speech._lengths import check_sizes
from tntjax.text._ids import is_ordered

PHONES_61 = tuple(
    "aa ae ah ao aw ax ax-h axr ay b bcl ch d dcl dh dx eh el em en eng epi er ey f g"
    " gcl h# hh hv ih ix iy jh k kcl l m n ng nx ow oy p pau pcl q r s sh t tcl th uh"
    " uw ux v w y z zh".split()
)
"""The labels of TIMIT's files."""

_TO_48 = {"ax-h": "ax", "axr": "er", "hv": "hh", "em": "m", "nx": "n", "eng": "ng"}
_TO_48 |= {"ux": "uw", "h#": "sil", "pau": "sil", "q": ""}
_TO_48 |= dict.fromkeys(("bcl", "dcl", "gcl"), "vcl")
_TO_48 |= dict.fromkeys(("pcl", "tcl", "kcl"), "cl")
_TO_39 = {"ao": "aa", "ax": "ah", "ix": "ih", "el": "l", "en": "n", "zh": "sh"}
_TO_39 |= dict.fromkeys(("vcl", "cl", "epi"), "sil")

PHONES_48 = tuple(sorted({_TO_48.get(phone, phone) for phone in PHONES_61} - {""}))
"""Those that models are trained on: `vcl`, `cl`, `epi` and `sil` are silences."""

PHONES_39 = tuple(sorted({_TO_39.get(phone, phone) for phone in PHONES_48}))
"""Those that scores are counted on."""

FOLDS = {61: {phone: phone for phone in PHONES_61}}
FOLDS[48] = {phone: _TO_48.get(phone, phone) for phone in PHONES_61 + PHONES_48}
FOLDS[39] = {phone: _TO_39.get(folded, folded) for phone, folded in FOLDS[48].items()}
"""For each number of phones what stands for a label; "" for `q`, which has none."""


def fold_phones(phones: Sequence[str], to: int = 39) -> list[str]:
    """Replaces phones by the ones that stand for them, and leaves `q` out.

    Equal neighbours stay two, as in Kaldi's scores.

    Args:
      phones: labels of the 61, 48 or 39.
      to: 61 (which changes nothing), 48 or 39.

    Returns:
      The labels.

    Raises:
      TypeError: if they are one string.
      ValueError: if a label is unknown, or is not in so large a set.

    Example:
      >>> fold_phones(["h#", "ix", "q", "dcl", "zh", "ao"])
      ['sil', 'ih', 'sil', 'sh', 'aa']

    Lee and Hon, Speaker-independent phone recognition using hidden Markov models
    (1989), with Kaldi's map.
    """
    check_fold("fold_phones: to", to)
    needs = "fold_phones needs a list of phones, such as text.split()"
    require(is_ordered(phones), needs, phones, error=TypeError)
    phones = list(phones)
    for phone in phones:
        if not isinstance(phone, str) or phone not in FOLDS[to]:
            raise ValueError(f"{phone!r} is not one of the {to} phones of TIMIT.")
    return [folded for phone in phones if (folded := FOLDS[to][phone])]


def check_fold(subject: str, to: int) -> None:
    """Raises a ValueError if there is no set of so many phones."""
    known = isinstance(to, int | np.integer) and to in FOLDS
    require(known, f"{subject} must be 61, 48 or 39", to)


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
      spans: [N, 2] integers, the first sample of each span and the one behind it.
        Where two overlap, the one that starts later counts.
      labels: [N] integers.
      count: F, the number of frames.
      size: samples of a frame.
      hop: samples from one frame to the next.
      center: frames lie around each `hop`-th sample.

    Returns:
      [F] int32, -1 where there is no span.

    Raises:
      TypeError: if something is not an integer.
      ValueError: if there is not one label for each span, or a number is too small.

    Example:
      >>> frame_labels([[0, 400], [400, 900]], [7, 8], 5).tolist()
      [7, 7, 8, 8, 8]
    """
    size, hop = check_sizes("frame_labels", 1, size=size, hop=hop)
    count = check_at_least("frame_labels: count", count, 0)
    centered = check_boolean("frame_labels: center", center)
    spans, labels = (
        np.asarray(check_integers(values, f"frame_labels needs integer {name}"))
        for name, values in {"spans": spans, "labels": labels}.items()
    )
    spans = spans if spans.size else spans.reshape(0, 2)
    fits = labels.ndim == 1 and spans.shape == (len(labels), 2)
    require(fits, "frame_labels needs spans [N, 2] and labels [N]", spans, labels)
    fits = all(-(2**31) <= label < 2**31 for label in labels.tolist())
    require(fits, "frame_labels needs labels that int32 holds", labels)
    edges = spans.astype(np.int64) - (0 if centered else size // 2)
    edges = np.clip(-(-edges // hop), 0, count)  # [N, 2] frames whose middles they are
    found = np.full(count, -1, np.int32)
    for row in np.argsort(spans[:, 0], kind="stable"):
        found[slice(*edges[row].tolist())] = labels[row]
    return found
