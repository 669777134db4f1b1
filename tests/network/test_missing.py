"""What is said where a library is not installed."""

import sys

import pytest

import tntjax as tnt


@pytest.mark.parametrize(
    ("adapter", "package", "extra"),
    [
        ("linen", "flax.linen", "flax"),
        ("nnx", "flax.nnx", "flax"),
        ("equinox", "equinox", "equinox"),
        ("haiku", "haiku", "haiku"),
    ],
)
def test_the_error_names_the_extra(monkeypatch, adapter, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    arguments = {"linen": (None, {}), "haiku": (None, {})}.get(adapter, (None,))
    with pytest.raises(ImportError) as caught:
        getattr(tnt.network, adapter)(*arguments)
    assert str(caught.value) == (
        f'tnt.network.{adapter} needs {package}: pip install "tntjax[{extra}]".'
    )
