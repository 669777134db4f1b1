"""Settings that every test runs under: JAX on the CPU, repeatable hypothesis."""

import os

# Before anything imports jax, and only where nobody chose: `JAX_PLATFORMS=cuda pytest`.
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from hypothesis import settings

# The first example of a property pays for compiling, so a deadline measures nothing.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")
