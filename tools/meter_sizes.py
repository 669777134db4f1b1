"""Prints how much program the `add` of each meter is, and how long it compiles.

Run: python tools/meter_sizes.py [--only MSE] [--equations]

For each row: the number of equations of the jaxpr of one `add` (those of inner jaxprs
counted too), and the milliseconds of processor time of compiling it, the least of
three. `--equations` compiles nothing.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np

import tntjax as tnt

VALUES, CLASSES, LABELS = (64,), (64, 10), np.zeros(64, np.int32)
SCORES, TARGETS = np.zeros(CLASSES, np.float32), np.zeros(CLASSES, np.int32)
OUTPUT = np.zeros(VALUES, np.float32)
OF_VALUES, OF_PAIRS = (OUTPUT,), (OUTPUT, OUTPUT)
OF_CLASSES, OF_LABELS, OF_ONE = (SCORES, LABELS), (SCORES, TARGETS), (OUTPUT, LABELS)

METERS = {
    "APMeter": (lambda: tnt.APMeter(640, 10), OF_LABELS),
    "AUCMeter": (lambda: tnt.AUCMeter(640), OF_ONE),
    "AverageValueMeter": (tnt.AverageValueMeter, OF_VALUES),
    "BinnedAPMeter": (tnt.BinnedAPMeter, OF_ONE),
    "BinnedAUCMeter": (tnt.BinnedAUCMeter, OF_ONE),
    "CalibrationErrorMeter": (tnt.CalibrationErrorMeter, OF_CLASSES),
    "ClassErrorMeter": (tnt.ClassErrorMeter, OF_CLASSES),
    "ConfusionMeter": (lambda: tnt.ConfusionMeter(10), OF_CLASSES),
    "CorrelationMeter": (tnt.CorrelationMeter, OF_PAIRS),
    "FScoreMeter": (tnt.FScoreMeter, OF_LABELS),
    "HistogramMeter": (lambda: tnt.HistogramMeter(0.0, 1.0), OF_VALUES),
    "LogLossMeter": (tnt.LogLossMeter, OF_CLASSES),
    "MSEMeter": (tnt.MSEMeter, OF_PAIRS),
    "MeanAbsoluteErrorMeter": (tnt.MeanAbsoluteErrorMeter, OF_PAIRS),
    "MovingAverageValueMeter": (lambda: tnt.MovingAverageValueMeter(10), OF_VALUES),
    "MultiLabelConfusionMeter": (lambda: tnt.MultiLabelConfusionMeter(10), OF_LABELS),
    "NDCGMeter": (lambda: tnt.NDCGMeter((1, 5)), OF_LABELS),
    "PrecisionAtKMeter": (lambda: tnt.PrecisionAtKMeter((1, 5)), OF_LABELS),
    "PrecisionMeter": (tnt.PrecisionMeter, OF_LABELS),
    "QuantileMeter": (tnt.QuantileMeter, OF_VALUES),
    "R2Meter": (tnt.R2Meter, OF_PAIRS),
    "mAPMeter": (lambda: tnt.mAPMeter(640, 10), OF_LABELS),
}
"""For each row how to make the meter, and the arguments of one `add`."""


def count_equations(jaxpr):
    """Counts the equations of a jaxpr and of those inside it."""
    return sum(1 + sum(map(count_equations, _inside(e.params))) for e in jaxpr.eqns)


def _inside(params):
    for value in params.values():
        for part in value if isinstance(value, tuple | list) else (value,):
            part = getattr(part, "jaxpr", part)
            if hasattr(part, "eqns"):
                yield part


def compile_seconds(meter, arguments):
    """Measures the processor time of one compilation, nothing being cached."""
    jax.clear_caches()
    add = jax.jit(lambda meter, *arguments: meter.add(*arguments))
    lowered = add.lower(meter, *arguments)
    start = time.process_time()  # of all threads, whatever else the machine does
    lowered.compile()
    return time.process_time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="rows whose name holds this")
    parser.add_argument("--equations", action="store_true", help="compile nothing")
    options = parser.parse_args()
    jnp.zeros(1).block_until_ready()  # starts the backend
    print(f"{'meter':28}{'equations':>10}{'compile ms':>12}")
    for name, (make, arguments) in METERS.items():
        if options.only not in name:
            continue
        traced = jax.make_jaxpr(lambda m, *a: m.add(*a))(make(), *arguments)
        row = f"{name:28}{count_equations(traced.jaxpr):>10}"
        if not options.equations:
            least = min(compile_seconds(make(), arguments) for _ in range(3))
            row += f"{1e3 * least:>12.0f}"
        print(row)


if __name__ == "__main__":
    main()
