"""Signals of the tests: computed ones, and recordings of Debian packages."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.required import require

LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")


@pytest.fixture(scope="session")
def librivox() -> Path:
    """A folder of five utterances of LibriVox, 16 kHz, with their transcription."""
    return require(LIBRIVOX, "pocketsphinx-testdata")


@pytest.fixture(scope="session")
def prompts() -> Path:
    """A folder of spoken prompts, 48 kHz."""
    return require("/usr/share/sounds/alsa", "alsa-utils")


@pytest.fixture(scope="session")
def flite() -> Path:
    """A speech synthesizer that prints when its phones end."""
    return require("/usr/bin/flite", "flite")


@pytest.fixture(scope="session")
def golden() -> dict:
    """Values that other libraries computed; the file has a note on how."""
    path = Path(__file__).with_name("golden.json")
    return json.loads(path.read_text("utf-8"))


@pytest.fixture(scope="session")
def signal():
    """A tone that rises, swells and has a little noise: `signal(samples, rate)`."""

    def make(count: int = 8000, rate: int = 16000) -> np.ndarray:
        steps = np.arange(count)
        t = steps / rate
        swell = 0.6 + 0.4 * np.cos(2 * np.pi * 3 * t)
        tone = 0.4 * np.sin(2 * np.pi * (200 * t + 1500 * t * t)) * swell
        noise = 0.02 * ((steps * 7919 % 10007) / 10007 - 0.5)
        return (tone + noise).astype(np.float32)

    return make
