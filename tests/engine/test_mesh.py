"""Many devices: what lies where, what is wrong, and several processes."""

import json
import os
import re
import signal
import socket
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec

import tntjax as tnt
from tests.engine.conftest import network


@pytest.fixture
def mesh():
    return jax.make_mesh((4,), ("data",))


@pytest.mark.devices(4)
def test_batches_are_divided_and_rests_copied(problem, mesh):
    seen = {}

    def look(params, input):
        jax.debug.inspect_array_sharding(
            input, callback=lambda s: seen.update({input.shape: len(s.device_set)})
        )
        return network(params, input)

    state = tnt.SGDEngine().train(**problem.job(network=look, mesh=mesh))
    assert int(state.samples) == 106
    assert {shape for shape in seen} == {(8, 5), (5, 5)}
    assert state.params["weight"].sharding.is_fully_replicated
    assert len(state.params["weight"].sharding.device_set) == 4


@pytest.mark.devices(4)
@pytest.mark.slow
def test_a_dataset_on_the_device_is_copied_to_all(problem, mesh):
    iterator = problem.over(jax.device_put(problem.dataset()))
    one = tnt.SGDEngine().train(**problem.job(iterator=iterator))
    job = problem.job(iterator=iterator, mesh=mesh)
    four = tnt.SGDEngine().train(**job, steps_per_call=2)
    np.testing.assert_allclose(
        one.params["weight"], four.params["weight"], rtol=1e-4, atol=1e-6
    )


@pytest.mark.devices(4)
@pytest.mark.slow
def test_epochs_on_a_mesh_compile_nothing_new(problem, mesh, compiles):
    after = []
    hooks = tnt.chain(
        tnt.Hooks(on_end_epoch=lambda s: after.append(len(compiles)) or s),
        tnt.every(3, lambda s: s),
    )
    rows = lambda path, leaf: PartitionSpec()  # noqa: E731
    job = problem.job(mesh=mesh, shard=rows, max_epoch=4)
    tnt.SGDEngine(hooks).train(**job, steps_per_call=3)
    assert after[2] == after[3]


METERING = tnt.hooks.metering(
    error=(tnt.ClassErrorMeter(), lambda state: (state.output, state.sample["target"]))
)


@pytest.mark.devices(4)
@pytest.mark.slow
def test_a_test_on_a_mesh(problem, mesh):
    engine = tnt.SGDEngine(METERING)
    params = {"weight": jnp.eye(5, 3), "bias": jnp.zeros(3)}
    job = {"network": network, "iterator": problem.iterator(), "params": params}
    one, four = engine.test(**job), engine.test(**job, mesh=mesh)
    assert one.meters["error"].value() == four.meters["error"].value()
    assert int(four.samples) == 53


def explicit_mesh():
    """Four devices on an axis whose shardings are part of the types."""
    explicit = (jax.sharding.AxisType.Explicit,)
    return jax.make_mesh((4,), ("data",), axis_types=explicit)


def setting(mesh):
    """The context that newer and older JAX have for a mesh."""
    use = getattr(jax, "set_mesh", None) or jax.sharding.use_mesh
    return use(mesh)


def halve(state):
    return state.replace(lr=state.lr * 0.5)


def cross_entropy(output, target):
    """As conftest's; older JAX cannot scatter over explicit axes, its gradient."""
    return optax.softmax_cross_entropy(output, jax.nn.one_hot(target, 3))


@pytest.mark.devices(4)
@pytest.mark.slow
@pytest.mark.parametrize("jit", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("given", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["explicit", "auto"])
def test_inside_of_a_mesh_that_is_set_as_outside(problem, mesh, jit, given, kind):
    mesh = explicit_mesh() if kind == "explicit" else mesh
    hooks = tnt.chain(tnt.hooks.nan_guard(2), tnt.hooks.ema(0.5), tnt.every(3, halve))
    engine = tnt.SGDEngine(hooks)
    iterator = problem.iterator(policy="pad-last")
    job = problem.job(iterator=iterator, criterion=cross_entropy, max_epoch=1)
    expected = engine.train(**job, accumulate=2)
    with setting(mesh):
        job["params"] = jax.tree.map(jnp.zeros_like, problem.params)  # lie on the mesh
        how = {"mesh": mesh} if given else {}
        state = engine.train(**job, **how, accumulate=2, jit=jit)
        again = 1 * state.params["weight"] + jnp.ones((5, 3))
    np.testing.assert_allclose(
        np.asarray(again) - 1, expected.params["weight"], rtol=1e-4, atol=1e-6
    )
    assert float(state.lr) == float(expected.lr)


@pytest.mark.devices(4)
def test_a_test_inside_of_a_mesh_that_is_set(problem):
    mesh = explicit_mesh()
    engine = tnt.SGDEngine(METERING)
    params = {"weight": jnp.eye(5, 3), "bias": jnp.zeros(3)}
    job = {"network": network, "iterator": problem.iterator(), "params": params}
    one = engine.test(**job)
    with setting(mesh):
        four = engine.test(**job, mesh=mesh)
    assert one.meters["error"].value() == four.meters["error"].value()


@pytest.mark.devices(4)
@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize(
    ("shape", "names"),
    [((2, 2), ("data", "model")), ((4, 1), ("a", "b")), ((1,), ("x",))],
)
@pytest.mark.parametrize("kind", ["Explicit", "Auto"])
def test_inside_of_a_mesh_with_other_axes(problem, mesh, shape, names, kind, given):
    """Whichever axes are around it, a run has its own, and its State lies on these."""
    axis_types = (getattr(jax.sharding.AxisType, kind),) * len(shape)
    devices = np.array(jax.devices()[: np.prod(shape)]).reshape(shape)
    around = jax.sharding.Mesh(devices, names, axis_types=axis_types)
    job = problem.job(criterion=cross_entropy, mesh=mesh, max_epoch=1)
    job["network"] = lambda params, input: input @ params["weight"][:, :3]
    job["params"] = {"weight": np.zeros((5, 4), np.float32)}
    expected = tnt.SGDEngine().train(**job)
    with setting(around):
        if given:
            rows = jax.sharding.NamedSharding(around, PartitionSpec(None, names[-1]))
            job["params"] = jax.device_put(job["params"], rows)
        state = tnt.SGDEngine().train(**job)
    for name, value in expected.params.items():
        np.testing.assert_allclose(state.params[name], value, rtol=1e-4, atol=1e-6)
        assert state.params[name].sharding.mesh.axis_names == ("data",)


@pytest.mark.devices(4)
def test_a_divided_parameter_comes_back_divided_on_the_mesh_that_is_set(problem):
    mesh = explicit_mesh()
    params = {"weight": jnp.zeros((5, 4)), "bias": jnp.zeros(4)}

    def columns(path, leaf):
        return PartitionSpec(*[None] * (leaf.ndim - 1), "data")

    with setting(mesh):
        job = problem.job(params=params, mesh=mesh, shard=columns)
        state = tnt.SGDEngine().train(**job)
    assert state.params["weight"].sharding.mesh == mesh
    assert state.params["weight"].sharding.spec == PartitionSpec(None, "data")


@pytest.mark.devices(4)
def test_an_error_inside_of_a_mesh_that_is_set_carries_a_state_to_compute_with(problem):
    def fail(state):
        raise ValueError("on purpose")

    mesh = explicit_mesh()
    with setting(mesh):
        with pytest.raises(ValueError, match="on purpose") as caught:
            tnt.SGDEngine(tnt.every(3, fail)).train(**problem.job(mesh=mesh))
        weight = 2 * caught.value.state.params["weight"]
    assert np.any(weight)


@pytest.mark.devices(4)
@pytest.mark.slow
def test_a_second_axis_divides_parameters_only(problem):
    mesh = jax.make_mesh((2, 2), ("data", "model"))
    seen = []

    def shard(path, leaf):
        seen.append((path, leaf.shape))
        return PartitionSpec(None, "model") if path == "['weight']" else PartitionSpec()

    params = {"weight": jnp.zeros((5, 2)), "bias": jnp.zeros(2)}
    job = problem.job(params=params, mesh=mesh, shard=shard)
    job["criterion"] = lambda output, target: (output.sum(1) - target) ** 2
    state = tnt.SGDEngine().train(**job)
    assert {*seen} == {("['weight']", (5, 2)), ("['bias']", (2,))}
    assert state.params["weight"].sharding.spec == PartitionSpec(None, "model")
    assert state.params["bias"].sharding.is_fully_replicated


@pytest.mark.devices(4)
@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"mesh": 4}, TypeError, "mesh must be a jax.sharding.Mesh, got 4"),
        ({"shard": print}, ValueError, "pass mesh=... as well"),
        ({"data_axis": "batch"}, ValueError, r"\('data',\), got 'batch'"),
        ({"shard": lambda path, leaf: "data"}, TypeError, "'data' for .*'bias'"),
    ],
)
def test_bad_arguments(problem, mesh, how, error, words):
    given = how if words.startswith("pass") else {"mesh": mesh, **how}
    with pytest.raises(error, match=words):
        tnt.SGDEngine().train(**problem.job(**given))


@pytest.mark.devices(4)
@pytest.mark.parametrize("axis", ["model", "data"])
def test_a_shard_that_does_not_fit_names_the_parameter(problem, mesh, axis):
    """No such axis, or 3 classes for 4 devices."""
    job = problem.job(mesh=mesh, shard=lambda path, leaf: PartitionSpec(axis))
    with pytest.raises(ValueError) as caught:
        tnt.SGDEngine().train(**job)
    assert "This happened in shard, for ['bias'], float32[3]." in caught.value.__notes__


SCRIPT = """
import os, signal, sys
number, port, count, dies, epochs = (int(word) for word in sys.argv[1:6])
folder = sys.argv[6]
import jax
if count > 1:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    patience = {"heartbeat_timeout_seconds": 10} if dies else {}
    try:
        jax.distributed.initialize(f"localhost:{port}", count, number, **patience)
    except TypeError:  # the name of an older JAX
        jax.distributed.initialize(f"localhost:{port}", count, number)
import numpy as np
import optax
import tntjax as tnt

def network(params, input):
    return input.reshape(-1, 784) / 255.0 @ params["weight"]

def start(state):
    meters = {"loss": tnt.AverageValueMeter(), "error": tnt.ClassErrorMeter()}
    return state.replace(meters={**(state.meters or {}), **meters})

def measure(state):
    loss, error = state.meters["loss"], state.meters["error"]
    error = error.add(state.output, state.sample["target"])
    meters = {"loss": loss.add(state.loss), "error": error}
    return state.replace(meters={**state.meters, **meters})

def look(state):
    if dies and number == 1 and int(state.t) == 20:
        os.kill(os.getpid(), dies)

digits = tnt.vision.mnist_sample("train")
hooks = tnt.chain(
    tnt.Hooks(on_start=start, on_forward_criterion=measure), tnt.watch(20, look)
)
if folder:
    saved = tnt.hooks.checkpoint(folder + "/saved", 10, keep=2)
    hooks = tnt.chain(hooks, saved, tnt.hooks.record(folder + "/run.jsonl"))
state = tnt.OptimEngine(hooks).train(
    network=network,
    criterion=optax.softmax_cross_entropy_with_integer_labels,
    iterator=tnt.DatasetIterator(
        lambda epoch: tnt.BatchDataset(tnt.ShuffleDataset(digits, seed=epoch), 64)
    ),
    params={"weight": np.zeros((784, 10), np.float32)},
    optimizer=optax.sgd(0.1, momentum=0.9),
    max_epoch=epochs,
    resume=folder + "/saved" if folder else None,
    mesh=jax.make_mesh((count,), ("data",)),
    shard=lambda path, leaf: jax.sharding.PartitionSpec("data"),
)
parts = state.params["weight"].addressable_shards
weight = sum(float(abs(part.data).sum()) for part in parts)
loss, error = state.meters["loss"].value().mean, state.meters["error"].value()[1]
print("result", float(loss), float(error), int(state.samples), weight)
"""


def start_processes(count, dies=0, epochs=2, folder=""):
    with socket.socket() as sock:
        sock.bind(("localhost", 0))
        port = sock.getsockname()[1]
    environment = {**os.environ, "XLA_FLAGS": "", "JAX_PLATFORMS": "cpu"}
    return [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                SCRIPT,
                str(number),
                str(port),
                str(count),
                str(int(dies)),
                str(epochs),
                str(folder),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for number in range(count)
    ]


def results(processes):
    found = []
    for process in processes:
        output, errors = process.communicate(timeout=1200)
        assert process.returncode == 0, errors
        line = re.search(r"result (.*)", output)
        found.append([float(word) for word in line[1].split()])
    return found


@pytest.mark.slow
def test_two_processes_end_with_the_result_of_one():
    two, (one,) = start_processes(2), start_processes(1)
    first, second = results(two)
    alone = results([one])[0]
    assert first[:3] == second[:3]
    np.testing.assert_allclose(first[:3], alone[:3], rtol=1e-5)
    np.testing.assert_allclose(first[3] + second[3], alone[3], rtol=1e-4)


@pytest.mark.slow
def test_two_processes_that_go_on_from_a_checkpoint_write_each_row_once(tmp_path):
    pytest.importorskip("orbax.checkpoint")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    expected = results(start_processes(2, folder=whole))
    results(start_processes(2, folder=parts, epochs=1))
    assert results(start_processes(2, folder=parts)) == expected
    rows = [
        [json.loads(line) for line in (folder / "run.jsonl").read_text().splitlines()]
        for folder in (whole, parts)
    ]
    for row in (*rows[0], *rows[1]):
        assert row.pop("seconds") > 0
    assert [row["t"] for row in rows[1]] == [94, 188]
    assert rows[0] == rows[1]
    assert tnt.checkpoint.steps(parts / "saved") == [180, 188]


@pytest.mark.slow
def test_if_one_process_is_told_to_end_all_do_when_they_have_saved(tmp_path):
    pytest.importorskip("orbax.checkpoint")
    both = start_processes(2, dies=signal.SIGTERM, epochs=10_000, folder=tmp_path)
    with both[0], both[1]:
        try:
            for process in both:
                _, errors = process.communicate(timeout=1200)
                assert process.returncode == 128 + signal.SIGTERM, errors
        finally:
            for process in both:
                process.kill()
    last = tnt.checkpoint.steps(tmp_path / "saved")[-1]
    epochs = last // 94 + 1
    first, _ = results(start_processes(2, folder=tmp_path, epochs=epochs))
    assert first[2] == 6000 * epochs
    lines = (tmp_path / "run.jsonl").read_text().splitlines()
    assert [json.loads(line)["t"] for line in lines] == [
        *range(94, 94 * epochs + 1, 94)
    ]


@pytest.mark.slow
def test_if_one_process_dies_the_other_stops():
    survivor, victim = start_processes(2, dies=signal.SIGKILL)
    with survivor, victim:
        try:
            victim.communicate(timeout=1200)
            _, errors = survivor.communicate(timeout=1200)
        finally:
            survivor.kill()
            victim.kill()
    assert victim.returncode == -signal.SIGKILL
    assert survivor.returncode not in (0, -signal.SIGKILL)
    assert "rror" in errors
