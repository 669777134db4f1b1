"""The way from `train` to a hook is short, so that a traceback can be read."""

import sys
from pathlib import Path

import pytest

import tntjax as tnt

PACKAGE = Path(tnt.__file__).parent
EVENTS = ("on_sample", "on_forward_criterion", "on_backward", "on_update")


def frames():
    """The frames of tntjax from a hook up to the method of the engine."""
    found, frame = [], sys._getframe(2)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(PACKAGE):
            found.append(f"{path.name}:{frame.f_code.co_name}")
        frame = frame.f_back
    return found[:-1]  # without the method


@pytest.mark.parametrize("event", EVENTS)
def test_few_frames_are_between_train_and_a_compiled_hook(problem, event):
    seen = []

    def hook(state):
        seen.append(frames())
        return state

    tnt.SGDEngine(tnt.Hooks(**{event: hook})).train(**problem.job(max_epoch=1))
    for found in seen:
        assert len(found) <= 8, found
        assert len({frame.split(":")[0] for frame in found}) <= 6
