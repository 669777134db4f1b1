"""MNIST on all devices together, in one process or in several. Try --help.

Several processes are started by hand here, as a scheduler would on several machines:

    python examples/data_parallel.py --processes 2 --process 0 &
    python examples/data_parallel.py --processes 2 --process 1
"""

import argparse

import jax
import jax.numpy as jnp
import optax
from jax.sharding import PartitionSpec

import tntjax as tnt

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--batch-size", type=int, default=128)
parser.add_argument("--devices", type=int, help="pretend that the CPU is so many")
parser.add_argument("--processes", type=int, default=1)
parser.add_argument("--process", type=int, default=0, help="which of them this one is")
parser.add_argument("--coordinator", default="localhost:12321")
args = parser.parse_args()
if args.devices:  # before anything asks JAX for a device
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", args.devices)
if args.processes > 1:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(args.coordinator, args.processes, args.process)
digits = {name: tnt.vision.mnist_sample(name) for name in ("train", "test")}
mesh = jax.make_mesh((jax.device_count(),), ("data",))


def batches(name):  # the same in every process; each device gets its rows
    return tnt.shuffle_and_batch(digits[name], args.batch_size, policy="pad-last")


def network(params, input):  # [B, 28, 28] -> [B, 10]
    hidden = jax.nn.relu(input.reshape(-1, 784) / 255.0 @ params["first"])
    return hidden @ params["second"]


def criterion(output, target):  # [B, 10], [B] -> [B]
    return optax.softmax_cross_entropy_with_integer_labels(output, target)


def shard(path, leaf):  # the rows of a large parameter are divided as well
    return PartitionSpec("data") if leaf.shape[0] % mesh.size == 0 else PartitionSpec()


def reset(state):
    return state.replace(meters={"error": tnt.ClassErrorMeter()})


def measure(state):  # on all devices; the count is that of the whole batch
    sample, error = state.sample, state.meters["error"]
    error = error.add(state.output, sample["target"], mask=sample["mask"])
    return state.replace(meters={"error": error})


def show(state, when):
    if args.process == 0:
        print(f"{when}  error {state.meters['error'].value()[1]:5.2f} %")


first, second = jax.random.split(jax.random.key(0))
params = {
    "first": jax.random.normal(first, (784, 256)) / 28,
    "second": jnp.zeros((256, 10)),
}
hooks = tnt.Hooks(on_start=reset, on_start_epoch=reset, on_forward_criterion=measure)
end = tnt.Hooks(on_end_epoch=lambda state: show(state, f"epoch {state.epoch}") or state)
engine = tnt.OptimEngine(tnt.chain(hooks, end))
job = {"network": network, "criterion": criterion, "mesh": mesh, "shard": shard}
train, test = (tnt.DatasetIterator(batches(name)) for name in digits)
optimizer = optax.adam(1e-3)
state = engine.train(
    **job, iterator=train, params=params, optimizer=optimizer, max_epoch=args.epochs
)
show(engine.test(**job, iterator=test, params=state.params), "test   ")
if args.process == 0:
    place = state.params["first"].sharding
    print(f"trained on {len(place.device_set)} devices, parameters as {place.spec}")
