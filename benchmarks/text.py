"""How fast lines are read at random, how little memory their index takes; tokens.

Run: python benchmarks/text.py [--megabytes 1000] [--repeats 7]

A file of lines of 20 to 250 bytes is written and indexed in a process of its own; its
memory is the peak (VmHWM, so on Linux) above that of Python with tntjax imported.
Then lines are read in random order, turn by turn in one process and at the same places:
a slice of a bare `mmap` by places in a list, the same decoded into a dict as a sample
is, and by `LineDataset`: as bytes, as samples, and many together as iterators read.
Printed are the median microseconds of a read, and the medians of its speed against that
of the first two in the same turn: 1 is as fast.

If openai-whisper is installed (for its vocabulary, `--no-deps` will do), the text is
encoded by `BPE`, beside tiktoken where that is there.
"""

import argparse
import mmap
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import tntjax as tnt
from tntjax import text

READS, MOST_MEBIBYTES = 100_000, 200
WORDS = np.array("the of light in año heaven was and earth upon God said é".split())


def memory(key):
    """Mebibytes: VmRSS now, VmHWM at most so far."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(key))
    return int(line.split()[1]) / 1024


def write(path, megabytes):
    rng = np.random.default_rng(0)
    some = [" ".join(rng.choice(WORDS, n)) for n in rng.integers(5, 50, 20_000)]
    piece = ("\n".join(some) + "\n").encode()
    with open(path, "wb") as file:
        for _ in range(max(1, megabytes * 10**6 // len(piece))):
            file.write(piece)


def index(path):
    before, start = memory("VmRSS"), time.perf_counter()
    dataset = text.LineDataset(path)
    seconds, above = time.perf_counter() - start, memory("VmHWM") - before
    size = os.path.getsize(path) / 1e6
    good = "yes" if above <= MOST_MEBIBYTES else "NO"
    print(f"{len(dataset)} lines, {size:.0f} MB, indexed in {seconds:.1f} s")
    print(
        f"memory {above:.0f} MiB above, at most {MOST_MEBIBYTES}: {good}\n", flush=True
    )


def contestants(path):
    with open(path, "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    dataset = text.LineDataset(path)
    starts = dataset.files.files[0].starts.tolist()

    def slices(order):
        for row in order:
            data[starts[row] : starts[row + 1] - 1]

    def samples(order):
        for row in order:
            {"text": data[starts[row] : starts[row + 1] - 1].decode()}

    def as_bytes(order):
        for row in order:
            dataset.read_bytes(row)

    def one_by_one(order):
        for row in order:
            dataset[row]

    def together(order):
        for start in range(0, len(order), 100):
            tnt.take(dataset, order[start : start + 100])

    rows = (slices, samples, as_bytes, one_by_one, together)
    names = ("mmap slice", "and decoded", "read_bytes", "LineDataset[i]", "take of 100")
    return len(dataset), [
        (name, row, []) for name, row in zip(names, rows, strict=True)
    ]


def compare(path, repeats):
    lines, rows = contestants(path)
    for repeat in range(repeats + 1):
        order = np.random.default_rng(repeat).integers(lines, size=READS).tolist()
        for _, run, times in rows:
            start = time.perf_counter()
            run(order)
            if repeat:  # the first warms up
                times.append(time.perf_counter() - start)
    print(f"{'one random read':18}{'median us':>10}{'x slice':>10}{'x decoded':>11}")
    for name, _, times in rows:
        ratios = [
            statistics.median(b / a for a, b in zip(times, base, strict=True))
            for _, _, base in rows[:2]
        ]
        micros = statistics.median(times) / READS * 1e6
        print(f"{name:18}{micros:>10.2f}{ratios[0]:>10.2f}{ratios[1]:>11.2f}")


def encode(path):
    found = find_spec("whisper")
    if found is None or not found.submodule_search_locations:
        return print("\nno openai-whisper, so no vocabulary to encode with")
    folder = Path(found.submodule_search_locations[0])
    bpe = text.BPE.from_tiktoken(folder / "assets" / "gpt2.tiktoken")
    some = path.read_bytes()[:2_000_000].decode("utf-8", "ignore")
    encoders = {"BPE": bpe.encode}
    if find_spec("tiktoken"):
        import tiktoken

        other = tiktoken.Encoding(
            "gpt2", pat_str=bpe.pattern, mergeable_ranks=bpe.ranks, special_tokens={}
        )
        encoders["tiktoken"] = other.encode_ordinary
        assert other.encode_ordinary(some) == bpe.encode(some).tolist()
    print()
    bpe.encode("warm up")
    for name, run in encoders.items():
        start = time.perf_counter()
        count = len(run(some))
        print(f"{name:18}{count / 1e6 / (time.perf_counter() - start):.2f} M tokens/s")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--index", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.index:
        return index(args.index)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "lines")
        write(path, args.megabytes)
        subprocess.run([sys.executable, __file__, "--index", path], check=True)
        compare(path, args.repeats)
        encode(path)


if __name__ == "__main__":
    main()
