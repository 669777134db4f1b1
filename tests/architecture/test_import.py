"""What `import tntjax` does not do: start a device, load what is optional."""

import json
import os
import subprocess
import sys

NO_SUCH_PLATFORM = {"JAX_PLATFORMS": "none-such"}
"""With it every attempt to initialise a backend is an error."""

LOADED = "import json, sys; print(json.dumps([n.split('.')[0] for n in sys.modules]))"


def run(code: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def test_importing_initialises_no_backend():
    result = run("import tntjax", **NO_SUCH_PLATFORM)
    assert result.returncode == 0, (
        "Importing tntjax touched a device. Make arrays and read devices inside"
        f" functions only:\n{result.stderr}"
    )


def test_the_test_above_can_fail():
    result = run("import jax.numpy; jax.numpy.zeros(1)", **NO_SUCH_PLATFORM)
    assert result.returncode != 0
    assert "none-such" in result.stderr


def test_importing_loads_nothing_but_the_core():
    core = loaded_after("import jax, jax.numpy, numpy, optax")
    more = loaded_after("import tntjax") - core - sys.stdlib_module_names
    more -= {"tntjax", "__mp_main__"}  # multiprocessing's other name for __main__
    assert not more, f"Import {sorted(more)} inside the functions that need it."


def test_domains_are_imported_when_they_are_asked_for():
    domains = "[n for n in sys.modules if n in ('tntjax.speech', 'tntjax.vision')]"
    code = f"import sys, tntjax; print({domains}); tntjax.WERMeter; print({domains})"
    result = run(f"{code}; print('vision' in dir(tntjax), tntjax.vision.__name__)")
    before, after, named = result.stdout.splitlines()
    assert (before, after, named) == ("[]", "['tntjax.speech']", "True tntjax.vision")
    result = run("import tntjax; tntjax.visoin")
    assert "module 'tntjax' has no attribute 'visoin'" in result.stderr


def loaded_after(code: str) -> set[str]:
    result = run(f"{code}; {LOADED}")
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stdout))
