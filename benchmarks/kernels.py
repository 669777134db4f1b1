"""How many kernels a step has on a GPU, and what meters add to them.

Run: python benchmarks/kernels.py [--without-gpu]

Logistic regression on data on the device is compiled by hand, as a scan, and by the
engine with and without meters, and the kernels in the loop of the compiled text are
counted. With `--without-gpu` all is compiled for an H100 that is not here, for which
`pip install "jax[cuda12]"` is enough. For that a private function of JAX is replaced,
so it works with JAX 0.11 and perhaps not with others.
"""

import argparse
import os
import re
from unittest import mock

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--without-gpu", action="store_true")
options = parser.parse_args()
if options.without_gpu:
    os.environ |= {
        "CUDA_VISIBLE_DEVICES": "-1",
        "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1",
        "JAX_PLATFORMS": "cpu,cuda",
        "XLA_FLAGS": "--xla_gpu_autotune_level=0",
    }

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402

import tntjax as tnt  # noqa: E402
from tntjax.engine import _call  # noqa: E402

MOST, ROWS, BATCH = 4, 7_500, 125
METERS = [(), ("loss",), ("error",), ("loss", "error")]

H100 = """
gpu_device_info {
  cuda_compute_capability { major: 9 }
  core_count: 132  fpus_per_core: 128  clock_rate_ghz: 1.98
  threads_per_block_limit: 1024  threads_per_warp: 32  threads_per_core_limit: 2048
  shared_memory_per_block: 49152  shared_memory_per_block_optin: 232448
  shared_memory_per_core: 233472  registers_per_core_limit: 65536
  registers_per_block_limit: 65536  l2_cache_size: 52428800
  block_dim_limit_x: 2147483647  block_dim_limit_y: 65535  block_dim_limit_z: 65535
  device_memory_size: 84942979072  memory_bandwidth: 3352320000000
  driver_version: "13.0.0"  runtime_version: "12.8.0"  dnn_version: "9.10.0"
  compile_time_toolkit_version: "12.8.0"
}
runtime_version { major: 12  minor: 8 }
dnn_version_info { major: 9  minor: 10 }
platform_name: "CUDA"
device_description_str: "NVIDIA H100 80GB HBM3"
"""


def find_sharding():
    """Returns where to compile for: a card that is not here, or None for this one."""
    if not options.without_gpu:
        return None
    from jax._src import xla_bridge
    from jax.experimental import topologies

    known = xla_bridge.canonicalize_platform

    def find_platform(name):  # there is no device of the platform to be found
        return "cuda" if name in ("gpu", "cuda") else known(name)

    xla_bridge.canonicalize_platform = find_platform
    card = topologies.get_topology_desc(
        platform="cuda",
        topology_name="",
        target_config=H100,
        topology="1x1x1",
    )
    mesh = topologies.make_mesh(card, (1,), ("card",))
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())


def compile_for(sharding, function, *arguments):
    def describe(leaf):
        return jax.ShapeDtypeStruct(jnp.shape(leaf), leaf.dtype, sharding=sharding)

    return function.lower(*jax.tree.map(describe, arguments)).compile().as_text()


def network(params, input):
    return input @ params["weight"] + params["bias"]


criterion = optax.softmax_cross_entropy_with_integer_labels
PARAMS = {"weight": jnp.zeros((784, 10)), "bias": jnp.zeros(10)}
DATA = {"input": np.ones((ROWS, 784), np.float32), "target": np.zeros(ROWS, np.int32)}


def compile_by_hand(sharding):
    """Returns the text of an epoch by hand."""

    @jax.jit
    def epoch(params, data, order):
        def step(params, rows):
            def objective(params):
                output = network(params, data["input"][rows])
                return criterion(output, data["target"][rows]).mean()

            grads = jax.grad(objective)(params)
            return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), None

        return jax.lax.scan(step, params, order)[0]

    order = np.zeros((ROWS // BATCH, BATCH), np.int32)
    return compile_for(sharding, epoch, PARAMS, DATA, order)


def compile_step(meters, sharding):
    """Returns the text of the call that a run compiles."""
    texts, jit = [], jax.jit

    def spy(function, **given):
        jitted = jit(function, **given)

        def call(heavy, rest):
            texts.append(compile_for(sharding, jitted, heavy, rest))
            return jitted(heavy, rest)

        call.trace = jitted.trace
        return call if function.__name__ == "call" else jitted

    table = jax.device_put(tnt.TableDataset(DATA))
    with (
        mock.patch.object(jax, "jit", spy),
        mock.patch.object(_call, "_is_on_cpu", lambda carry: False),
        mock.patch.object(jax, "default_backend", lambda: "gpu"),
    ):
        tnt.SGDEngine(tnt.hooks.metering(*meters)).train(
            network=network,
            criterion=criterion,
            iterator=tnt.DatasetIterator(tnt.shuffle_and_batch(table, BATCH)),
            params=PARAMS,
            lr=0.1,
            max_epoch=1,
        )
    return texts[0]


def count_kernels(text):
    """Returns the kernels of the loop that has most of them, and its turns if known."""
    parts = re.findall(r"^%?([\w.\-]+) \(.*?\{\n(.*?)^\}", text, re.M | re.S)
    bodies = set(re.findall(r"body=%?([\w.\-]+)", text))
    free = r"get-tuple-element|parameter|constant|tuple|bitcast"
    counts = {
        name: len(
            re.findall(rf"= (?:\(.*?\)|\S+) (?!(?:{free})\()[a-z][\w\-]*\(", body)
        )
        for name, body in parts
        if name in bodies
    }
    name = max(counts, key=lambda name: counts[name])
    turns = re.findall(rf'body=%?{re.escape(name)}\b.*?"n":"(\d+)"', text)
    return counts[name], int(turns[0]) if turns else None


def main():
    sharding = find_sharding()
    if sharding is None and jax.default_backend() == "cpu":
        parser.error("there is no GPU; to compile for one all the same, --without-gpu")
    hand, turns = count_kernels(compile_by_hand(sharding))
    print(f"{'by hand':16}{hand:5} kernels in {turns} turns: {hand:6.2f} a step")
    found = []
    for meters in METERS:
        kernels, turns = count_kernels(compile_step(meters, sharding))
        found.append(kernels / _call.UNROLLED)
        name = " and ".join(meters) or "no meter"
        print(
            f"{name:16}{kernels:5} kernels in {turns} turns: {found[-1]:6.2f} a step,"
            f" {found[-1] - found[0]:+.2f}"
        )
    added = found[-1] - found[0]
    good = "yes" if added <= MOST else "NO"
    print(f"loss and error add {added:.2f}, at most {MOST}: {good}")


if __name__ == "__main__":
    main()
