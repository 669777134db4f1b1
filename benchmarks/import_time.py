"""How long `import tntjax` takes beside importing only what it is built on.

Run: python benchmarks/import_time.py [--repeats 15]

Each import is timed in a process of its own, turn by turn, so that both meet the same
machine; what is printed are medians and their ratio. Bytecode is written, as pip does.
"""

import argparse
import os
import statistics
import subprocess
import sys

BAR = 1.15
STATEMENTS = {
    "jax and optax": "import jax, optax",
    "tntjax": "import tntjax",
}


def seconds(statement: str) -> float:
    code = (
        "from time import perf_counter as clock; start = clock();"
        f" {statement}; print(clock() - start)"
    )
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    run = subprocess.run(command, check=True, capture_output=True, env=environment)
    return float(run.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    times = {name: [] for name in STATEMENTS}
    for turn in range(repeats + 1):
        for name, statement in STATEMENTS.items():
            taken = seconds(statement)
            if turn:  # the first one fills the disk's cache and writes the bytecode
                times[name].append(taken)
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        print(f"import {name:14}{median:7.3f} s  (best {min(times[name]):.3f})")
    ratio = medians["tntjax"] / medians["jax and optax"]
    print(f"ratio {ratio:.3f}, at most {BAR}: {'yes' if ratio <= BAR else 'NO'}")


if __name__ == "__main__":
    main()
