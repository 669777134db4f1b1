"""Meters of where the relevant candidates are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tntjax as tnt

KINDS = [tnt.HitRateMeter, tnt.MeanReciprocalRankMeter, tnt.RecallAtKMeter]
TOPK = (1, 3, 8)


def by_hand(kind, scores, relevant, k):
    """One query, of which scores and relevance are lists."""
    order = sorted(range(len(scores)), key=lambda i: -scores[i])  # stable
    hits = [relevant[i] for i in order]
    if kind is tnt.HitRateMeter:
        return 100 * any(hits[:k])
    if kind is tnt.RecallAtKMeter:
        return 100 * sum(hits[:k]) / max(1, sum(hits))
    return 1 / (hits.index(1) + 1) if any(hits[:k]) else 0


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 999))
def test_values_are_those_by_hand(kind, seed):
    rng = np.random.default_rng(seed)
    scores, relevant = rng.integers(0, 4, (5, 6)), rng.integers(0, 2, (5, 6))
    lengths = rng.integers(1, 7, 5)
    mask = np.arange(6) < lengths[:, None]
    value = kind(TOPK).add(scores, relevant, mask=mask).value()
    for k in TOPK:
        expected = [
            by_hand(kind, scores[row, :n].tolist(), relevant[row, :n].tolist(), k)
            for row, n in enumerate(lengths)
        ]
        assert value[k] == pytest.approx(np.mean(expected), rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_query_without_candidates_is_not_counted(kind):
    scores, relevant = np.eye(3), np.eye(3)
    ragged = kind(TOPK).add(scores, relevant, mask=[True, False, True])
    assert int(ragged.n) == 2
    assert int(kind(TOPK).add(scores, relevant, mask=np.zeros((3, 3), bool)).n) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_relevant_is_zero_and_nan_is_a_miss(kind):
    assert kind(TOPK).add([0.5, 0.1], [0, 0]).value()[3] == 0
    assert kind((1,)).add([0.5, np.nan], [1, 1]).value()[1] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_must_fit(kind):
    with pytest.raises(ValueError, match=r"output \[B, C\]"):
        kind().add(np.eye(3), np.eye(2))


@pytest.mark.slow
def test_the_usual_packages_agree():
    torch = pytest.importorskip("torch")
    retrieval = pytest.importorskip("torchmetrics.retrieval")
    rng = np.random.default_rng(0)
    scores, relevant = rng.random((20, 9)), rng.random((20, 9)) < 0.3
    rows = np.repeat(np.arange(20), 9)
    flat = torch.tensor(scores.ravel()), torch.tensor(relevant.ravel())
    theirs = {
        tnt.HitRateMeter: (retrieval.RetrievalHitRate, 100),
        tnt.RecallAtKMeter: (retrieval.RetrievalRecall, 100),
        tnt.MeanReciprocalRankMeter: (retrieval.RetrievalMRR, 1),
    }
    for kind, (other, scale) in theirs.items():
        expected = other(top_k=3)(*flat, indexes=torch.tensor(rows))
        value = kind((3,)).add(scores, relevant).value()[3]
        assert value == pytest.approx(scale * float(expected), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_queries_without_any_candidates_count_nothing(kind):
    meter = kind((2,)).add(np.zeros((3, 0)), np.zeros((3, 0)))
    assert int(meter.n) == 0 and np.isnan(meter.value()[2])
