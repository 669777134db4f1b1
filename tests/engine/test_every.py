"""What `every` may change, and how a run ends: `stop` and `max_steps`."""

import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt

PARAMS = {"weight": jnp.ones((5, 3)), "bias": jnp.ones(3)}


def changing(**changes):
    return lambda state: state.replace(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": max}, "state.network. An epoch goes on with .* on_start_epoch"),
        ({"criterion": max}, "state.criterion. An epoch goes on"),
        ({"iterator": None}, "state.iterator. An epoch goes on"),
        ({"epoch": 0}, "state.epoch. The engine counts it"),
        ({"t": 0}, "state.t. The engine counts it: .* in state.aux"),
        ({"samples": 0}, "state.samples. The engine counts it"),
        ({"position": 1.5}, "state.position. The engine counts it"),
        ({"training": False}, "state.training. The engine sets it"),
        ({"seconds": None}, "state.seconds. The engine measures it"),
        ({"loss": jnp.zeros(())}, "state.loss. The engine measures it"),
        ({"output": 1}, "state.output. It exists inside a step only"),
    ],
)
def test_what_every_may_not_change(problem, changes, words):
    hooks = tnt.Hooks(on_end_epoch=lambda s: s.replace(epoch=s.epoch))
    hooks = tnt.chain(hooks, tnt.every(9, changing(**changes)))
    with pytest.raises(TypeError, match=rf"of every\(9\) changed {words}") as caught:
        tnt.SGDEngine(hooks).train(**problem.job())
    assert "It may change params, opt_state" in str(caught.value)


def test_a_counter_of_the_same_value_is_no_change(problem):
    same = lambda s: s.replace(t=np.int64(s.t), samples=jnp.int32(s.samples))  # noqa: E731
    assert tnt.SGDEngine(tnt.every(3, same)).train(**problem.job()).t == 14


def test_what_every_changes_counts_at_once(problem):
    def change(state):
        return state.replace(params=PARAMS, lr=0.0) if state.t == 3 else state

    state = tnt.SGDEngine(tnt.every(3, change)).train(**problem.job())
    np.testing.assert_array_equal(state.params["weight"], 1)
    assert state.lr == 0


@pytest.mark.parametrize(
    ("field", "value", "t"),
    [("max_steps", 4, 4), ("max_steps", 2, 3), ("max_epoch", 1, 7)],
)
def test_every_may_change_the_end(problem, field, value, t):
    hooks = tnt.every(3, changing(**{field: value}))
    assert tnt.SGDEngine(hooks).train(**problem.job(max_epoch=3)).t == t


@pytest.mark.parametrize(
    ("event", "changes", "error", "words"),
    [
        ("on_start", {"t": 1.5}, TypeError, "on_start: state.t must be an integer"),
        ("on_end_epoch", {"epoch": -1}, ValueError, "state.epoch must be at least 0"),
        ("on_start_epoch", {"training": False}, TypeError, "The engine sets it"),
        ("on_start_epoch", {"network": 3}, TypeError, "network must be a function"),
        ("on_start_epoch", {"criterion": 3}, TypeError, "criterion must be a function"),
        ("on_start", {"iterator": []}, TypeError, "iterator must have run and chunks"),
    ],
)
def test_what_hooks_at_a_border_may_not_change(problem, event, changes, error, words):
    hooks = tnt.Hooks(**{event: changing(**changes)})
    with pytest.raises(error, match=words):
        tnt.SGDEngine(hooks).train(**problem.job())


# ---- the end of a run ---------------------------------------------------------------


def ends(hooks, problem, **how):
    """Where a run ended, and at how many updates `on_end_epoch` was fired."""
    fired = []
    note = tnt.Hooks(on_end_epoch=lambda s: fired.append((s.t, s.epoch)) or s)
    state = tnt.SGDEngine(tnt.chain(hooks, note)).train(**problem.job(**how))
    return (state.t, state.epoch, state.position), fired


@pytest.mark.parametrize("steps_per_call", [1, 3, "auto"])
def test_a_stop_on_the_last_update_ends_the_epoch(problem, steps_per_call):
    hooks = tnt.every(7, changing(stop=True))
    how = {"steps_per_call": steps_per_call, "max_epoch": 5}
    assert ends(hooks, problem, **how) == ((7, 1, 0), [(7, 1)])
    hooks = tnt.every(6, changing(stop=True))
    assert ends(hooks, problem, **how) == ((6, 0, 6), [])


def test_a_stop_in_an_iterator_that_reads_one_by_one(problem):
    read = []

    def load(index):
        read.append(index)
        if index == 5:
            raise OSError("of a sample that nobody wants")
        return {
            name: column[index : index + 8] for name, column in problem.data.items()
        }

    iterator = tnt.DatasetIterator(tnt.ListDataset(range(20), load))
    hooks = tnt.every(4, changing(stop=True))
    found = ends(hooks, problem, iterator=iterator, steps_per_call=8)
    assert found == ((4, 0, 4), [])
    assert read == [0, 1, 2, 3, 4]
    hooks = tnt.every(5, changing(stop=True))
    assert ends(hooks, problem, iterator=iterator)[0] == (5, 0, 5)


@pytest.mark.parametrize("steps_per_call", [1, 3, "auto"])
@pytest.mark.parametrize(
    ("max_steps", "max_epoch", "end", "fired"),
    [
        (0, None, (0, 0, 0), []),
        (5, None, (5, 0, 5), []),
        (7, None, (7, 1, 0), [(7, 1)]),
        (np.int64(17), None, (17, 2, 3), [(7, 1), (14, 2)]),
        (5, 3, (5, 0, 5), []),
        (40, 2, (14, 2, 0), [(7, 1), (14, 2)]),
    ],
)
def test_max_steps(problem, steps_per_call, max_steps, max_epoch, end, fired):
    how = {"max_steps": max_steps, "max_epoch": max_epoch}
    hooks = tnt.watch(2, lambda state: None)
    assert ends(hooks, problem, **how, steps_per_call=steps_per_call) == (end, fired)


def test_max_steps_is_checked(problem):
    with pytest.raises(ValueError, match="max_steps must be at least 0, got -1"):
        tnt.SGDEngine().train(**problem.job(max_steps=-1))
    with pytest.raises(TypeError, match="max_steps must be an integer, got 2.5"):
        tnt.SGDEngine().train(**problem.job(max_steps=2.5))


# ---- nothing to train on ------------------------------------------------------------


def batched(problem, size, **how):
    return tnt.DatasetIterator(tnt.BatchDataset(problem.dataset(), size, **how))


class Nothing:
    """A dataset of nobody's, which wraps another one."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return 0

    def __getitem__(self, index):
        raise IndexError(index)


NOTHING = {
    "list": (lambda p: tnt.DatasetIterator([]), "of type list, is empty: its len is 0"),
    "table": (
        lambda p: tnt.DatasetIterator(
            tnt.BatchDataset(tnt.TableDataset({"input": np.zeros((0, 5))}), 8)
        ),
        "The dataset, of type TableDataset, is empty",
    ),
    "skip-last": (
        lambda p: batched(p, 64, policy="skip-last"),
        "BatchDataset has 53 samples and batch_size=64, and policy='skip-last' .*"
        " batch_size of at most 53, or policy='include-last'",
    ),
    "filter": (
        lambda p: tnt.DatasetIterator(
            tnt.BatchDataset(p.dataset(), 8), filter=lambda sample: False
        ),
        "The filter of DatasetIterator drops everything of the 7 samples",
    ),
    "filter of batches": (
        lambda p: batched(p, 8, filter=lambda sample: False),
        "The filter of BatchDataset drops everything of the 7 samples",
    ),
    "rows": (
        lambda p: tnt.DatasetIterator(
            [{"input": np.zeros((0, 5)), "target": np.zeros(0, np.int32)}]
        ),
        "The 1 samples of list are arrays without a row",
    ),
    "epochs": (
        lambda p: p.over(p.dataset(), 54, policy="skip-last"),
        "epoch 0. BatchDataset has 53 samples and batch_size=54",
    ),
    "the same in each epoch": (
        lambda p: tnt.DatasetIterator(
            lambda: tnt.BatchDataset(p.dataset(), 54, policy="skip-last")
        ),
        "epoch 0. BatchDataset has 53 samples and batch_size=54",
    ),
    "by keyword": (
        lambda p: tnt.DatasetIterator(lambda *, epoch: [] if epoch == 0 else None),
        "of type list, is empty: its len is 0",
    ),
    "other": (
        lambda p: tnt.DatasetIterator(Nothing([1, 2])),
        "Nothing makes no sample of the 2 samples of list",
    ),
    "workers": (
        lambda p: tnt.ParallelDatasetIterator([], 1),
        "Look at what it iterates over",
    ),
}


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_to_train_on_says_why(problem, name):
    make, words = NOTHING[name]
    with pytest.raises(ValueError, match=f"nothing to train or test on: .*{words}"):
        tnt.SGDEngine().train(**problem.job(iterator=make(problem)))


def test_nothing_to_test_on_says_why(problem):
    job = problem.job(iterator=tnt.DatasetIterator([]))
    del job["lr"], job["max_epoch"]
    with pytest.raises(ValueError, match="nothing to train or test on"):
        tnt.SGDEngine().test(**job)


def test_a_later_epoch_may_not_be_empty_either(problem):
    source = lambda epoch: [*problem.iterator().run()] if epoch < 2 else []  # noqa: E731
    job = problem.job(iterator=tnt.DatasetIterator(source), max_epoch=5)
    with pytest.raises(ValueError, match="no sample in epoch 2") as caught:
        tnt.SGDEngine().train(**job)
    assert caught.value.state.t == 14


def test_the_end_of_an_epoch_is_not_mistaken_for_nothing(problem):
    job = problem.job(max_epoch=1)
    at_the_end = tnt.Hooks(on_start=lambda s: s.replace(t=7, position=7))
    state = tnt.SGDEngine(at_the_end).train(**job)
    assert (state.t, state.epoch, state.position) == (7, 1, 0)
