import math

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from tntjax.meter import NDCGMeter

many_examples = settings(max_examples=60)
seeds = st.integers(0, 2**32 - 1)
BOTH = ("standard", "torchnet")


def gain(output, target, topk, convention="standard"):
    value = NDCGMeter(topk, convention).add(output, target).value()
    return {k: float(number) for k, number in value.items()}


def drawn(seed, ties=True):
    rng = np.random.default_rng(seed)
    levels = rng.integers(1, 12) if ties else 10**6
    scores = rng.integers(0, levels, (4, 9)).astype(np.float32)
    relevance = rng.integers(0, 5, (4, 9)) * (rng.random((4, 9)) < 0.5) / 2
    return scores, relevance * (rng.random((4, 1)) < 0.8)


def test_golden_values():
    ranked, target = [0.9, 0.8, 0.7, 0.6], [3, 2, 0, 1]
    second, third = 1 / math.log2(3), 1 / 2
    fourth = 1 / math.log2(5)
    standard = (3 + 2 * second + fourth) / (3 + 2 * second + third)
    assert gain(ranked, target, (1, 4)) == pytest.approx({1: 1.0, 4: standard})


def test_golden_values_of_torchnet():
    # rel_1 + sum of rel_i / log2(i): the second rank is not discounted
    ranked, target = [0.9, 0.8, 0.7, 0.6], [3, 2, 0, 1]
    torchnet = (3 + 2 / 1 + 0 + 1 / 2) / (3 + 2 / 1 + 1 / math.log2(3))
    assert gain(ranked, target, (4,), "torchnet") == pytest.approx({4: torchnet})
    swapped = gain([0.9, 0.8], [0, 1], (2,), "torchnet")
    assert swapped == {2: 1.0} and gain([0.9, 0.8], [0, 1], (2,))[2] < 0.64


@many_examples
@given(seed=seeds)
def test_is_scikit_learn_with_ties(seed):
    scores, relevance = drawn(seed)
    for k, value in gain(scores, relevance, (1, 4, 9)).items():
        assert value == pytest.approx(ndcg_score(relevance, scores, k=k), abs=1e-6)


@many_examples
@given(seed=seeds)
def test_is_the_formula_of_torchnet(seed):
    scores, relevance = drawn(seed, ties=False)
    for k, value in gain(scores, relevance, (1, 2, 7), "torchnet").items():
        gains = []
        for score, relevant in zip(scores, relevance, strict=True):
            discount = np.log2(np.maximum(np.arange(1, k + 1), 2))
            found = (relevant[np.argsort(-score)][:k] / discount).sum()
            ideal = (np.sort(relevant)[::-1][:k] / discount).sum()
            gains.append(found / ideal if ideal else 0)
        assert value == pytest.approx(np.mean(gains), abs=1e-6)


def test_many_documents():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 400, (3, 2000)).astype(np.float32)
    relevance = rng.random((3, 2000))
    for k, value in gain(scores, relevance, (10, 2000)).items():
        assert value == pytest.approx(ndcg_score(relevance, scores, k=k), abs=1e-6)


@pytest.mark.parametrize("convention", BOTH)
def test_a_query_without_relevant_documents_has_0(convention):
    assert gain([0.9, 0.1], [0, 0], (1, 2), convention) == {1: 0.0, 2: 0.0}
    scores, relevance = [[0.9, 0.1], [0.9, 0.1]], [[0, 0], [1, 0]]
    assert gain(scores, relevance, (2,), convention) == {2: 0.5}


@pytest.mark.parametrize("convention", BOTH)
def test_the_order_of_equal_scores_does_not_matter(convention):
    for target in ([1, 0, 0], [0, 0, 1]):
        assert gain([0.5] * 3, target, (1,), convention)[1] == pytest.approx(1 / 3)


def test_a_nan_shows_unless_masked():
    scores, relevance = [[np.nan, 0.1], [0.9, 0.1]], [[1, 0], [1, 0]]
    assert math.isnan(gain(scores, relevance, (1,))[1])
    meter = NDCGMeter().add(scores, relevance, mask=[False, True])
    assert meter.value()[1] == 1.0


def test_the_input_keeps_its_shape():
    scores, relevance = np.array([0.1, 0.9]), np.array([1.0, 0.0])
    NDCGMeter().add(scores, relevance)
    assert scores.shape == relevance.shape == (2,)


def test_one_document():
    assert gain([[0.3], [0.2]], [[2], [0]], (1,)) == {1: 0.5}


@pytest.mark.parametrize(
    ("output", "target"), [((3,), (4,)), ((2, 3), (3,)), ((), ()), ((2, 3, 1),) * 2]
)
def test_shapes_that_do_not_fit_are_shown(output, target):
    with pytest.raises(ValueError, match=r"NDCGMeter.add needs output \[B, C\]"):
        NDCGMeter().add(np.zeros(output), np.zeros(target))


def test_fewer_documents_than_k_are_all_counted():
    scores, relevance = [[0.9, 0.5, 0.1]], [[1, 3, 2]]
    expected = ndcg_score(relevance, scores, k=5)
    gain = NDCGMeter((2, 5)).add(scores, relevance).value()[5]
    assert float(gain) == pytest.approx(expected, rel=1e-6)


def test_arguments_are_checked():
    with pytest.raises(TypeError, match="NDCGMeter needs topk to be a tuple"):
        NDCGMeter(5)
    with pytest.raises(ValueError, match="NDCGMeter needs convention"):
        NDCGMeter(convention="sklearn")
    with pytest.raises(ValueError, match="the same convention"):
        NDCGMeter().merge(NDCGMeter(convention="torchnet"))
    assert NDCGMeter([5, 1, 5]).topk == (1, 5)
    with pytest.raises(TypeError, match="real targets"):
        jax.eval_shape(NDCGMeter().add, np.zeros(2), np.zeros(2, complex))


@pytest.mark.parametrize("documents", [20_000, 100_000])
def test_ties_of_many_documents(documents):
    rng = np.random.default_rng(0)
    relevance = rng.integers(0, 4, (1, documents)).astype(float)
    for scores in (np.zeros((1, documents)), -(np.arange(documents) // 2.0)[None]):
        expected = ndcg_score(relevance, scores)
        found = gain(scores, relevance, (documents,))[documents]
        assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
def test_a_tie_far_behind():
    scores, relevance = -(np.arange(10**6) // 2.0)[None], np.zeros((1, 10**6))
    relevance[0, -1] = 1
    factors = 1 / np.log2(10**6 + np.array([0, 1]))
    found = gain(scores, relevance, (10**6,))[10**6]
    assert found == pytest.approx(factors.mean(), rel=1e-6)
