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
    code = f"import jax, jax.numpy, numpy, optax; {LOADED}; import tntjax; {LOADED}"
    core, all_of_it = map(set, map(json.loads, run(code).stdout.splitlines()))
    more = all_of_it - core - sys.stdlib_module_names
    assert "tntjax" in more
    more -= {"tntjax", "__mp_main__"}  # multiprocessing's other name for __main__
    assert not more, f"Import {sorted(more)} inside the functions that need it."


def test_domains_are_imported_when_they_are_asked_for():
    domains = "[n for n in sys.modules if n in ('tntjax.speech', 'tntjax.vision')]"
    code = f"import sys, tntjax; print({domains}); tntjax.WERMeter; print({domains})"
    named = "print('vision' in dir(tntjax), tntjax.vision.__name__)"
    result = run(f"{code}; {named}; tntjax.visoin")
    before, after, names = result.stdout.splitlines()
    assert (before, after, names) == ("[]", "['tntjax.speech']", "True tntjax.vision")
    assert "module 'tntjax' has no attribute 'visoin'" in result.stderr
