"""Numbers in readable units."""

import pytest

from tntjax._summary._table import format_bytes, format_count


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "-"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (3 * 1024**3, "3.0 GiB"),
        (5 * 1024**7, "5120.0 EiB"),
    ],
)
def test_bytes(number, text):
    assert format_bytes(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "-"),
        (0, "0"),
        (999, "999"),
        (1000, "1.0 k"),
        (999_960, "1.0 M"),
        (13_025_920, "13.0 M"),
        (2.5e15, "2.5 P"),
    ],
)
def test_counts(number, text):
    assert format_count(number) == text
