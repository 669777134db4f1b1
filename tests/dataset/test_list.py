import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.dataset import ListDataset, TransformDataset


def explode(item):
    raise LookupError(f"no {item}")


@pytest.mark.parametrize(
    "items", [["a", "b"], ("a", "b"), np.array(["a", "b"]), {0: "a", 1: "b"}], ids=type
)
def test_loads_the_item_of_any_sequence(items):
    assert list(ListDataset(items, str.upper)) == ["A", "B"]


def test_loads_at_each_get_and_keeps_nothing():
    loaded = []
    dataset = ListDataset([7], lambda item: loaded.append(item))
    dataset[0], dataset[0]
    assert loaded == [7, 7]


def test_a_path_comes_before_each_item():
    assert ListDataset(["a.png", 3], str, path="images")[0] == "images/a.png"
    assert ListDataset(["a.png", 3], str, path="images")[1] == "images/3"


def test_take_loads_each_index_once_in_order():
    loaded = []
    dataset = ListDataset(range(3), lambda item: loaded.append(item) or item * 1.5)
    assert dataset.take([[2, 0], [2, 1]]).tolist() == [[3.0, 0.0], [3.0, 1.5]]
    assert loaded == [2, 0, 2, 1]


def test_take_writes_arrays_into_rows_of_one():
    dataset = ListDataset([1, 2], lambda n: {"x": np.full(2, n, np.uint8), "s": "n"})
    batch = dataset.take([0, 1])
    assert batch["x"].tolist() == [[1, 1], [2, 2]]
    assert batch["x"].dtype == np.uint8
    assert batch["s"] == ["n", "n"]


def test_takes_jax_indices_that_are_not_traced():
    assert ListDataset([1, 2], float).take(jnp.array([1])).tolist() == [2.0]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a\nb\n", ["a", "b"]),
        ("a\r\nb", ["a", "b"]),
        ("a\n\nb\n", ["a", "", "b"]),
        ("a b\x0b\x0c\x85\u2028c\n", ["a b\x0b\x0c\x85\u2028c"]),
        ("a\rb\n", ["a\rb"]),
        ("é\n", ["é"]),
        ("", []),
    ],
    ids=repr,
)
def test_from_file_reads_lines(tmp_path, text, lines):
    file = tmp_path / "list.txt"
    file.write_bytes(text.encode())
    assert list(ListDataset.from_file(file, str)) == lines


@pytest.mark.parametrize(("max_load", "length"), [(None, 3), (1, 1), (3, 3), (9, 3)])
def test_from_file_reads_max_load_lines(tmp_path, max_load, length):
    file = tmp_path / "list.txt"
    file.write_text("a\nb\nc\n")
    dataset = ListDataset.from_file(str(file), str, max_load, path="in")
    assert len(dataset) == length
    assert dataset[0] == "in/a"


@pytest.mark.parametrize("max_load", [0, -1])
def test_from_file_refuses_to_read_nothing(max_load):
    with pytest.raises(ValueError, match=f"max_load >= 1 or None, got {max_load}"):
        ListDataset.from_file("unread", str, max_load)


@pytest.mark.parametrize(
    ("items", "load", "message"),
    [
        ([1], None, r"needs a function, but load is None"),
        ("names.txt", str, r"sequence of items, got str .*ListDataset\.from_file"),
        (b"bytes", str, r"sequence of items, got bytes"),
        (7, str, r"sequence of items, got int"),
        (iter([1]), str, r"sequence of items, got list_iterator"),
    ],
)
def test_refuses(items, load, message):
    with pytest.raises(TypeError, match=message):
        ListDataset(items, load)


@pytest.mark.parametrize("read", [lambda d: d[1], lambda d: d.take([0, 1])])
def test_an_error_of_load_keeps_its_type_and_names_the_sample(read):
    dataset = ListDataset(["a", "b"], lambda item: explode(item) if item > "a" else 0)
    with pytest.raises(LookupError, match="no b") as caught:
        read(dataset)
    assert caught.value.__notes__ == ["ListDataset: while loading sample 1, 'b'."]


def test_the_note_on_an_error_is_short():
    dataset = ListDataset([np.zeros(9999)], explode)
    with pytest.raises(LookupError) as caught:
        dataset[0]
    assert caught.value.__notes__ == [
        "ListDataset: while loading sample 0, float64[9999]."
    ]


@pytest.mark.parametrize("wrap", [lambda d: d, lambda d: TransformDataset(d, str)])
def test_an_index_error_of_load_does_not_pass_for_the_end(wrap):
    dataset = ListDataset([[1, 2], [3]], lambda item: item[1])
    with pytest.raises(IndexError, match="list index out of range"):
        list(wrap(dataset))


def test_stop_iteration_in_load_does_not_pass_for_the_end():
    dataset = ListDataset([[]], lambda item: next(iter(item)))
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(dataset)


@pytest.mark.parametrize("read", [lambda d, i: d[i], lambda d, i: d.take(i)])
def test_refuses_a_traced_index(read):
    dataset = ListDataset([1, 2], float)
    with pytest.raises(TypeError, match=r"ListDataset is read on the host.*TableData"):
        jax.jit(lambda index: read(dataset, index))(0)
