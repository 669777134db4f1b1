"""Says so where the other tests of this folder are left out."""

import pytest


@pytest.mark.parametrize("name", ["array_record", "datasets", "grain", "torch"])
def test_is_installed(name):
    pytest.importorskip(name, reason='needs pip install "tntjax[interop]"')
