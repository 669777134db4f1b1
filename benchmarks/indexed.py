"""How fast archives are read at random, and how little memory a long one takes.

Run: python benchmarks/indexed.py [--items 1000000] [--repeats 9]

Items of 1 to 159 float32 are written and read back in random order, all compared, in a
process of its own; its memory is the peak (VmHWM, so on Linux) above what Python takes
that has imported tntjax and NumPy, pages of mapped files included.

Then random reads are timed, turn by turn in one process and at the same places, beside
a bare `np.memmap` with its offsets in a list. A slice of it looks at no byte of the
item; a slice that is copied does what a sample is. A map of a file that is cut ends the
process, so archives are read without one: a call of the system for each item, which is
what the ratio to the slice shows. Printed are the median time of a read, and the
medians of its ratios to the slice and to the copy in the same turn.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

import tntjax as tnt

LONGEST, READS = 160, 100_000
BAR, MOST_MEBIBYTES = 1.3, 200


def memory(key):
    """Mebibytes: VmRSS now, VmHWM at most so far."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(key))
    return int(line.split()[1]) / 1024


def names(folder):
    return os.path.join(folder, "x.idx"), os.path.join(folder, "x.bin")


def lengths(items):
    return np.random.default_rng(0).integers(1, LONGEST, items)


def write(folder, counts):
    row = np.arange(LONGEST, dtype=np.float32)
    with tnt.IndexedDatasetWriter(*names(folder), "float") as writer:
        for number, count in enumerate(counts):
            writer.add(row[:count] + number)


def read(folder, counts):
    row = np.arange(LONGEST, dtype=np.float32)
    dataset = tnt.IndexedDataset(["x"], path=folder)
    for number in np.random.default_rng(1).permutation(len(dataset)):
        item = dataset[int(number)]["x"]
        assert np.array_equal(item, row[: counts[number]] + number)


def write_and_read(folder, items):
    before, counts = memory("VmRSS"), lengths(items)
    for name, action in (("written", write), ("read and compared", read)):
        start = time.perf_counter()
        action(folder, counts)
        micros = (time.perf_counter() - start) / items * 1e6
        print(f"{name:20}{micros:6.2f} us an item")
    above = memory("VmHWM") - before
    size = os.path.getsize(names(folder)[1]) / 2**20
    print(f"\n{items} items, {size:.0f} MiB; {before:.0f} MiB of memory before")
    good = "yes" if above <= MOST_MEBIBYTES else "NO"
    print(f"memory {above:.0f} MiB above, at most {MOST_MEBIBYTES}: {good}\n")


def contestants(folder, items):
    data = np.memmap(names(folder)[1], np.float32, "r")
    offsets = [0, *np.cumsum(lengths(items)).tolist()]

    def sliced(order):
        for index in order:
            data[offsets[index] : offsets[index + 1]]

    def copied(order):
        for index in order:
            np.array(data[offsets[index] : offsets[index + 1]])

    def reads_of(dataset):
        def run(order):
            for index in order:
                dataset[index]

        return run

    def opened(**options):
        return reads_of(tnt.IndexedDataset(["x"], path=folder, **options))

    yield "np.memmap, slice", sliced
    yield "np.memmap, slice and copy", copied
    yield "IndexedDataset", opened()
    yield "IndexedDataset, standalone", opened(standalone=True)
    yield "IndexedDatasetReader", reads_of(tnt.IndexedDatasetReader(*names(folder)))


def compare(rows, items, repeats):
    for repeat in range(repeats + 1):
        order = np.random.default_rng(repeat).integers(items, size=READS).tolist()
        for _, run, times in rows:
            start = time.perf_counter()
            run(order)
            if repeat:  # the first warms up
                times.append(time.perf_counter() - start)
    print(f"{'one random read':28}{'median us':>10}{'/ slice':>10}{'/ copy':>10}")
    for name, _, times in rows:
        line = f"{name:28}{statistics.median(times) / READS * 1e6:>10.2f}"
        for _, _, base in rows[:2]:
            pairs = zip(times, base, strict=True)
            ratio = statistics.median(time / other for time, other in pairs)
            line += f"{ratio:>10.2f}"
            if name == "IndexedDataset" and base is rows[1][2]:
                found = ratio
        print(line)
    good = "yes" if found <= BAR else "NO"
    print(f"\nratio {found:.2f} to the copy, at most {BAR}: {good}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--folder", help=argparse.SUPPRESS)  # of the process of its own
    options = parser.parse_args()
    if options.folder:
        write_and_read(options.folder, options.items)
        return
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, NumPy {np.__version__}\n")
    with tempfile.TemporaryDirectory() as folder:
        again = [sys.executable, __file__, "--items", str(options.items)]
        subprocess.run([*again, "--folder", folder], check=True)
        rows = [(*pair, []) for pair in contestants(folder, options.items)]
        compare(rows, options.items, options.repeats)


if __name__ == "__main__":
    main()
