"""Settings that every test runs under: JAX on four CPUs, repeatable hypothesis."""

import os
import signal
from importlib.metadata import version

# Before anything imports jax, and only where nobody chose: `JAX_PLATFORMS=cuda pytest`.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Beside an accelerator a CPU counts operations; its memory is for processes that tests
# start as well, and by default it multiplies float32 in fewer bits.
os.environ.update(
    {
        "JAX_PLATFORMS": os.environ["JAX_PLATFORMS"].removesuffix(",cpu") + ",cpu",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "JAX_DEFAULT_MATMUL_PRECISION": "highest",
    }
    if os.environ["JAX_PLATFORMS"] not in ("", "cpu")
    else {}
)
# One CPU as four devices, so that a mesh can be had; without one all runs on the first.
# A CPU optimizes nothing: most of the time goes to compiling what then runs once. Its
# older code generator, which JAX 0.11 drops, takes a third of the time for it.
os.environ["XLA_FLAGS"] = " ".join(
    [
        os.environ.get("XLA_FLAGS", ""),
        "--xla_force_host_platform_device_count=4",
        "--xla_backend_optimization_level=0" * (os.environ["JAX_PLATFORMS"] == "cpu"),
        "--xla_cpu_parallel_codegen_split_count=1",
        # A GPU would take the kernels that are fastest at the moment, others each time.
        "--xla_gpu_autotune_level=0",
        "--xla_cpu_use_fusion_emitters=false"
        * ([int(part) for part in version("jaxlib").split(".")[:2]] < [0, 11]),
    ]
)

import jax
import pytest
from hypothesis import HealthCheck, settings

# A shell starts what is in its background with Ctrl-C ignored, and what that starts
# ignores it too. Tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No test depends on how fast the machine is; the first example pays for compiling, too.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("local", patient)
settings.register_profile("ci", patient, derandomize=True, print_blob=True)
settings.register_profile("few", settings.get_profile("ci"), max_examples=20)
profile = "ci" if os.environ.get("CI") else "local"
settings.load_profile(os.environ.get("TNTJAX_HYPOTHESIS_PROFILE", profile))


def pytest_configure(config):
    """Keeps what is compiled in pytest's cache, for other modules, workers and runs."""
    if hasattr(config, "cache"):  # unless -p no:cacheprovider
        folder = config.cache.mkdir("compiled")
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        # Another process may just be writing what is read, or was killed at it: then it
        # is compiled here as well.
        ignored = "ignore:Error (reading|writing) persistent compilation cache entry"
        config.addinivalue_line("filterwarnings", ignored)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leaves out what is marked as needing more devices than there are, and says so."""
    for mark in item.iter_markers("devices"):
        there, (needed,) = jax.devices(), mark.args
        if len(there) < needed:
            kind = f"{len(there)} {there[0].platform}"
            pytest.skip(f"needs {needed} devices, here is {kind}: JAX_PLATFORMS=cpu")


@pytest.fixture(autouse=True, scope="module")
def nothing_compiled_is_kept():
    """Gives memory back: some thousand programs are more than a process may map.

    What is needed again comes from pytest's cache.
    """
    yield
    jax.clear_caches()
