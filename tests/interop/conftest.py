"""Without the packages of the extra `interop` its tests are left out, but not in CI."""

import os
from importlib.util import find_spec

PACKAGES = ("array_record", "datasets", "grain", "torch")
MISSING = [name for name in PACKAGES if find_spec(name) is None]

if MISSING and not os.environ.get("TNTJAX_REQUIRE_EXTRAS"):
    collect_ignore_glob = ["sources.py", "test_our_datasets.py", "test_their_*.py"]
