import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tntjax.meter import PrecisionAtKMeter
from tntjax.meter.parts._count import Count

many_examples = settings(max_examples=50)
seeds = st.integers(0, 2**32 - 1)


def measured(meter):
    return {k: float(percent) for k, percent in meter.value().items()}


def expected(scores, targets, topk):
    """By sorting: the first of equal scores first."""
    order = np.argsort(-scores, axis=1, kind="stable")
    best = np.take_along_axis(targets > 0, order, 1)
    return {k: 100 * best[:, :k].sum() / (k * len(scores)) for k in topk}


def drawn(seed, candidates=7):
    rng = np.random.default_rng(seed)
    scores = rng.integers(-3, 4, (3, candidates)).astype(np.float32) / 4
    return scores, rng.integers(0, 2, (3, candidates))


def test_golden_values_of_torchnet():
    scores = [[0.9, 0.1, 0.5, 0.3], [0.2, 0.8, 0.4, 0.6]]
    targets = [[1, 1, 0, 1], [0, 1, 0, 0]]
    meter = PrecisionAtKMeter((1, 2, 4)).add(scores, targets)
    # hits 1 + 1 of 2, 1 + 1 of 4, 3 + 1 of 8
    assert measured(meter) == {1: 100.0, 2: 50.0, 4: 50.0}


@many_examples
@given(seed=seeds)
def test_is_a_stable_sort(seed):
    scores, targets = drawn(seed)
    wanted = pytest.approx(expected(scores, targets, (1, 3, 7)))
    assert measured(PrecisionAtKMeter((1, 3, 7)).add(scores, targets)) == wanted
    turned = PrecisionAtKMeter((1, 3, 7), dim=0).add(scores.T, targets.T)
    assert measured(turned) == wanted


@pytest.mark.slow
@many_examples
@given(seed=seeds, cuts=st.tuples(st.integers(0, 12), st.integers(0, 12)))
def test_online_is_all_candidates_at_once(seed, cuts):
    scores, targets = drawn(seed, candidates=12)
    low, high = sorted(cuts)
    meter = PrecisionAtKMeter((1, 4, 6), online=True)
    for part in (slice(low), slice(low, high), slice(high, None)):
        meter = meter.add(scores[:, part], targets[:, part])
    wanted = expected(scores, targets, (1, 4, 6))
    assert measured(meter) == pytest.approx(wanted) and int(meter.n) == 3


def test_online_reset_forgets_the_candidates():
    meter = PrecisionAtKMeter((1,), online=True).add([[0.9]], [[1]])
    meter = meter.reset()
    assert np.isnan(measured(meter)[1])
    assert measured(meter.add([[0.1]], [[0]])) == {1: 0.0}


def test_online_places_without_a_candidate_are_misses():
    meter = PrecisionAtKMeter((1, 4), online=True).add([[0.9, 0.8]], [[1, 1]])
    assert measured(meter) == {1: 100.0, 4: 50.0}
    lowest = PrecisionAtKMeter((2,), online=True)
    lowest = lowest.reset().merge(lowest.add([[-np.inf]], [[1]]))
    assert measured(lowest) == {2: 50.0}


def test_online_merges_candidates_on_the_host_and_on_the_device():
    whole, parts = drawn(0, 12), [slice(5), slice(5, None)]
    meters = [
        PrecisionAtKMeter((2, 5), online=True).add(whole[0][:, p], whole[1][:, p])
        for p in parts
    ]
    host = [jax.tree.map(np.asarray, meter) for meter in meters]
    for first, second in (meters, host):
        assert measured(first.merge(second)) == pytest.approx(expected(*whole, (2, 5)))
    empty = PrecisionAtKMeter((2, 5), online=True)
    assert measured(meters[0].merge(empty)) == measured(meters[0])
    assert measured(empty.merge(meters[0])) == measured(meters[0])


def test_online_starts_a_scan_if_it_knows_the_queries():
    scores, targets = drawn(0, 12)
    split = [part.reshape(3, 4, 3).swapaxes(0, 1) for part in (scores, targets)]
    meter = PrecisionAtKMeter((2, 5), online=True, num_queries=3)
    meter, _ = jax.lax.scan(lambda m, x: (m.add(*x), None), meter, tuple(split))
    assert measured(meter) == pytest.approx(expected(scores, targets, (2, 5)))


def test_a_query_without_candidates_is_not_counted():
    scores, targets = drawn(0)
    mask = np.ones((3, 7), bool)
    mask[1] = False
    kept = expected(scores[[0, 2]], targets[[0, 2]], (2,))
    for online in (False, True):
        meter = PrecisionAtKMeter((2,), online=online)
        meter = meter.add(scores, targets, mask=mask)
        assert int(meter.n) == 2 and measured(meter) == pytest.approx(kept)


def test_masked_candidates_take_no_place():
    scores, targets = [[0.9, 0.5, 0.1]], [[1, 0, 1]]
    meter = PrecisionAtKMeter((1, 3)).add(scores, targets, mask=[[False, True, True]])
    assert measured(meter) == pytest.approx({1: 0.0, 3: 100 / 3})
    turned = PrecisionAtKMeter((1,), dim=0).add(
        np.transpose(scores), np.transpose(targets), mask=[False, False, True]
    )
    assert measured(turned) == {1: 100.0}


def test_ties_keep_the_first_and_nan_is_a_miss_before_all():
    assert measured(PrecisionAtKMeter((1,)).add([0.5, 0.5], [1, 0])) == {1: 100.0}
    assert measured(PrecisionAtKMeter((1,)).add([0.0, -0.0], [0, 1])) == {1: 0.0}
    assert measured(PrecisionAtKMeter((1,)).add([-0.0, 0.0], [1, 0])) == {1: 100.0}
    nan = PrecisionAtKMeter((1, 2)).add([0.5, -np.nan, np.inf], [0, 1, 1])
    assert measured(nan) == {1: 0.0, 2: 50.0}


def test_scores_of_bfloat16():
    scores = jnp.array([[0.5, -0.25, 0.25]], jnp.bfloat16)
    assert measured(PrecisionAtKMeter((2,)).add(scores, [[1, 1, 0]])) == {2: 50.0}


@pytest.mark.parametrize("many", [2**24 + 1, 2**31 - 1, 2**32 - 1, 2**40])
def test_counts_are_exact_beyond_32_bits(many):
    meter = PrecisionAtKMeter((1,), hits=Count.of([many]), n=Count.of(many))
    meter = meter.add([[0.9]], [[1]])
    assert int(meter.hits[0]) == int(meter.n) == many + 1
    assert measured(meter) == {1: 100.0}
    both = jax.device_get(meter).merge(jax.device_get(meter))
    assert int(both.hits[0]) == 2 * (many + 1)


def test_places_without_a_candidate_are_misses():
    ragged = PrecisionAtKMeter((1, 5)).add([[0.9, 0.1, 0.5]], [[1, 1, 0]])
    assert measured(ragged) == {1: 100.0, 5: 40.0}
    masked = PrecisionAtKMeter((3,)).add(
        [[0.9, 0.1, 0.5]], [[1, 1, 1]], mask=[[True, True, False]]
    )
    assert measured(masked) == {3: pytest.approx(200 / 3)}


@pytest.mark.parametrize(
    ("output", "target"), [((3,), (4,)), ((2, 3), (3,)), ((), ()), ((2, 3, 1),) * 2]
)
def test_shapes_that_do_not_fit_are_shown(output, target):
    with pytest.raises(ValueError, match=r"PrecisionAtKMeter.add needs output \[B, C"):
        PrecisionAtKMeter((1,)).add(np.zeros(output), np.zeros(target))


def test_arguments_are_checked():
    online = PrecisionAtKMeter(online=True)
    two, three = (online.add(*[np.zeros((size, 3))] * 2) for size in (2, 3))
    for mix in (two.merge, lambda _: two.add(np.zeros((3, 3)), np.zeros((3, 3)))):
        with pytest.raises(ValueError, match="for 2 queries, but here are some for 3"):
            mix(three)
    with pytest.raises(ValueError, match=r"needs dim 1 .* or 0 .* got 2"):
        PrecisionAtKMeter(dim=2)
    with pytest.raises(ValueError, match="num_queries only if online=True"):
        PrecisionAtKMeter(num_queries=3)
    with pytest.raises(ValueError, match="needs num_queries >= 1, got 0"):
        PrecisionAtKMeter(online=True, num_queries=0)
    with pytest.raises(ValueError, match="the same online, got False and True"):
        PrecisionAtKMeter().merge(PrecisionAtKMeter(online=True))
