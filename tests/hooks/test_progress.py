"""Progress: lines that say how far a run is, and a bar on a terminal."""

import errno
import io
import os
import re
import sys
import threading
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tests.engine.conftest import criterion, network
from tntjax.hooks import _bars
from tntjax.hooks._progress import _as_text, _as_time, _Part


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


def test_a_program_without_standard_error_shows_nothing(problem, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr", None)
    state = tnt.SGDEngine(tnt.hooks.progress()).train(**problem.job())
    assert state.epoch == 2 and capsys.readouterr().out == ""


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


def test_a_metered_loss_is_shown_once(problem):
    """The mean loss, which all have, is the mean of that meter, and not twice there."""
    data = problem.iterator()
    hooks = tnt.hooks.metering("loss"), tnt.hooks.validate(data), tnt.hooks.record()
    state, lines = run(problem, *hooks, max_epoch=1)
    losses = [f"{state.history[n][0]:.4g}" for n in ("loss", "validate.loss")]
    shown = "loss {}  validate.loss {}".format(*losses)
    assert lines[-1] == f"epoch 1 of 1  7 updates  TIME  {shown}"


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


def test_the_time_left_is_that_of_the_epoch(monkeypatch):
    now = iter([0.0, 10.0, 12.0, 14.0])
    clock = SimpleNamespace(perf_counter=now.__next__)
    monkeypatch.setattr("tntjax.hooks._progress.time", clock)
    part = _Part("epoch 3", tnt.State(iterator=range(20), samples=800, position=0))
    texts = [
        part.pace(tnt.State(samples=800 + 20 * done, position=done))
        for done in (1, 3, 5)
    ]
    assert texts == ["", "20 samples/s  17.0 s left", "20 samples/s  15.0 s left"]


def test_a_run_that_ends_in_the_middle_of_an_epoch(problem):
    _, lines = run(problem, max_epoch=None, max_steps=10)
    assert re.match(r"epoch 2  3 updates  TIME  loss", lines[-1])


def test_what_cannot_be_written_ends_no_training(problem):
    class Broken(io.StringIO):
        def write(self, text):
            raise BrokenPipeError("nobody reads")

    with pytest.warns(RuntimeWarning, match="progress misses rows, .* nobody reads"):
        hooks = tnt.hooks.progress(Broken())
        state = tnt.SGDEngine(hooks).train(**problem.job())
    assert int(state.epoch) == 2


def test_a_file_needs_nothing_but_write(problem):
    lines = []
    hooks = tnt.hooks.progress(SimpleNamespace(write=lines.append))
    tnt.SGDEngine(hooks).train(**problem.job())
    assert re.match(r"epoch 2 of 2  7 updates  .*\n", lines[-1])


def test_an_error_at_the_end_of_an_epoch_comes_after_its_line(problem):
    def fail(state):
        raise RuntimeError("enough")

    file = io.StringIO()
    hooks = tnt.chain(tnt.hooks.progress(file), tnt.Hooks(on_end_epoch=fail))
    with pytest.raises(RuntimeError, match="enough"):
        tnt.SGDEngine(hooks).train(**problem.job())
    assert "epoch 1 of 2  7 updates" in file.getvalue()


def test_a_hook_may_take_the_meters_away(problem):
    clear = tnt.Hooks(on_start=lambda state: state.replace(meters={}))
    hooks = tnt.chain(tnt.hooks.progress(io.StringIO()), clear)
    given = {"network": network, "criterion": criterion, "params": problem.params}
    assert not tnt.SGDEngine(hooks).test(**given, iterator=problem.iterator()).meters


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


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("rich", [True, False])
def test_a_terminal(problem, rich, monkeypatch):
    if rich:
        pytest.importorskip("rich")
    else:
        monkeypatch.setattr(_bars.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("TERM", "xterm")
    validate = tnt.hooks.validate(problem.iterator())
    file = Terminal()
    run(problem, validate, file=file, interval=0, max_epoch=1)
    text = file.getvalue()
    assert ("\x1b[" in text) is rich
    assert re.search(r"epoch 1 of 1  7 updates  .* validate.loss", text)
    if rich:
        assert text.count("\x1b[?25l") == text.count("\x1b[?25h") > 0  # the cursor


@pytest.mark.parametrize("after", [0, 3, 9])
def test_a_terminal_that_is_gone_ends_no_training(problem, after, monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")
    left = iter(range(after))

    class Gone(Terminal):
        def write(self, text):
            if next(left, None) is None:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return super().write(text)

    streams, validate = (sys.stdout, sys.stderr), tnt.hooks.validate(problem.iterator())
    with pytest.warns(RuntimeWarning, match="progress misses rows") as told:
        state, _ = run(problem, validate, file=Gone(), interval=0, max_epoch=2)
    assert state.t == 14 and len(told) == 1
    assert (sys.stdout, sys.stderr) == streams


def test_a_bar_starts_no_thread(problem, monkeypatch):
    """It would have to get a core, which the steps keep busy."""
    pytest.importorskip("rich")
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")  # which reads in line
    monkeypatch.setenv("TERM", "xterm")
    file = Terminal()
    started, start = [], threading.Thread.start
    monkeypatch.setattr(
        threading.Thread, "start", lambda self: (started.append(self), start(self))
    )
    run(problem, file=file, interval=0, max_epoch=1)
    assert "\x1b[" in file.getvalue() and not started


@pytest.mark.parametrize(("interval", "drawn"), [(3600, False), (0, True)])
def test_what_is_shorter_than_a_look_has_no_bar(problem, interval, drawn, monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")
    engine = tnt.SGDEngine(tnt.hooks.progress(file := Terminal(), interval))
    engine.train(**problem.job())  # where a bar may say that it compiles
    file.truncate(file.seek(0))
    engine.train(**problem.job())
    assert ("\x1b[" in file.getvalue()) is drawn
    assert file.getvalue().count("epoch 2 of 2  7 updates") == 1


def test_bars_of_one_inside_the_other_end_with_it(monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")
    bars = _bars.make_bars(file := Terminal(), 0)
    bars.begin("outer")
    bars.begin("inner")
    bars.show("inner", 1, 2, "half")
    bars.write("above :smile:")
    bars.end()
    bars.show("outer", 3, 4, "most")
    bars.end()
    text = file.getvalue()
    assert all(part in text for part in ("outer", "half", "most", "above :smile:"))
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    file.truncate(file.seek(0))
    bars.write("after [red]")
    assert file.getvalue() == "after [red]\n"


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
        (
            {"file": "log.txt"},
            TypeError,
            "progress needs an open file as file, got 'log",
        ),
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
    [
        (0.123456, "0.1235"),
        (3, "3"),
        (np.array([2.0, 1.0]), "1 to 2"),
        ("a", "a"),
        (np.array(["a", "b"]), "['a' 'b']"),
    ],
)
def test_values(value, text):
    assert _as_text(value) == text
