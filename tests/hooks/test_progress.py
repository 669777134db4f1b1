"""Progress: lines that say how far a run is, and a bar on a terminal."""

import io
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tests.engine.conftest import criterion, network
from tntjax.hooks import _bars
from tntjax.hooks._progress import _as_text, _as_time


def run(problem, *hooks, file=None, interval=None, **changes):
    file = io.StringIO() if file is None else file
    hooks = tnt.chain(*hooks, tnt.hooks.progress(file, interval))
    state = tnt.SGDEngine(hooks).train(**{**problem.job(), **changes})
    lines = file.getvalue().splitlines()
    return state, [re.sub(r"\d[\d.:]* (s|min)\b", "TIME", line) for line in lines]


def test_a_line_an_epoch(problem):
    state, lines = run(problem, tnt.hooks.record())
    first, second = (f"{loss:.4g}" for loss in state.history["loss"])
    assert lines == [
        "epoch 1 of 2  compiling ...",
        f"epoch 1 of 2  7 updates  TIME  loss {first}",
        f"epoch 2 of 2  7 updates  TIME  loss {second}",
    ]


def test_a_validation_is_shown_and_ends_the_line(problem):
    state, lines = run(
        problem,
        tnt.hooks.metering("error"),
        tnt.hooks.validate(problem.iterator()),
        tnt.hooks.record(),
        max_epoch=1,
    )
    history = state.history
    names = ("loss", "error", "validate.loss", "validate.error")
    numbers = "  ".join(f"{name} {history[name][0]:.4g}" for name in names)
    assert lines == [
        "epoch 1 of 1  compiling ...",
        "validation  compiling ...",
        f"epoch 1 of 1  7 updates  TIME  {numbers}",
    ]


def test_of_another_engine_what_it_measured_is_shown(problem):
    other = tnt.SGDEngine(tnt.hooks.metering("error"))
    validate = tnt.hooks.validate(other, problem.iterator(), score="error")
    hooks = tnt.chain(tnt.hooks.progress(file := io.StringIO()), validate)
    tnt.SGDEngine(hooks).train(**{**problem.job(), "max_epoch": 1})
    last = file.getvalue().splitlines()[-1]
    assert re.search(r"loss \S+  validate.error \S+$", last), last


def test_looks_in_between(problem):
    _, lines = run(problem, interval=0, max_epoch=1, steps_per_call=2)
    shown = [line for line in lines if " of 7 " in line and "compiling" not in line]
    assert [re.search(r"  (\d) of 7  ", line)[1] for line in shown] == list("2467")
    assert re.search(r"samples/s  TIME left  loss \S+$", shown[-1])


def test_a_test_is_shown(problem):
    file = io.StringIO()
    engine = tnt.SGDEngine(tnt.hooks.progress(file))
    given = {"network": network, "criterion": criterion, "params": problem.params}
    engine.test(**given, iterator=problem.iterator())
    lines = file.getvalue().splitlines()
    assert lines[0] == "test  compiling ..."
    assert re.fullmatch(r"test  7 batches  \S+ s  loss 1.099", lines[1])


def test_without_a_known_end(problem):
    class Endless:
        def run(self, epoch=0, start=0):
            return problem.iterator().run(epoch, start)

        def chunks(self, epoch, start, room):
            return problem.iterator().chunks(epoch, start, room)

    _, lines = run(problem, interval=0, iterator=Endless(), max_epoch=None, max_steps=3)
    assert any(line.startswith("epoch 1  3  ") for line in lines)


def test_an_error_leaves_nothing_behind(problem):
    def fail(state):
        raise RuntimeError("enough")

    hooks = tnt.chain(tnt.every(3, fail), tnt.hooks.progress(io.StringIO()))
    engine = tnt.SGDEngine(hooks)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="enough"):
            engine.train(**problem.job())


@pytest.mark.parametrize(("members", "shown"), [(2, True), (17, False)])
def test_many_members(problem, members, shown):
    params = jax.tree.map(lambda leaf: jnp.stack([leaf] * members), problem.params)
    given = {"params": params, "members": members, "max_epoch": 1, "interval": 0}
    lr = np.linspace(0.1, 0.2, members)
    _, lines = run(problem, tnt.hooks.metering("error"), lr=lr, **given)
    assert re.search(r"loss \S+ to \S+  error \S+ to \S+$", lines[-1])
    looks = [line for line in lines if " of 7 " in line and "compiling" not in line]
    assert ["error" in line for line in looks] == [shown] * len(looks)


@pytest.mark.parametrize("rich", [True, False])
def test_a_terminal(problem, rich, monkeypatch):
    if rich:
        pytest.importorskip("rich")
    else:
        monkeypatch.setattr(_bars.importlib.util, "find_spec", lambda name: None)

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    validate = tnt.hooks.validate(problem.iterator())
    file = Terminal()
    run(problem, validate, file=file, interval=0, max_epoch=1)
    text = file.getvalue()
    assert ("\x1b[" in text) is rich
    assert re.search(r"epoch 1 of 1  7 updates  .* validate.loss", text)
    if rich:
        assert text.count("\x1b[?25l") == text.count("\x1b[?25h") > 0  # the cursor


def test_it_waits_for_nothing_and_transfers_when_it_looks(problem, monkeypatch):
    from tntjax.engine import _watching

    reads, waits = [], []
    read, wait = _watching.read_on_host, jax.block_until_ready
    monkeypatch.setattr(
        _watching, "read_on_host", lambda *a: (reads.append(1), read(*a))[1]
    )
    monkeypatch.setattr(
        jax, "block_until_ready", lambda x: (waits.append(1), wait(x))[1]
    )
    given = {**problem.job(), "steps_per_call": 1}
    tnt.SGDEngine().train(**given)
    alone = len(waits)
    run(problem, interval=1e6, steps_per_call=1)
    assert len(reads) == 0 and len(waits) == 2 * alone
    run(problem, interval=0, steps_per_call=1)
    assert len(reads) == 14 and len(waits) == 3 * alone


def test_nothing_is_compiled_anew(problem):
    def network_(params, input):
        return network(params, input)

    _, first = run(problem, network=network_)
    _, second = run(problem, network=network_)
    assert [("compiling" in lines[0]) for lines in (first, second)] == [True, False]


def test_standard_error_by_default(problem, capsys):
    tnt.SGDEngine(tnt.hooks.progress()).train(**problem.job())
    shown = capsys.readouterr()
    assert "epoch 2 of 2" in shown.err and not shown.out


def test_only_the_first_process_shows(problem, monkeypatch, capsys):
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    tnt.SGDEngine(tnt.hooks.progress(sys.stdout)).train(**problem.job())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"file": "log.txt"}, TypeError, "progress needs an open file, got 'log.txt'"),
        ({"interval": "1"}, TypeError, "progress: interval"),
        ({"interval": -1}, ValueError, "interval must be >= 0, got -1"),
    ],
)
def test_arguments_are_checked(given, error, words):
    with pytest.raises(error, match=words):
        tnt.hooks.progress(**given)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.21, "3.2 s"), (125, "2:05 min"), (3725, "1:02:05 h")],
)
def test_times(seconds, text):
    assert _as_time(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.123456, "0.1235"), (3, "3"), (np.array([2.0, 1.0]), "1 to 2"), ("a", "a")],
)
def test_values(value, text):
    assert _as_text(value) == text
