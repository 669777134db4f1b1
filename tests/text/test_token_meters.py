"""Shares of tokens and of sequences that are right."""

import numpy as np
import pytest

from tntjax.text import ExactMatchMeter, TokenAccuracyMeter

IDS = np.array([[5, 6, 7], [5, 6, 0], [4, 0, 0]])
WRONG = np.array([[5, 6, 7], [5, 1, 9], [4, 9, 9]])
MASK = IDS > 0


def test_padding_is_neither_right_nor_wrong():
    assert TokenAccuracyMeter().add(WRONG, IDS, mask=MASK).value() == pytest.approx(
        100 * 5 / 6
    )
    meter = ExactMatchMeter().add(WRONG, IDS, mask=MASK)
    assert meter.value() == pytest.approx(200 / 3) and int(meter.n) == 3


def test_scores_stand_for_their_best():
    scores = np.eye(10)[WRONG]
    for kind in (TokenAccuracyMeter, ExactMatchMeter):
        assert (
            kind().add(scores, IDS, mask=MASK).value()
            == kind().add(WRONG, IDS, mask=MASK).value()
        )


def test_sequences_without_tokens_are_not_counted():
    meter = ExactMatchMeter().add(WRONG, IDS, mask=MASK & [[True], [False], [True]])
    assert (meter.value(), int(meter.n)) == (100, 2)
    assert int(ExactMatchMeter().add(WRONG, IDS, mask=[True, False, False]).n) == 1


def test_ids_are_integers_of_one_shape():
    with pytest.raises(
        TypeError, match=r"integer ids .* or of output scores \[B, T, V\]"
    ):
        TokenAccuracyMeter().add(IDS * 1.0, IDS)
    with pytest.raises(ValueError, match=r"ids \[B, T\]"):
        ExactMatchMeter().add(IDS, IDS[:2])


@pytest.mark.parametrize("kind", [ExactMatchMeter, TokenAccuracyMeter])
def test_one_id_without_an_axis_is_told(kind):
    with pytest.raises(ValueError, match=r"needs ids \[B, T\], got 1"):
        kind().add(1, 1)
