"""BudgetDataset: batches of graphs in one shape, from which the graphs come back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tntjax as tnt

BUDGETS = {"node": 12, "edge": 20, "graph": 4}
FIELDS = {"x": "node", "from": "edge", "to": "edge", "y": "graph"}
OFFSETS = {"from": "node", "to": "node"}


def measure(graph):
    return {"node": len(graph["x"]), "edge": len(graph["to"])}


def draw_graph(sizes, seed):
    nodes, edges = sizes
    generator = np.random.default_rng(seed)
    return {
        "x": generator.normal(size=(nodes, 2)).astype(np.float32),
        "from": generator.integers(nodes, size=edges),
        "to": generator.integers(nodes, size=edges),
        "y": seed,
    }


def make_graphs(sizes):
    return [draw_graph(size, number) for number, size in enumerate(sizes)]


@jax.jit
def pass_messages(batch):
    """Sums over neighbours, and these over each graph: [graphs, 2]."""
    into = jnp.zeros_like(batch["x"]).at[batch["to"]].add(batch["x"][batch["from"]])
    return jax.ops.segment_sum(into, batch["segment"]["node"], BUDGETS["graph"])


sizes = st.lists(st.tuples(st.integers(1, 12), st.integers(0, 20)), min_size=1)


@settings(max_examples=30)
@given(sizes, st.one_of(st.none(), st.integers(0, 3)))
def test_a_batch_computes_what_its_graphs_do_alone(sizes, seed):
    graphs = make_graphs(sizes)
    dataset = tnt.BudgetDataset(graphs, BUDGETS, measure, FIELDS, OFFSETS, seed=seed)
    found = []
    for batch in dataset:
        assert batch["x"].shape == (12, 2) and batch["to"].shape == (20,)
        sums = pass_messages(batch)
        there = batch["mask"]
        for number, total in zip(batch["y"][there], sums[there], strict=True):
            graph = graphs[number]
            alone = graph["x"][graph["from"]].sum(0)
            np.testing.assert_allclose(total, alone, atol=1e-4)
            found.append(int(number))
    assert sorted(found) == list(range(len(graphs)))


def test_a_batch_is_filled_until_the_next_goes_beyond_one_budget():
    graphs = make_graphs([(6, 1), (6, 1), (1, 1), (1, 19), (1, 1), *[(1, 0)] * 4])
    dataset = tnt.BudgetDataset(graphs, BUDGETS, measure, FIELDS)
    assert list(dataset.plan) == [[0, 1], [2, 3], [4, 5, 6, 7], [8]]
    assert dataset.shapes == ((12, 20, 4),)


@settings(max_examples=30)
@given(sizes, st.integers(1, 4))
def test_batches_are_those_that_are_filled_sample_by_sample(sizes, most):
    nodes, edges = np.array(sizes).T
    budgets = {"node": 12, "edge": 20, "graph": most}
    graphs, told = [{"x": ()}] * len(sizes), {"node": nodes, "edge": edges}
    dataset = tnt.BudgetDataset(graphs, budgets, told, {"x": "node"})
    expected = [[]]
    for number in range(len(sizes)):
        batch = [*expected[-1], number]
        if nodes[batch].sum() > 12 or edges[batch].sum() > 20 or len(batch) > most:
            expected.append([])
        expected[-1].append(number)
    assert list(dataset.plan) == expected


def test_tokens_alone_may_be_a_budget():
    texts = [{"ids": np.arange(n)} for n in (3, 2, 4)]
    size = {"token": [3, 2, 4]}
    dataset = tnt.BudgetDataset(texts, {"token": 6}, size, {"ids": "token"})
    assert [b["ids"].tolist() for b in dataset] == [
        [0, 1, 2, 0, 1, 0],
        [0, 1, 2, 3, 0, 0],
    ]
    assert dataset[1]["mask"].tolist() == [True] * 4 + [False] * 2
    segment = dataset[0]["segment"]["token"]
    assert jax.ops.segment_sum(jnp.ones(6), segment, 2).tolist() == [3, 2]
    mixed = tnt.BudgetDataset(texts, {"token": 6}, size, {"ids": "token"}, seed=0)
    orders = {str(list(mixed.at_epoch(epoch).plan)) for epoch in range(6)}
    assert len(orders) > 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"budgets": {**BUDGETS, "node": 2}}, "'node': sample 0 has length 3.*for 2"),
        ({"budgets": {**BUDGETS, "node": 0}}, "'node' must be at least 1"),
        ({"fields": {"x": "vertex"}}, r"go by budgets \['node', .*got.*'vertex'"),
        ({"offsets": {"to": 1}}, r"go by budgets \['node', .*got .1, 'edge'"),
        ({"fields": {"mask": "node"}}, r"makes fields \['mask'\]. Rename"),
        ({"size_of": lambda s: {"size": 3}}, r"tells \['size'\], for which"),
    ],
)
def test_bad_arguments_are_told(changes, words):
    job = {"budgets": BUDGETS, "size_of": measure, "fields": FIELDS, **changes}
    with pytest.raises(ValueError, match=words):
        tnt.BudgetDataset(make_graphs([(3, 1)]), **job)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"budgets": None}, TypeError, "needs budgets, a dict, got None"),
        ({"fields": ["x"]}, TypeError, r"needs fields, a dict, got \['x'\]"),
        ({"size_of": None}, TypeError, "a function, or columns, a dict, got None"),
        ({"size_of": lambda s: 3}, TypeError, "the sizes of a sample, a dict, got 3"),
        ({"dataset": []}, ValueError, "the dataset is empty"),
        ({"offsets": {"z": "node"}}, ValueError, r"offsets of \['z'\], not in fields"),
    ],
)
def test_arguments_of_another_kind_are_told(changes, error, words):
    job = {"dataset": make_graphs([(3, 1)]), "budgets": BUDGETS, "size_of": measure}
    with pytest.raises(error, match=words):
        tnt.BudgetDataset(**{**job, "fields": FIELDS, **changes})


@pytest.mark.parametrize(
    ("graph", "error", "words"),
    [
        ({"from": [3]}, ValueError, "'from' has numbers of 'node'.* has 3, got 3"),
        ({"from": [-1]}, ValueError, "has 3, got -1"),
        ({"from": [0.5]}, TypeError, r"needs integers, got float64\[1\]"),
        ({"y": [1, 2]}, ValueError, "Only the first axis may differ"),
    ],
)
def test_numbers_of_nodes_that_a_graph_lacks_are_told(graph, error, words):
    graphs = [*make_graphs([(3, 1)]), {**draw_graph((3, 1), 1), **graph}]
    with pytest.raises(error, match=words):
        tnt.BudgetDataset(graphs, BUDGETS, measure, FIELDS, OFFSETS)[0]


def test_budgets_and_sizes_may_be_of_narrow_dtypes():
    graphs = make_graphs([(3, 1), (2, 2), (12, 20)])
    sizes = {
        "node": np.array([3, 2, 12], np.uint64),
        "edge": np.array([1, 2, 20], np.int8),
    }
    narrow = {count: np.uint8(budget) for count, budget in BUDGETS.items()}
    dataset = tnt.BudgetDataset(
        graphs, narrow, sizes, FIELDS, OFFSETS, seed=jnp.array(0)
    )
    assert dataset.shapes == ((12, 20, 4),) and len(dataset) == 2


def test_a_wrong_size_is_told():
    wrong = {"node": [3], "edge": [2]}
    dataset = tnt.BudgetDataset(make_graphs([(3, 1)]), BUDGETS, wrong, FIELDS)
    with pytest.raises(ValueError, match=r"'from' is .*\[1\], but size_of tells 2"):
        dataset[0]
