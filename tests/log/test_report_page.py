"""What stands on a report, besides its curves."""

import base64
import hashlib
import re
import subprocess
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tests.log.reported import count, write_and_read
from tests.log.test_report_runs import ended

HISTORY = {"t": [10, 20, 30], "samples": [64, 128, 192], "loss": [3.0, 1.0, 2.0]}
EVIL = "<script>alert(1)</script>&\"'\x00\ud800"
SHOWN = "<script>alert(1)</script>&\"'\ufffd\ufffd"


@pytest.fixture(scope="module")
def states():
    """A State of training and one of a test, of members too."""

    def batches(epoch):
        return tnt.BatchDataset(tnt.ShuffleDataset(TABLE, seed=epoch), 10)

    engine = tnt.SGDEngine(
        tnt.hooks.metering(
            confusion=(
                tnt.ConfusionMeter(2),
                lambda state: (state.output, state.sample["target"]),
            )
        )
    )

    def run(params, **options):
        trained = engine.train(
            network=lambda params, input: input * params,
            criterion=lambda output, target: (output**2).mean(-1),
            iterator=tnt.DatasetIterator(batches),
            params=params,
            lr=0.25,
            max_epoch=1,
            **options,
        )
        tested = engine.test(
            network=trained.network,
            iterator=tnt.DatasetIterator(tnt.BatchDataset(TABLE, 10)),
            params=trained.params,
            **options,
        )
        return trained, tested

    return {"one": run(jnp.ones(2)), "members": run(jnp.ones((3, 2)), members=3)}


TABLE = tnt.TableDataset(
    {
        "input": np.arange(200, dtype=np.float32).reshape(100, 2) % 7,
        "target": np.arange(100) % 2,
    }
)


@pytest.mark.parametrize("where", ["name", "title", "key", "config", "classes"])
def test_text_is_shown_as_text(tmp_path, where):
    name, key = (EVIL if where == part else "plain" for part in ("name", "key"))
    run = {name: {"loss": [1.0, 2.0], key: [2.0, 1.0], "m": [np.eye(2)] * 2}}
    options = {
        "title": EVIL if where == "title" else "plain",
        "config": {EVIL: EVIL} if where == "config" else None,
        "classes": [EVIL, "b"] if where == "classes" else None,
    }
    page = write_and_read(tmp_path, run, **options)
    scripts = [attributes for tag, attributes in page.tags if tag == "script"]
    assert len(scripts) == 4
    assert where == "key" or SHOWN in page.text
    assert page.payload["runs"] == [name]


def test_the_page_asks_for_nothing_and_runs_its_own_scripts_alone(tmp_path):
    page = write_and_read(tmp_path, HISTORY)
    links = [a for _, a in page.tags if {"src", "href"} & a.keys()]
    assert links == [{"rel": "icon", "href": "data:,"}]
    assert count(r"url\(|@import", page.source) == 0
    rule = next(a["content"] for _, a in page.tags if "http-equiv" in a)
    own = re.findall(r"<script>(.*?)</script>", page.source, re.DOTALL)
    sums = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in own]
    assert rule == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src"
        f" 'sha256-{sums[0]}' 'sha256-{sums[1]}'"
    )


def test_the_licence_of_the_library_goes_with_it(tmp_path):
    page = write_and_read(tmp_path, HISTORY)
    assert "Copyright (c) 2022 Leon Sorokin" in page.source


def test_a_link_stays_one(tmp_path):
    (tmp_path / "there").mkdir()
    link, page = tmp_path / "page.html", tmp_path / "there" / "page.html"
    link.symlink_to(page)
    assert tnt.log.report(link, [{"t": 1, "loss": 0.5}]) == link
    assert link.is_symlink() and page.read_text().startswith("<!doctype html>")


def test_equal_runs_make_equal_pages_but_for_the_date(tmp_path):
    pages = [write_and_read(tmp_path, HISTORY).source for _ in range(2)]
    one, other = (re.sub("<time.*?</time>", "", page) for page in pages)
    assert one == other


def test_headings_and_tables_have_names(tmp_path):
    page = write_and_read(tmp_path, HISTORY, title="Of cats", config={"lr": 0.1})
    heads = [tag for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert heads == ["h1"] + 5 * ["h2"]
    assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")
    assert list(page.tables) == [
        "Runs",
        "Last, lowest and highest values",
        "Configuration",
        "Environment",
    ]


def test_the_last_lowest_and_highest_values(tmp_path):
    page = write_and_read(tmp_path, {**HISTORY, "once": [None, 5.0, None]})
    rows = page.tables["Last, lowest and highest values"]
    assert rows == [
        ["value", "last", "lowest", "at t", "highest", "at t"],
        ["loss", "2", "1", "20", "3", "10"],
        ["once", "5", "", "", "", ""],
    ]


def test_values_of_several_runs_stand_below_each_other(tmp_path):
    other = {"t": [1, 2], "loss": [0.25, np.nan], "x": [np.inf, -np.inf]}
    page = write_and_read(tmp_path, a={"t": [5, 6], "loss": [12345.6, 1e-7]}, b=other)
    assert page.tables["Last, lowest and highest values"][1:] == [
        ["loss", "a", "1e-07", "1e-07", "6", "12,346", "5"],
        ["loss", "b", "NaN", "0.25", "1", "0.25", "1"],
        ["x", "b", "\u2212\u221e", "", "", "", ""],
    ]


def test_of_members_the_values_of_each_are_listed(tmp_path):
    page = write_and_read(tmp_path, {"loss": [[9, 9, 9], [2.0, 1.0, 4.0]]})
    values = page.table("Last, lowest and highest values")
    assert values["loss"] == ["2 (median)", "1", "member 1", "4", "member 2"]
    assert page.tables["Last values of the members of run"] == [
        ["member", "loss"],
        ["member 0", "2"],
        ["member 1", "1"],
        ["member 2", "4"],
    ]


def test_of_very_many_members_the_first_are_listed(tmp_path):
    page = write_and_read(tmp_path, {"loss": np.ones((2, 300))})
    title = "Last values of the members of run, the first 256 of 300"
    assert len(page.tables[title]) == 257


def test_how_far_a_run_went_and_how_fast(tmp_path):
    page = write_and_read(
        tmp_path, {**HISTORY, "epoch": [1, 2, 3], "seconds": [1, 0.5, 0.5]}
    )
    assert page.tables["Runs"][0][1:4] == ["epochs", "updates", "samples"]
    assert page.table("Runs")["run"] == ["3", "30", "192", "2 s", "96"]


def test_the_pace_of_a_run_that_was_killed_is_that_of_epochs_with_a_time(tmp_path):
    run = {
        "epoch": [0, 1, 1, 2, 3, 3],
        "samples": [50, 100, 150, 200, 300, 320],
        "seconds": [None, None, None, 4.0, 2.0, None],  # killed in the first
    }
    seconds = tnt.Seconds(device=1.0)  # of the last program
    for given in (run, ended(history=run, seconds=seconds, samples=320)):
        assert write_and_read(tmp_path, given).table("Runs")["run"][3:] == ["6 s", "33"]
    later = {key: column[3:] for key, column in run.items()}  # epoch 1 is not there
    page = write_and_read(tmp_path, later)
    assert page.table("Runs")["run"][3:] == ["6 s", "50"]
    none = {**HISTORY, "seconds": [None] * 3}
    page = write_and_read(tmp_path, ended(history=none, seconds=seconds, samples=320))
    assert page.table("Runs")["run"][3:] == ["1 s", ""]


def test_where_the_time_went(tmp_path):
    seconds = tnt.Seconds(data=0.5, compile=1.0, dispatch=0.25, device=0.25, hooks=0)
    state = ended(history=HISTORY, seconds=seconds, compiled=3)
    page = write_and_read(tmp_path, state)
    names, spent = page.tables["Where the time went"]
    assert names[1:6] == ["data", "compile", "dispatch", "device", "hooks"]
    assert names[6:] == ["in all", "times a step was compiled"]
    assert spent[1:4] == ["0.5 s 25 %", "1 s 50 %", "0.25 s 12 %"]
    assert spent[-2:] == ["2 s", "3"]
    assert page.table("Runs")["run"][-2:] == ["2 s", "10"]


def test_confusion_matrices_of_meters(tmp_path, states):
    trained, tested = states["one"]
    page = write_and_read(tmp_path, trained=trained, tested=tested)
    title = (
        "Confusion matrix confusion of tested: rows are targets, columns predictions"
    )
    matrix = np.array(page.table(title)["0"][:2] + page.table(title)["1"][:2], int)
    assert matrix.tolist() == tested.meters["confusion"].value().ravel().tolist()
    assert count("Confusion matrix confusion of trained", page.text) == 1


def test_confusion_matrices_of_members(tmp_path, states):
    page = write_and_read(tmp_path, states["members"][1])
    values = page.table("Last, lowest and highest values")
    assert values["confusion.left_out"][:3] == ["0 (median)", "0", "member 0"]
    titles = [f"confusion, member {number}" for number in range(3)]
    assert [title for title in titles if f"<h3>{title}</h3>" in page.source] == titles


def test_a_matrix_that_was_recorded(tmp_path):
    page = write_and_read(
        tmp_path, {"m": [None, [[8, 2], [0, 0]]]}, classes=["cat", "dog"]
    )
    (title,) = (name for name in page.tables if name.startswith("Confusion matrix m"))
    assert page.tables[title] == [
        ["target \\ predicted", "cat", "dog", "found"],
        ["cat", "8", "2", "80.0 %"],
        ["dog", "0", "0", "0.0 %"],
    ]
    assert "80.00 % right" in page.text
    assert count('style="--s:0.80" class=dark>8', page.source) == 1


def test_an_empty_matrix(tmp_path):
    page = write_and_read(tmp_path, {"m": [np.zeros((2, 2))]})
    assert "nothing counted" in page.text


def test_large_matrices_are_shown_as_mistakes(tmp_path):
    matrix = np.eye(100, dtype=int) * 90
    matrix[3, 7], matrix[5, 3] = 30, 10
    page = write_and_read(tmp_path, {"m": [matrix]})
    assert not [name for name in page.tables if name.startswith("Confusion matrix")]
    assert page.tables["Most frequent mistakes in m"] == [
        ["target", "taken for", "count", "of the target"],
        ["3", "7", "30", "25.0 %"],
        ["5", "3", "10", "10.0 %"],
    ]


@pytest.mark.parametrize(
    "value", [[[1, 2]], [["a", "b"]] * 2, "text", np.ones((2, 3, 3))]
)
def test_what_is_not_a_matrix(tmp_path, value):
    page = write_and_read(tmp_path, {"m": [value]})
    assert "Confusion" not in page.text


def test_a_meter_of_classes_whose_value_is_not_a_matrix(tmp_path):
    class Strange:
        num_classes = 3

        def value(self):
            return np.eye(2)

    page = write_and_read(
        tmp_path, ended(history={"loss": [1]}, meters={"s": Strange()})
    )
    assert "Confusion" not in page.text


@pytest.mark.parametrize("classes", [["a"], ["a", "b", "c"]], ids=len)
def test_names_of_other_classes(tmp_path, classes):
    with pytest.raises(ValueError, match=r"must name the 2 classes .*, got [13]:"):
        write_and_read(tmp_path, {"m": [np.eye(2)]}, classes=classes)


@pytest.mark.parametrize("classes", ["ab", 2])
def test_classes_that_are_no_list(tmp_path, classes):
    with pytest.raises(TypeError, match=f"be a list of names, got {classes!r}"):
        write_and_read(tmp_path, {"m": [np.eye(2)]}, classes=classes)


def test_meters_are_shown_where_nothing_was_recorded(tmp_path):
    class Bare:
        """A meter without a summary."""

    class Two:
        def summary(self):
            return {"low": 1.5, "name": "x", "high": np.float32(2.5)}

    error = SimpleNamespace(summary=lambda: {"error": 12.5})
    state = ended(meters={"error": error, "two": Two(), "bare": Bare()})
    values = write_and_read(tmp_path, state).table("Last, lowest and highest values")
    assert {key: row[0] for key, row in values.items() if key != "value"} == {
        "error": "12.5",
        "two.low": "1.5",
        "two.high": "2.5",
    }


def test_the_configuration_of_all_runs(tmp_path):
    config = {"lr": jnp.float32(0.5), "model": {"width": 64, "act": "relu"}, "none": {}}
    page = write_and_read(tmp_path, a=HISTORY, b=HISTORY, config=config)
    assert page.tables["Configuration"] == [
        ["", "all runs"],
        ["lr", "0.5"],
        ["model.width", "64"],
        ["model.act", "relu"],
        ["none", "{}"],
    ]


def test_the_configuration_of_each_run(tmp_path):
    config = {"a": {"lr": 0.5, "seed": 1}, "b": {"lr": 0.25, "seed": 1}}
    page = write_and_read(tmp_path, a=HISTORY, b=HISTORY, config=config)
    assert page.table("Configuration") == {
        "": ["a", "b"],
        "lr": ["0.5", "0.25"],
        "seed": ["1", "1"],
    }
    marked = re.findall("<mark>(.*?)</mark>", page.source)
    assert marked == ["lr"]


def test_a_configuration_that_is_not_a_dict(tmp_path):
    with pytest.raises(TypeError, match=r"config must be a dict, such as vars\(args\)"):
        write_and_read(tmp_path, HISTORY, config=["lr", 0.1])


def test_what_a_state_tells_of_its_configuration(tmp_path, states):
    page = write_and_read(tmp_path, states["members"][0], config={"seed": 3})
    told = page.table("Configuration")
    assert told["seed"] == ["3"]
    assert told["max_epoch"] == ["1"]
    assert told["members"] == ["3"]
    assert told["parameters"] == ["6 in 1 arrays"]


def test_the_key_of_a_state(tmp_path):
    page = write_and_read(tmp_path, ended(history=HISTORY, key=jax.random.key(258)))
    assert page.table("Configuration")["key at the end"] == ["00000000 00000102"]


def test_the_data_of_a_state(tmp_path, states):
    told = write_and_read(tmp_path, states["one"][0]).table("Data")
    assert told["from the outside in"] == [
        "DatasetIterator \u2192 BatchDataset(10 samples, batch_size=10,"
        " policy='include-last') \u2192 ShuffleDataset(100 samples, replacement=False,"
        " seed=0) \u2192 TableDataset(100 samples)"
    ]
    assert told["one sample"] == ["{'input': float32[2], 'target': int64[]}"]
    assert re.fullmatch(
        r"[0-9a-f]{32}, the MD5 sum of 32 of 100 samples, evenly spaced \(0, 3, 6, ...,"
        r" 99\); a change in others is not seen",
        told["fingerprint"][0],
    )


@pytest.mark.parametrize(
    "make",
    [tnt.DatasetIterator, lambda batches: tnt.ParallelDatasetIterator(batches, 1)],
)
def test_the_seed_of_the_data(tmp_path, make):
    batches = tnt.shuffle_and_batch([{"x": np.zeros(2)}] * 5, 2, seed=77)
    state = ended(history=HISTORY, iterator=make(batches))
    told = write_and_read(tmp_path, state).table("Data")
    assert told["seed"] == ["77"]
    assert f"seed={77 << 32}" in told["from the outside in"][0]  # of the first order


def fingerprint(tmp_path, iterator):
    page = write_and_read(tmp_path, ended(history=HISTORY, iterator=iterator))
    return page.table("Data")["fingerprint"][0]


def test_the_fingerprint_is_that_of_the_data_and_not_of_its_order(tmp_path):
    samples = [{"x": np.full(2, n)} for n in range(5)]
    shuffled = tnt.DatasetIterator(tnt.ShuffleDataset(samples, seed=3))
    plain = fingerprint(tmp_path, tnt.DatasetIterator(samples))
    assert plain == "a23d9b0aa77146ab6d860b0750405761, the MD5 sum of all 5 samples"
    assert fingerprint(tmp_path, shuffled) == plain
    changed = [*samples[:-1], {"x": np.full(2, 9)}]
    assert fingerprint(tmp_path, tnt.DatasetIterator(changed)) != plain


def test_data_that_cannot_be_read_or_summed(tmp_path):
    class Broken:
        def __len__(self):
            return 3

        def __getitem__(self, index):
            raise RuntimeError("no such file")

    assert fingerprint(tmp_path, SimpleNamespace(source=Broken())) == (
        "none: RuntimeError: no such file"
    )
    strange = SimpleNamespace(closure=lambda epoch: [object()])
    assert "none: TypeError: md5 needs arrays" in fingerprint(tmp_path, strange)


@pytest.mark.parametrize(
    "source", [None, lambda: [1], lambda epoch: 3], ids=["none", "no epoch", "number"]
)
def test_iterators_that_tell_nothing_of_their_data(tmp_path, source):
    iterator = SimpleNamespace(source=source)
    page = write_and_read(tmp_path, ended(history=HISTORY, iterator=iterator))
    assert "Data" not in page.tables


def test_the_environment(tmp_path, states):
    told = write_and_read(tmp_path, states["one"][0]).table("Environment")
    assert told["tntjax"] == [tnt.__version__]
    assert told["jax"] == [jax.__version__]
    assert told["numpy"] == [np.__version__]
    kind = jax.devices()[0]
    assert told["devices"] == [f"1 \u00d7 {kind.device_kind} ({kind.platform})"]


def test_no_device_is_started_for_a_file(tmp_path):
    assert "devices" not in write_and_read(tmp_path, HISTORY).table("Environment")


def test_the_commit(tmp_path, monkeypatch):
    def git(*arguments):
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        command = ["git", "-C", str(folder), *who, *arguments]
        return subprocess.run(
            command, check=True, capture_output=True, text=True
        ).stdout

    (folder := tmp_path / "repository").mkdir()
    git("init")
    git("commit", "--allow-empty", "-m", "first")
    monkeypatch.chdir(folder)
    commit = git("rev-parse", "HEAD").strip()
    told = write_and_read(tmp_path, HISTORY).table("Environment")
    assert told["git"] == [f"{commit}, no changes"]
    (folder / "new.py").touch()
    told = write_and_read(tmp_path, HISTORY).table("Environment")
    assert told["git"] == [f"{commit}, 1 changed file"]


def test_without_a_repository_or_git_nothing_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert "git" not in write_and_read(tmp_path, HISTORY).table("Environment")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git" not in write_and_read(tmp_path, HISTORY).table("Environment")
