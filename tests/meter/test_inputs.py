"""What all meters of classes and scores take, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics

from tntjax.meter import (
    APMeter,
    AUCMeter,
    AverageValueMeter,
    BinnedAPMeter,
    BinnedAUCMeter,
    CalibrationErrorMeter,
    ClassErrorMeter,
    ConfusionMeter,
    FScoreMeter,
    HistogramMeter,
    LogLossMeter,
    MeanAbsoluteErrorMeter,
    MSEMeter,
    MultiLabelConfusionMeter,
    NDCGMeter,
    PrecisionAtKMeter,
    PrecisionMeter,
    PrecisionRecallCurveMeter,
    QuantileMeter,
    R2Meter,
    RecallMeter,
    ROCCurveMeter,
    mAPMeter,
)


def eagerly(meter, *batch):
    return meter.add(*batch)


def compiled(meter, *batch):
    return jax.jit(lambda meter, *batch: meter.add(*batch))(meter, *batch)


def of_constants(meter, *batch):
    return jax.jit(lambda meter: meter.add(*batch))(meter)


def scanned(meter, *batch):
    batch = jax.tree.map(lambda part: part[None], batch)
    return jax.lax.scan(lambda m, b: (m.add(*b), None), meter, batch)[0]


in_every_way = pytest.mark.parametrize("add", [eagerly, of_constants, scanned])


def measured(meter):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(jax.device_get(meter).value())]


def assert_same(left, right):
    for a, b in zip(measured(left), measured(right), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


OF_CLASSES = {
    "ClassErrorMeter": lambda classes: ClassErrorMeter((1, 5)),
    "ConfusionMeter": ConfusionMeter,
    "PrecisionMeter": lambda classes: PrecisionMeter(None, classes),
    "RecallMeter": lambda classes: RecallMeter((0.5,)),
    "FScoreMeter": lambda classes: FScoreMeter(None),
    "LogLossMeter": lambda classes: LogLossMeter(),
    "CalibrationErrorMeter": lambda classes: CalibrationErrorMeter(4),
}
every_meter_of_classes = pytest.mark.parametrize(
    "make", OF_CLASSES.values(), ids=OF_CLASSES.keys()
)


@pytest.mark.slow
@every_meter_of_classes
@pytest.mark.parametrize(
    ("dtype", "classes"),
    [
        ("int8", 128),
        ("int8", 200),
        ("uint8", 256),
        ("uint8", 300),
        ("int16", 300),
        ("uint16", 300),
        ("uint32", 300),
        ("int64", 300),
        ("uint64", 300),
    ],
)
def test_labels_of_any_integer_dtype(make, dtype, classes):
    rng = np.random.default_rng(0)
    highest = min(classes, np.iinfo(dtype).max + 1)
    target = np.append(rng.integers(0, highest, 15), highest - 1)
    chances = np.full((16, classes), 0.25 / classes, np.float32)
    chances[np.arange(16), np.where(np.arange(16) % 3, target, 0)] = 0.75
    expected = make(classes).add(chances, target.astype(np.int32))
    target = target.astype(dtype)
    assert_same(make(classes).add(chances, target), expected)
    if target.itemsize == 1:
        assert_same(compiled(make(classes), chances, target), expected)
        assert_same(make(classes).add(chances, jnp.asarray(target)), expected)


@in_every_way
def test_labels_of_four_bits(add):
    target = np.asarray(jnp.array([1, 5, 2], jnp.uint4))
    meter = add(ConfusionMeter(20), np.eye(20)[[1, 5, 3]], target)
    assert int(meter.n) == 3 and int(meter.left_out) == 0


@pytest.mark.slow
@every_meter_of_classes
@pytest.mark.parametrize(
    ("dtype", "label"),
    [
        (np.int64, 2**32),
        (np.int64, -(2**32)),
        (np.int64, 2**63 - 1),
        (np.uint64, 2**32),
        (np.uint64, 2**64 - 1),
        (np.uint32, 2**32 - 1),
        (np.int32, -1),
    ],
)
def test_a_label_that_wraps_is_not_class_0(make, dtype, label):
    chances = np.full((2, 8), 0.03125, np.float32)
    chances[:, 0] = 0.78125
    expected = make(8).add(chances, np.array([0, 8], np.int32))
    target = np.array([0, label], dtype)
    assert_same(make(8).add(chances, target), expected)
    if target.itemsize == 4:  # wider ones jit cuts itself, before tntjax sees them
        assert_same(compiled(make(8), chances, target), expected)


@pytest.mark.slow
@every_meter_of_classes
def test_a_constant_label_that_wraps_is_not_class_0(make):
    chances, target = np.full((2, 8), 0.125, np.float32), np.array([0, 2**32])
    assert_same(of_constants(make(8), chances, target), make(8).add(chances, [0, 8]))


def test_a_label_that_wraps_is_not_class_0_with_x64():
    jax.config.update("jax_enable_x64", True)
    try:
        target = jnp.array([0, 2**32, -(2**32)], jnp.int64)
        meter = compiled(ConfusionMeter(8), jnp.eye(8)[:3], target)
        assert int(meter.n) == 1 and int(meter.left_out) == 2
        meter = compiled(ClassErrorMeter(), jnp.ones((3, 8)), target)
        assert int(meter.wrong[0]) == 2
    finally:
        jax.config.update("jax_enable_x64", False)


@pytest.mark.slow
@pytest.mark.parametrize("add", [eagerly, of_constants])
def test_scores_beyond_int32_do_not_wrap(add):
    scores, target = np.array([[0, 2**33], [5, -(2**33)]]), np.array([1, 0])
    assert int(add(ClassErrorMeter(), scores, target).wrong[0]) == 0
    assert add(ConfusionMeter(2), scores, target).counts.integers().trace() == 2
    precision = add(PrecisionMeter((1.0,)), scores, target)
    assert float(precision.value()[1.0]) == 100.0
    labels = add(MultiLabelConfusionMeter(2), scores, np.array([[0, 1], [1, 0]]))
    assert np.asarray(labels.value()).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert float(add(LogLossMeter(logits=True), scores, target).value()) == 0.0


def test_integer_scores_are_told_apart_as_integers():
    scores = np.array([[2**24, 2**24 + 1]])
    assert int(eagerly(ClassErrorMeter(), scores, np.array([1])).wrong[0]) == 0


def test_scores_beyond_float32_are_infinite():
    meter = ClassErrorMeter().add(np.array([[1e300, 0.0]]), [0])
    assert int(meter.wrong[0]) == 0


@pytest.mark.parametrize("make", [PrecisionMeter, RecallMeter, FScoreMeter])
def test_thresholds_are_not_rounded_beside_half_precision(make):
    scores = jnp.array([[0.7], [0.9]], jnp.bfloat16)  # the first is 0.69921875
    assert scores.astype(float)[0, 0] < 0.7
    meter = make((0.7,)).add(scores, [0, 1])
    assert float(meter.value()[0.7]) == 100.0


SCORES = np.array([0.9, 0.2, 0.7, 0.4, 0.6, 0.1], np.float32)
LABELS = np.array([1, 0, 0, 1, 1, 0])
BINARY = {
    "PrecisionMeter": (
        PrecisionMeter,
        lambda meter: meter.value()[0.5],
        100 * metrics.precision_score(LABELS, SCORES >= 0.5),
    ),
    "RecallMeter": (
        RecallMeter,
        lambda meter: meter.value()[0.5],
        100 * metrics.recall_score(LABELS, SCORES >= 0.5),
    ),
    "FScoreMeter, of one class": (
        lambda: FScoreMeter(num_classes=1),
        lambda meter: meter.value()[0.5][0],
        100 * metrics.f1_score(LABELS, SCORES >= 0.5),
    ),
    "LogLossMeter": (
        LogLossMeter,
        lambda meter: meter.value(),
        metrics.log_loss(LABELS, SCORES),
    ),
    "LogLossMeter, logits": (
        lambda: LogLossMeter(logits=True),
        lambda meter: meter.value(),
        metrics.log_loss(LABELS, 1 / (1 + np.exp(-SCORES.astype(float)))),
    ),
    "CalibrationErrorMeter": (
        lambda: CalibrationErrorMeter(1),
        lambda meter: meter.value().expected,
        abs(SCORES.mean() - LABELS.mean()),
    ),
    "AUCMeter": (
        lambda: AUCMeter(6),
        lambda meter: meter.value().area,
        metrics.roc_auc_score(LABELS, SCORES),
    ),
    "BinnedAUCMeter": (
        BinnedAUCMeter,
        lambda meter: meter.value()[0],
        metrics.roc_auc_score(LABELS, SCORES),
    ),
    "BinnedAPMeter": (
        BinnedAPMeter,
        lambda meter: meter.value()[0],
        metrics.average_precision_score(LABELS, SCORES),
    ),
    "APMeter": (
        lambda: APMeter(6, 1),
        lambda meter: meter.value()[0],
        metrics.average_precision_score(LABELS, SCORES),
    ),
    "mAPMeter": (
        lambda: mAPMeter(6),
        lambda meter: meter.value(),
        metrics.average_precision_score(LABELS, SCORES),
    ),
    "ROCCurveMeter": (
        lambda: ROCCurveMeter(6),
        lambda meter: meter.value().tpr[2],
        1 / 3,
    ),
    "PrecisionRecallCurveMeter": (
        lambda: PrecisionRecallCurveMeter(6),
        lambda meter: meter.value().precision[2],
        1 / 2,
    ),
    "MultiLabelConfusionMeter": (
        lambda: MultiLabelConfusionMeter(1),
        lambda meter: meter.value()[0, 0],
        3,
    ),
}


@pytest.mark.slow
@in_every_way
@pytest.mark.parametrize(
    ("make", "read", "expected"), BINARY.values(), ids=BINARY.keys()
)
def test_one_score_an_example_may_have_an_axis_of_length_1(add, make, read, expected):
    column = SCORES[:, None]
    for scores, labels in ((column, LABELS), (column, LABELS[:, None])):
        meter = jax.device_get(add(make(), scores, labels))
        assert float(read(meter)) == pytest.approx(expected, abs=1e-3)
        assert int(meter.n) == 6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "read", "expected"), BINARY.values(), ids=BINARY.keys()
)
def test_labels_may_have_an_axis_of_length_1(make, read, expected):
    meter = make().add(SCORES, LABELS[:, None])
    assert float(read(meter)) == pytest.approx(expected, abs=1e-3)
    mask = np.arange(6) < 3
    masked = make().add(SCORES[:, None], LABELS, mask=mask)
    assert_same(masked, make().add(SCORES[:, None], LABELS[:, None], mask=mask))
    assert int(masked.n) == 3


def test_scores_of_a_single_class_need_no_axis_if_the_meter_knows_that():
    mask = np.arange(6) < 3
    for meter in (PrecisionMeter(num_classes=1), RecallMeter((0.3,), 1)):
        found = meter.add(SCORES, LABELS, mask=mask)
        assert_same(found, meter.add(SCORES[:, None], LABELS[:, None], mask=mask))
        assert int(found.n) == 3


def test_one_score_an_example_does_not_tell_classes_apart():
    column = SCORES[:, None]
    for meter in (ClassErrorMeter(), PrecisionMeter(None), RecallMeter(None, 1)):
        for add in (eagerly, compiled):
            with pytest.raises(ValueError, match="of two or more classes"):
                add(meter, column, LABELS)
    with pytest.raises(ValueError, match=r"has 1: float32\[6,1\]. Predicted class num"):
        ConfusionMeter(2).add(column, LABELS)


def test_a_class_of_two_is_0_or_1():
    """Neither -1 nor 2 is, and what is not a class is wrong."""
    found = CalibrationErrorMeter(1).add([0.75] * 4, [1, 0, -1, 2]).value()
    assert np.asarray(found.accuracy).tolist() == [0.25]


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(), (3,), (3, 1)])
@in_every_way
def test_confusion_of_predicted_classes(add, shape):
    if add is scanned and shape == ():
        return
    predicted = np.broadcast_to(np.array(2, np.int64), shape)
    target = np.broadcast_to(np.array(1, np.uint8), shape)
    meter = jax.device_get(add(ConfusionMeter(3), predicted, target))
    assert meter.value()[1, 2] == int(meter.n) == predicted.size


PREDICTED = np.array([0, 2, 1, 1, 0, 2, 2, 0])
TARGET = np.array([0, 2, 2, 1, 1, 2, 0, 0])
ORACLES = {
    PrecisionMeter: metrics.precision_score,
    RecallMeter: metrics.recall_score,
    FScoreMeter: metrics.f1_score,
}


@pytest.mark.slow
@in_every_way
def test_predicted_classes_are_scikit_learns(add):
    meter = add(ConfusionMeter(3), PREDICTED, TARGET)
    expected = metrics.confusion_matrix(TARGET, PREDICTED)
    assert np.asarray(meter.value()).tolist() == expected.tolist()
    for make, oracle in ORACLES.items():
        for thresholds, key in ((None, "best"), ((0.5,), 0.5)):
            apart = add(make(thresholds, 3), PREDICTED, TARGET).value()[key]
            expected = 100 * oracle(TARGET, PREDICTED, average=None)
            np.testing.assert_allclose(apart, expected, rtol=1e-6)
        together = add(make(None), PREDICTED, TARGET).value()["best"]
        expected = 100 * oracle(TARGET, PREDICTED, average="micro")
        assert float(together) == pytest.approx(expected, rel=1e-6)


def test_predicted_classes_may_have_an_axis_of_length_1():
    column = PREDICTED[:, None]
    for make in (lambda: ConfusionMeter(3), lambda: PrecisionMeter(None, 3)):
        expected = make().add(PREDICTED, TARGET)
        assert_same(make().add(column, TARGET), expected)
        assert_same(make().add(column, TARGET[:, None]), expected)


def test_predicted_numbers_that_are_not_classes_predict_nothing():
    predicted, target = [0, -1, 3, 1, 1], [0, 1, 2, -1, 3]
    meter = ConfusionMeter(3).add(predicted, target)
    assert int(meter.n) == 1 and int(meter.left_out) == 4
    precision = PrecisionMeter(None, 3).add(predicted, target)
    assert np.asarray(precision.hits.predicted.integers()).tolist() == [[1, 2, 0]]
    recall = RecallMeter(None, 3).add(predicted, target)
    assert np.asarray(recall.value()["best"]).tolist() == [100.0, 0.0, 0.0]
    together = PrecisionMeter(None).add([0, -1, 1, 1], [0, 1, -1, 1])
    assert float(together.value()["best"]) == pytest.approx(200 / 3)


def test_a_mask_leaves_predicted_classes_out():
    mask = np.arange(8) % 3 > 0
    for make in (lambda: ConfusionMeter(3), lambda: FScoreMeter(None, 3)):
        kept = make().add(PREDICTED[mask], TARGET[mask])
        assert_same(make().add(PREDICTED, TARGET, mask=mask), kept)


def test_class_numbers_are_not_taken_for_labels():
    with pytest.raises(ValueError, match=r"0 or 1 .* got 2. .* make it with num_class"):
        PrecisionMeter().add([0, 2, 1], [0, 1, 2])
    both = PrecisionMeter().add([1, 0, 1], [1, 1, 0])  # labels of one class
    assert float(both.value()[0.5]) == 50.0
    masked = PrecisionMeter().add([[1], [0]], [[1], [255]], mask=[True, False])
    assert int(masked.n) == 1


def test_predicted_classes_must_be_integers_as_the_target_is():
    with pytest.raises(ValueError, match=r"must be integers \[B\], as target is"):
        ConfusionMeter(2).add([0.0, 1.0, 1.0], [0, 1, 1])
    with pytest.raises(ValueError, match=r"ConfusionMeter counts class numbers"):
        ClassErrorMeter().add([0, 1, 1], [0, 1, 1])
    with pytest.raises(ValueError, match=r"one class each use ConfusionMeter"):
        MultiLabelConfusionMeter(4).add([0, 1, 1], [0, 1, 1])
    with pytest.raises(ValueError, match=r"num_classes <= 46340, got 50000"):
        ConfusionMeter(50_000)


WEIGHTED = {
    "AverageValueMeter": (AverageValueMeter, [[1.0, 2.0]]),
    "HistogramMeter": (lambda: HistogramMeter(0, 1), [[1.0, 2.0]]),
    "QuantileMeter": (QuantileMeter, [[1.0, 2.0]]),
    "LogLossMeter": (LogLossMeter, [[0.5, 0.5], [0, 1]]),
    "MSEMeter": (MSEMeter, [[0.5, 0.5], [0, 1]]),
    "MeanAbsoluteErrorMeter": (MeanAbsoluteErrorMeter, [[0.5, 0.5], [0, 1]]),
    "R2Meter": (R2Meter, [[0.5, 0.5], [0, 1]]),
}
every_weighted_meter = pytest.mark.parametrize(
    ("make", "batch"), WEIGHTED.values(), ids=WEIGHTED.keys()
)


@every_weighted_meter
@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray], ids=["numpy", "jax"])
def test_negative_counts_are_refused(make, batch, kind):
    with pytest.raises(ValueError, match=r"add needs 0 <= n < 2\*\*31, got -1\."):
        make().add(*batch, kind(np.array([5, -1], np.int32)))
    with pytest.raises(ValueError, match=r"add needs 0 <= n < 2\*\*31, got -3\."):
        make().add(*batch, kind(-3))


@every_weighted_meter
def test_counts_that_do_not_fit_are_refused(make, batch):
    for n in (np.int64(2**32 + 1), np.uint64(2**64 - 1), [1, 2**31], 2**31, 10**30):
        with pytest.raises(ValueError, match=r"0 <= n < 2\*\*31, got \d{10}"):
            make().add(*batch, n)
    for n in (2**30, [2**31 - 1, 1], np.uint32(2**30), jnp.int32(2**30)):
        with pytest.raises(
            ValueError, match=r"less than 2\*\*31 .* a sum of 214748364"
        ):
            make().add(*batch, n)
    for n in (1.0, [1.0, 2.0], True, np.float32(1), jnp.ones(2)):
        with pytest.raises(TypeError, match="needs integer n, got"):
            make().add(*batch, n)


@pytest.mark.slow
@every_weighted_meter
def test_counts_of_masked_rows_may_be_anything(make, batch):
    for n in ([3, -1], [3, 2**40], np.array([3, 2**63], np.uint64)):
        meter = make().add(*batch, n, mask=[True, False])
        assert int(meter.n) == 3


SMALL = [[0.9, 0.1, 0.4], [1, 0, 1]]
OF_WEIGHTS = [
    AUCMeter,
    lambda: APMeter(4),
    mAPMeter,
    ROCCurveMeter,
    PrecisionRecallCurveMeter,
]


@pytest.mark.parametrize("make", OF_WEIGHTS)
@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf, -(2**33), 1e300])
def test_weights_must_be_finite_and_not_negative(make, bad):
    with pytest.raises(ValueError, match="needs finite weights >= 0, got"):
        make().add(*SMALL, [1, bad, 1])
    with pytest.raises(ValueError, match="needs finite weights >= 0, got"):
        make().add(*SMALL, bad)
    kept = make().add(*SMALL, [1, bad, 1], mask=[True, False, True])
    assert int(kept.n) == 2


def test_weights_on_the_device_are_read_on_a_cpu_only_and_not_when_traced():
    with pytest.raises(ValueError, match="needs finite weights >= 0, got -1.0"):
        AUCMeter().add(*SMALL, jnp.array([1.0, -1.0, 1.0]))
    weights = np.array([1.0, -1.0, 1.0])
    assert int(compiled(AUCMeter(3), *map(np.array, SMALL), weights).n) == 3


@pytest.mark.parametrize("bad", [-1, -0.5, np.nan, np.inf, -(2**40)])
def test_relevance_must_be_finite_and_not_negative(bad):
    with pytest.raises(ValueError, match="needs finite relevance >= 0, got"):
        NDCGMeter().add([[0.9, 0.1], [0.3, 0.4]], [[1, 0], [0, bad]])
    masked = NDCGMeter().add(
        [[0.9, 0.1], [0.3, 0.4]], [[1, 0], [0, bad]], mask=[True, False]
    )
    assert float(masked.value()[1]) == 1.0


OF_LABELS = {
    "AUCMeter": AUCMeter,
    "APMeter": APMeter,
    "mAPMeter": mAPMeter,
    "ROCCurveMeter": ROCCurveMeter,
    "PrecisionRecallCurveMeter": PrecisionRecallCurveMeter,
    "BinnedAUCMeter": BinnedAUCMeter,
    "BinnedAPMeter": BinnedAPMeter,
    "PrecisionMeter": PrecisionMeter,
    "RecallMeter": RecallMeter,
    "FScoreMeter": FScoreMeter,
    "PrecisionAtKMeter": lambda: PrecisionAtKMeter((1,)),
    "MultiLabelConfusionMeter": lambda: MultiLabelConfusionMeter(1),
    "ConfusionMeter": lambda: ConfusionMeter(1),
}


@pytest.mark.slow
@pytest.mark.parametrize("make", OF_LABELS.values(), ids=OF_LABELS.keys())
@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray], ids=["numpy", "jax"])
def test_a_target_that_is_nan_is_refused(make, kind):
    scores, target = np.array([[0.9], [0.1]]), kind(np.array([[1.0], [np.nan]]))
    if make is OF_LABELS["ConfusionMeter"]:
        make = lambda: ConfusionMeter(2)  # noqa: E731
        scores, target = np.eye(2), kind(np.array([[1.0, 0.0], [0.0, np.nan]]))
    with pytest.raises(
        ValueError, match=r"needs targets that are numbers, got nan. To"
    ):
        make().add(scores, target)
    assert (
        int(make().add(scores, target, mask=np.array([[True], [False]])[:, 0]).n) == 1
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("low", "high", "bins"),
    [(1e9, 1e9 + 10, 5), (0, 1, 2**26), (-1e39, 1e39, 2), (0, 1e-46, 1)],
)
@pytest.mark.parametrize("make", [HistogramMeter, None])
def test_bins_must_differ_in_float32(make, low, high, bins):
    if make is None:
        make = lambda low, high, bins: BinnedAUCMeter(bins, low, high)  # noqa: E731
    with pytest.raises(ValueError, match="bins that float32 can tell apart, got"):
        make(low, high, bins)


@pytest.mark.parametrize("make", [BinnedAPMeter, BinnedAUCMeter])
@pytest.mark.parametrize("bound", [np.nan, np.inf])
def test_bounds_of_bins_must_be_finite(make, bound):
    with pytest.raises(ValueError, match="needs finite low < high"):
        make(4, 0, bound)
