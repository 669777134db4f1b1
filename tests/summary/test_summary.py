"""What a network is made of and costs: as text, as HTML, in numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding, PartitionSpec

import tntjax as tnt

shape = jax.ShapeDtypeStruct
HIDDEN = {"bias": shape((128,), "float32"), "weight": shape((784, 128), "float32")}
OUTPUT = {"bias": shape((10,), "float32"), "weight": shape((128, 10), "float32")}
PARAMS = {"hidden": HIDDEN, "output": OUTPUT}
INPUT = shape((64, 784), "float32")
STEP = {
    "target": shape((64,), "int32"),
    "criterion": optax.softmax_cross_entropy_with_integer_labels,
}
MATMULS = 2 * 64 * (784 * 128 + 128 * 10)
"""FLOPs of both layers forward: a product and a sum for each weight and example."""


def network(params, input):
    hidden, output = params["hidden"], params["output"]
    active = jax.nn.relu(input @ hidden["weight"] + hidden["bias"])
    return active @ output["weight"] + output["bias"]


def linear(params, input):
    return input @ params


@pytest.fixture(scope="module")
def trained():
    """The summary of an MLP with a train step of Adam."""
    return tnt.summary(network, PARAMS, INPUT, optimizer=optax.adam(1e-3), **STEP)


def test_the_text_of_a_network_alone():
    assert str(tnt.summary(network, PARAMS)) == (
        """\
parameters     array         numbers    share      bytes
hidden/bias    f32[128]          128    0.1 %      512 B
hidden/weight  f32[784,128]  100,352   98.6 %  392.0 KiB
output/bias    f32[10]            10    0.0 %       40 B
output/weight  f32[128,10]     1,280    1.3 %    5.0 KiB
total          4 arrays      101,770  100.0 %  397.5 KiB

Pass input=, a batch or its shapes, to see what the network costs to run."""
    )


def test_the_text_with_a_forward_pass():
    assert str(tnt.summary(network, PARAMS, INPUT, depth=1)) == (
        """\
f32[64,784] -> f32[64,10]

parameters  array     numbers    share      bytes
hidden      2 arrays  100,480   98.7 %  392.5 KiB
output      2 arrays    1,290    1.3 %    5.0 KiB
total       4 arrays  101,770  100.0 %  397.5 KiB

               FLOPs   accessed     memory  arguments  outputs  temporaries
forward pass  13.0 M  729.0 KiB  628.0 KiB  593.5 KiB  2.5 KiB     32.0 KiB

Pass criterion= and target= to see what a train step costs."""
    )


def test_a_train_step_is_the_last_line_of_the_costs(trained):
    lines = str(trained).splitlines()
    assert [line[:12] for line in lines[-3:]] == [
        " " * 12,
        "forward pass",
        "train step  ",
    ]


def test_without_an_optimizer_it_says_whose_step_it_is():
    text = str(tnt.summary(linear, jnp.ones((2, 1)), jnp.ones((4, 2)), **linear_step()))
    assert text.endswith(
        "The train step is that of SGDEngine; pass optimizer= for another."
    )


def linear_step():
    """What belongs to a train step of `linear` on four rows."""
    return {"target": jnp.ones((4, 1)), "criterion": lambda o, t: ((o - t) ** 2).mean()}


def test_flops_of_a_forward_pass_are_the_matrix_products(trained):
    # Adding the bias is one each, and so is the larger of two numbers, a relu.
    others = 64 * (128 + 128 + 10)
    assert trained.costs["forward pass"].flops == MATMULS + others


def test_flops_of_a_train_step_are_the_products_forward_and_back(trained):
    # Back, each layer multiplies once for its weights, and all but the first once more
    # for its input. Of the rest Adam has most, some 11 for each parameter.
    products = 2 * MATMULS + 2 * 64 * 128 * 10
    assert products < trained.costs["train step"].flops < 1.06 * products


def test_memory_of_a_step_with_adam_is_the_parameters_three_times(trained):
    cost, params = trained.costs["train step"], trained.total.bytes
    batch = 64 * 784 * 4 + 64 * 4
    assert 0 <= cost.arguments - (3 * params + batch) < 100  # counters, rate and key
    assert cost.outputs < 1000  # the new parameters take the place of the old
    assert cost.memory == cost.arguments + cost.outputs + cost.temporaries


def test_arrays_and_shapes_give_the_same():
    def zeros(tree):
        return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), tree)

    of_arrays = tnt.summary(network, zeros(PARAMS), zeros(INPUT))
    assert of_arrays == tnt.summary(network, PARAMS, INPUT)


def test_nothing_is_allocated():
    huge = shape((1 << 20, 1 << 20), "bfloat16")  # 2 TiB
    cost = tnt.summary(linear, huge, shape((8, 1 << 20), "bfloat16"))
    assert cost.total.bytes == 2 << 40
    assert "bf16[1048576,1048576]" in str(cost) and "2.0 TiB" in str(cost)


def test_rows_are_grouped_by_the_first_keys_of_their_paths():
    rows = tnt.summary(network, PARAMS, depth=1).rows
    assert [(row.path, row.arrays, row.size) for row in rows] == [
        ("hidden", 2, 100480),
        ("output", 2, 1290),
    ]


def test_a_long_table_is_cut_in_the_middle():
    params = {f"layer{n:02}": shape((n + 1,), "float32") for n in range(50)}
    summary = tnt.summary(lambda params, input: input, params, max_rows=4)
    lines = str(summary).splitlines()[1:6]
    assert [line.split()[:4] for line in lines] == [
        ["layer00", "f32[1]", "1", "0.1"],
        ["layer01", "f32[2]", "2", "0.2"],
        ["...", "47", "arrays", "1,222"],
        ["layer49", "f32[50]", "50", "3.9"],
        ["total", "50", "arrays", "1,275"],
    ]
    assert len(summary.rows) == 50


def test_a_single_array_is_its_own_total():
    lines = str(tnt.summary(linear, shape((2, 1), "float32"))).splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["parameters", "params"]
    assert lines[2] == ""


def test_a_network_without_parameters():
    summary = tnt.summary(lambda params, input: 2 * input, (), jnp.ones(3))
    assert summary.rows == () and summary.total.size == 0
    assert "total       0 arrays        0  0.0 %    0 B" in str(summary)


def test_the_model_state_is_one_row_of_its_own():
    def apply(params, model_state, input, *, key, training):
        return input * params, model_state

    network = tnt.network.Stateful(apply)
    state = {"mean": jnp.ones(3), "key": jax.random.key(0), "count": 1}
    summary = tnt.summary(network, jnp.ones(3), jnp.ones((2, 3)), model_state=state)
    assert summary.model_state.arrays == 3 and summary.model_state.size == 5
    assert "model state  3 arrays" in str(summary)


def test_dtypes_have_their_short_names():
    input = {
        "image": shape((2, 3), "uint8"),
        "mask": shape((2,), "bool"),
        "key": jax.eval_shape(jax.random.key, 0),
        "phase": shape((), "complex64"),
    }
    text = str(tnt.summary(lambda params, input: input["phase"], (), input))
    assert text.splitlines()[0] == (
        "{'image': u8[2,3], 'key': key<fry>[], 'mask': bool[2], 'phase': c64[]}"
        " -> c64[]"
    )


def test_html_says_the_same_and_is_escaped():
    params = {"<b>": shape((3,), "float32")}
    html = tnt.summary(lambda p, x: x * p["<b>"], params, jnp.ones(3))._repr_html_()
    assert html.startswith('<div class="tntjax-summary"><p>f32[3] -&gt; f32[3]</p>')
    assert '<td style="text-align:left">&lt;b&gt;</td>' in html
    assert "<b>" not in html and html.count("<table>") == html.count("</table>") == 2
    assert "<p>Pass criterion= and target= to see what a train step costs.</p>" in html


def test_html_of_parameters_alone_is_one_table():
    html = tnt.summary(linear, shape((2, 1), "float32"))._repr_html_()
    assert html.count("<table>") == 1 and "-&gt;" not in html


@pytest.mark.devices(4)
def test_where_arrays_lie_on_a_mesh_is_shown():
    mesh = jax.make_mesh((2, 2), ("data", "model"), devices=jax.devices()[:4])
    place = lambda *spec: NamedSharding(mesh, PartitionSpec(*spec))  # noqa: E731
    params = {"bias": jax.device_put(jnp.ones(4), place())}
    params["weight"] = shape((8, 4), "float32", sharding=place(None, "model"))
    input = shape((6, 8), "float32", sharding=place("data"))
    summary = tnt.summary(lambda p, x: x @ p["weight"] + p["bias"], params, input)
    assert [row.sharding for row in summary.rows] == ["P()", "P(None, 'model')"]
    assert summary.total.sharding == "several"
    assert summary.costs["forward pass"].arguments == 4 * (4 + 8 * 2 + 3 * 8)
    assert summary.costs["forward pass"].flops == 2 * 6 * 8 * 4 + 6 * 4
    assert "those of one of 4 devices" in str(summary)
