"""profile: which steps are traced, and that the trace always ends."""

import jax
import pytest

import tntjax as tnt
from tntjax.hooks import profile


@pytest.fixture
def calls(monkeypatch, problem):
    """What was asked of JAX's profiler."""
    calls = []
    start = lambda directory: calls.append(directory)  # noqa: E731
    monkeypatch.setattr(jax.profiler, "start_trace", start)
    monkeypatch.setattr(jax.profiler, "stop_trace", lambda: calls.append("stop"))
    return calls


@pytest.mark.slow
@pytest.mark.parametrize("steps_per_call", [1, 3, "auto"])
@pytest.mark.parametrize(
    ("first", "steps", "seen"),
    [
        (0, 3, (0, 3)),
        (2, 1, (2, 3)),
        (5, 4, (5, 9)),
        (7, 7, (7, 14)),
        (12, 9, (12, 14)),
    ],
)
def test_the_trace_is_of_the_chosen_steps(
    problem, calls, steps_per_call, first, steps, seen
):
    def note(state):
        calls.append(int(state.t))
        return state

    hooks = tnt.chain(tnt.every(1, note), profile("/there", first, steps))
    tnt.SGDEngine(hooks).train(**problem.job(), steps_per_call=steps_per_call)
    start, stop = calls.index("/there"), calls.index("stop")
    assert [call for call in calls if isinstance(call, str)] == ["/there", "stop"]
    assert calls[start + 1 : stop] == list(range(seen[0] + 1, seen[1] + 1))


def test_calls_end_there_and_only_there(problem, calls):
    lengths = []
    network = problem.job()["network"]

    class Iterator:
        def __init__(self, inner):
            self.inner, self.run = inner, inner.run

        def chunks(self, *arguments):
            for chunk in self.inner.chunks(*arguments):
                lengths.append(len(chunk))
                yield chunk

    job = problem.job(iterator=Iterator(problem.iterator(3)), max_epoch=1)
    tnt.SGDEngine(profile("/there", 4, 6)).train(**{**job, "network": network})
    assert lengths == [4, 6, 7, 1]  # 17 batches of 3 and one of 2


def test_an_interrupted_run_stops_the_trace(problem, calls):
    def interrupt(state):
        raise KeyboardInterrupt

    hooks = tnt.chain(profile("/there", 2, 100), tnt.every(4, interrupt))
    with pytest.raises(KeyboardInterrupt):
        tnt.SGDEngine(hooks).train(**problem.job())
    assert calls == ["/there", "stop"]


@pytest.mark.slow
def test_the_trace_of_a_run_that_failed_ends_with_it(problem, calls):
    def fail(state):
        raise OSError("disk")

    part = profile("/there", 2, 4)
    with pytest.raises(OSError, match="disk"):
        tnt.SGDEngine(tnt.chain(part, tnt.every(3, fail))).train(**problem.job())
    assert calls == ["/there", "stop"]
    tnt.SGDEngine(part).train(**problem.job())
    assert calls == ["/there", "stop", "/there", "stop"]


def test_a_real_trace_is_written(problem, tmp_path):
    tnt.SGDEngine(profile(tmp_path, 2, 3)).train(**problem.job())
    assert list(tmp_path.rglob("*.xplane.pb"))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((-1, 1), ValueError, "first must be at least 0, got -1"),
        ((0, 0), ValueError, "steps must be at least 1, got 0"),
        ((0, 1.5), TypeError, "steps must be an integer, got 1.5"),
    ],
)
def test_bad_arguments(arguments, error, words):
    with pytest.raises(error, match=words):
        profile("/there", *arguments)
