"""CTC beside sums over all alignments, and torch."""

import itertools
from collections import defaultdict

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.required import needs
from tntjax import speech


def collapse(path):
    return tuple(label for label, _ in itertools.groupby(path) if label)


def sequences(logits):
    """The probability of each sequence, by adding up all alignments."""
    chances = np.asarray(jax.nn.softmax(logits), np.float64)
    total = defaultdict(float)
    for path in itertools.product(range(chances.shape[1]), repeat=len(chances)):
        total[collapse(path)] += np.prod(chances[range(len(path)), path])
    return total


def scores(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 2, shape).astype(np.float32)


def test_the_loss_is_that_of_all_alignments():
    logits = scores(2, 5, 3)
    logits[1, 4:] = np.nan  # behind the end
    labels = np.array([[1, 1, 2], [2, 9, 9]])
    loss = speech.ctc_loss(logits, [5, 4], labels, [3, 1])
    expected = [sequences(logits[0])[1, 1, 2], sequences(logits[1, :4])[(2,)]]
    np.testing.assert_allclose(loss, -np.log(expected), rtol=1e-4)


@pytest.mark.slow
@needs("torch")
def test_the_loss_and_its_gradient_are_torchs():
    import torch

    logits, rng = scores(4, 30, 7), np.random.default_rng(1)
    labels, lengths = rng.integers(1, 7, (4, 9)), np.array([30, 25, 20, 9])
    counts = np.array([9, 4, 0, 9])

    def total(logits):
        loss = speech.ctc_loss(logits, lengths, labels, counts, impossible=0)
        return loss.sum(), loss

    grad, loss = jax.grad(total, has_aux=True)(jnp.asarray(logits))
    theirs = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.functional.ctc_loss(
        *(theirs.log_softmax(-1).transpose(0, 1), torch.tensor(labels)),
        *(torch.tensor(lengths), torch.tensor(counts)),
        reduction="none",
        zero_infinity=True,
    )
    expected.sum().backward()
    np.testing.assert_allclose(loss, expected.detach().numpy(), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(grad, theirs.grad.numpy(), atol=1e-4)


@pytest.mark.slow
def test_alignments_that_are_impossible_are_told_and_have_no_gradient():
    logits, labels = scores(3, 3, 4), np.array([[1, 1, 2], [1, 2, 3], [1, 2, 3]])
    assert speech.ctc_valid([3, 3, 2], labels, [3, 3, 3]).tolist() == [0, 1, 0]
    loss = speech.ctc_loss(logits, [3, 3, 2], labels)
    assert np.isinf(loss).tolist() == [True, False, True]

    def total(logits):
        return speech.ctc_loss(logits, [3, 3, 2], labels, impossible=0).sum()

    grad = np.asarray(jax.grad(total)(jnp.asarray(logits)))
    assert np.isfinite(grad).all() and not grad[[0, 2]].any() and grad[1].any()


@pytest.mark.slow
def test_the_loss_is_never_below_zero():
    best = np.zeros((1, 200), int)
    best[0, ::4] = 1
    logits = 1000 * np.eye(3, dtype=np.float32)[best]
    labels = np.ones((1, 50), int)
    assert 0 <= float(speech.ctc_loss(logits, None, labels)[0]) < 1e-3


@pytest.mark.parametrize("label", [-1, 0, 4, 9])
def test_labels_that_are_not_classes_are_impossible(label):
    loss = speech.ctc_loss(scores(1, 5, 4), None, [[label, 1]])
    assert loss.tolist() == [np.inf]
    padding = speech.ctc_loss(scores(1, 5, 4), None, [[1, label]], [1])
    assert np.isfinite(padding).all()


def test_a_class_that_cannot_be_leaves_the_rest_as_it_is():
    logits = scores(2, 5, 4)
    logits[..., 2] = -np.inf
    labels = np.array([[1, 3], [1, 2]])
    loss = speech.ctc_loss(logits, None, labels)
    expected = -np.log(sequences(logits[0])[1, 3])
    assert loss.tolist() == [pytest.approx(expected, rel=1e-4), np.inf]

    def total(logits):
        return speech.ctc_loss(logits, None, labels, impossible=0).sum()

    grad = np.asarray(jax.grad(total)(jnp.asarray(logits)))
    assert np.isfinite(grad).all() and grad[0].any() and not grad[1].any()


def test_no_strings_and_no_frames_have_a_loss():
    no_labels = np.zeros((0, 2), int)
    assert speech.ctc_loss(np.zeros((0, 5, 3)), None, no_labels).shape == (0,)
    loss = speech.ctc_loss(np.zeros((2, 0, 3)), None, [[1], [1]], [0, 1])
    assert loss.tolist() == [0.0, np.inf]


def test_beams_have_no_gradient():
    def total(logits):
        return speech.ctc_beam(logits, [2], width=2)[1].sum()

    assert not jax.grad(total)(jnp.asarray(scores(1, 3, 3))).any()


@pytest.mark.slow
def test_no_labels_are_blanks_all_along():
    logits = scores(1, 4, 3)
    blanks = -np.asarray(jax.nn.log_softmax(logits))[0, :, 0].sum()
    for labels in (np.zeros((1, 0), int), np.array([[1]])):
        loss = speech.ctc_loss(logits, None, labels, [0])
        assert float(loss[0]) == pytest.approx(blanks, rel=1e-5)


@pytest.mark.slow
def test_the_blank_may_be_another_class():
    logits = scores(1, 5, 3)
    turned = np.roll(logits, -1, -1)  # class 0 is now the last
    left = speech.ctc_loss(logits, None, [[2, 1]])
    right = speech.ctc_loss(turned, None, [[1, 0]], blank=2)
    np.testing.assert_allclose(left, right, rtol=1e-5)
    (labels, (count,)), same = (
        speech.ctc_greedy(logits),
        speech.ctc_greedy(turned, blank=2),
    )
    assert (same.values[0, :count] + 1).tolist() == labels[0, :count].tolist()


def test_greedy_decoding_collapses_the_best_path():
    logits = scores(3, 2, 40, 4)
    lengths = np.array([[40, 17], [0, 1], [5, 39]])
    labels, counts = speech.ctc_greedy(logits, lengths)
    for place in np.ndindex(3, 2):
        path = logits[place][: lengths[place]].argmax(-1)
        expected = collapse(path.tolist())
        assert labels[place][: counts[place]].tolist() == list(expected)
        assert not labels[place][counts[place] :].any()


@pytest.mark.parametrize("seed", [0])
def test_a_wide_beam_finds_all_sequences_with_their_probabilities(seed):
    logits = scores(1, 5, 3, seed=seed)
    expected = sequences(logits[0])
    (labels, counts), found = speech.ctc_beam(logits, width=len(expected) + 2)
    found = np.exp(np.asarray(found[0], np.float64))
    assert np.all(np.diff(found) <= 0) and found[-2:].tolist() == [0, 0]
    rows = zip(np.asarray(labels[0]), counts[0].tolist(), found, strict=True)
    decoded = {tuple(row[:n].tolist()): score for row, n, score in rows if score > 0}
    assert decoded.keys() == expected.keys()
    for labels, chance in expected.items():
        assert decoded[labels] == pytest.approx(chance, rel=1e-3)


@pytest.mark.slow
def test_a_beam_stops_at_the_length():
    logits = scores(2, 8, 4)
    whole = speech.ctc_beam(logits[:, :5], width=4)
    logits[:, 5:] = np.nan
    cut = speech.ctc_beam(logits, [5, 5], width=4)
    np.testing.assert_allclose(cut[1], whole[1], rtol=1e-5)
    np.testing.assert_array_equal(cut[0].values[..., :5], whole[0].values)
    assert not cut[0].values[..., 5:].any()


@pytest.mark.slow
def test_a_beam_is_better_than_the_best_path():
    logits = scores(20, 12, 4)
    best, counts = speech.ctc_greedy(logits)
    greedy = -speech.ctc_loss(logits, None, best, counts)
    (labels, sizes), found = speech.ctc_beam(logits, width=8)
    exact = -speech.ctc_loss(logits, None, labels[:, 0], sizes[:, 0])
    assert np.all(np.asarray(exact) >= np.asarray(greedy) - 1e-3)
    assert np.all(np.asarray(found[:, 0]) <= np.asarray(exact) + 1e-3)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: speech.ctc_loss(scores(2, 3, 4), None, [1, 2]), "labels"),
        (lambda: speech.ctc_loss(scores(2, 3, 4), None, [[1, 2]]), "labels"),
        (lambda: speech.ctc_loss(scores(3), None, [1]), "features"),
        (lambda: speech.ctc_greedy(scores(2, 3, 4), [3]), r"of shape \[2\], one for"),
        (lambda: speech.ctc_valid([3, 3], [[1]]), r"labels of shape \[2, L\], got"),
        (lambda: speech.ctc_loss(scores(1, 3, 4), None, [[1]], blank=4), "below 4"),
        (lambda: speech.ctc_greedy(scores(3, 4), blank=-1), "at least 0"),
        (lambda: speech.ctc_beam(scores(3, 4), blank=9), "below 4"),
        (lambda: speech.ctc_beam(scores(3, 4), width=0), "at least 1"),
        (  # which would wrap to class 1
            lambda: speech.ctc_loss(scores(3, 4), None, [2**32 + 1]),
            "labels that fit int32, got 4294967297",
        ),
    ],
)
def test_bad_arguments_are_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call()


@pytest.mark.parametrize("impossible", [None, "x", [1.0], np.zeros(2), 1j])
def test_what_stands_for_the_impossible_is_a_number(impossible):
    with pytest.raises(TypeError, match="impossible must be a number, got"):
        speech.ctc_loss(scores(1, 3, 4), None, [[1]], impossible=impossible)
    loss = speech.ctc_loss(scores(1, 1, 4), None, [[1, 1]], impossible=2**31)
    assert loss.tolist() == [2**31] and loss.dtype == np.float32


@pytest.mark.parametrize("labels", [[[1.0]], [[True]], [["one"]]])
def test_labels_are_integers(labels):
    with pytest.raises(TypeError, match="needs integers as labels"):
        speech.ctc_loss(scores(1, 3, 4), None, labels)
    with pytest.raises(TypeError, match="needs integers as labels"):
        speech.ctc_valid([3], labels)


def test_the_loss_is_of_32_bits_where_jax_has_64():
    jax.config.update("jax_enable_x64", True)
    try:
        loss = speech.ctc_loss(scores(1, 3, 4), None, [[1]])
    finally:
        jax.config.update("jax_enable_x64", False)
    assert loss.dtype == np.float32
