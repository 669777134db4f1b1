import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.dataset import BatchDataset, ShuffleDataset, TableDataset, take


class KeepsTypes:
    """Samples are the names of the types that they were asked for with."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return type(index).__name__


def shuffled(length=100, seed=0, **options):
    return ShuffleDataset(np.arange(length), seed, **options)


def test_is_a_permutation():
    assert sorted(shuffled()) == list(range(100))
    assert list(shuffled()) != list(range(100))


@pytest.mark.parametrize("seed", [0, 2**31, 2**200], ids=lambda seed: f"{seed:.0e}")
def test_the_order_is_a_function_of_the_seed(seed):
    assert list(shuffled(seed=seed)) == list(shuffled(seed=seed))
    assert list(shuffled(seed=seed)) != list(shuffled(seed=seed + 1))


def test_the_global_generator_is_neither_asked_nor_changed():
    state = np.random.get_state(legacy=False)["state"]
    shuffled(), shuffled(replacement=True)
    np.testing.assert_equal(np.random.get_state(legacy=False)["state"], state)


def test_a_size_leaves_a_subset():
    dataset = shuffled(size=40)
    assert len(dataset) == 40
    assert len(set(dataset)) == 40
    assert list(dataset) == list(shuffled())[:40]


@pytest.mark.parametrize("size", [None, 5, 1000])
def test_replacement_draws_any_number_of_samples(size):
    dataset = shuffled(size=size, replacement=True)
    assert len(dataset) == (size or 100)
    assert set(dataset) <= set(range(100))


def test_replacement_draws_a_sample_more_than_once():
    assert len(set(shuffled(replacement=True))) < 100


def test_resample_gives_a_new_dataset_of_the_same_kind():
    dataset = shuffled(size=40, replacement=True)
    again = dataset.resample(7)
    assert list(again) == list(shuffled(seed=7, size=40, replacement=True))
    assert list(dataset) == list(shuffled(size=40, replacement=True))


def test_take_gathers_in_the_order():
    dataset = shuffled()
    assert dataset.take([[3, 1]]).tolist() == [[dataset[3], dataset[1]]]


@pytest.mark.parametrize("seed", [0, 2**40])
def test_a_new_seed_compiles_nothing(seed):
    traces = []

    @jax.jit
    def read(dataset, index):
        traces.append(index)
        return dataset[index]

    table = TableDataset(jnp.arange(100))
    for dataset in (ShuffleDataset(table, seed), ShuffleDataset(table, 1)):
        assert int(read(dataset, 5)) == int(dataset[5])
    assert len(traces) == 1


def test_samples_are_read_with_python_integers():
    dataset = ShuffleDataset(KeepsTypes(), seed=0)
    on_device = jax.tree.map(
        lambda leaf: jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf,
        dataset,
    )
    assert [dataset[0], on_device[0], *dataset.take([0, 1])] == ["int"] * 4


def test_refuses_a_traced_index_while_its_order_is_on_the_host():
    dataset = ShuffleDataset(jnp.arange(3), seed=0)
    with pytest.raises(TypeError, match=r"ShuffleDataset holds NumPy .*device_put"):
        jax.jit(lambda index: dataset[index])(0)


def test_samples_are_alike_if_all_below_are():
    ragged = BatchDataset(np.arange(5), 2)
    assert shuffled(10, size=4).uniform_length == 4
    assert ShuffleDataset(ragged, seed=0).uniform_length == 0


def test_a_sample_has_the_bytes_of_one_below():
    assert shuffled(3).sample_bytes == 8


def test_the_repr_names_the_dataset_and_the_order():
    expected = "ShuffleDataset(dataset=int64[3], size=None, replacement=False, order="
    assert repr(shuffled(3)) == f"{expected}int32[3])"


@pytest.mark.parametrize("replacement", [True, False])
def test_may_be_empty(replacement):
    assert list(ShuffleDataset([], seed=0, replacement=replacement)) == []


@pytest.mark.parametrize(
    ("dataset", "options", "error", "message"),
    [
        (
            [1, 2],
            {"size": 3},
            ValueError,
            r"draw 3 of 2 samples without .*replacement=",
        ),
        ([1, 2], {"size": 0}, ValueError, r"size must be at least 1, got 0"),
        ([1, 2], {"size": -1}, ValueError, r"size must be at least 1, got -1"),
        ([], {"size": 3, "replacement": True}, ValueError, r"3 samples of an empty"),
        ([1, 2], {"seed": None}, TypeError, r"seed must be an integer, got None"),
        ([1, 2], {"seed": 0.5}, TypeError, r"seed must be an integer, got 0\.5"),
        ([1, 2], {"seed": -1}, ValueError, r"seed must be at least 0, got -1"),
    ],
    ids=str,
)
def test_refuses(dataset, options, error, message):
    with pytest.raises(error, match=message):
        ShuffleDataset(dataset, **{"seed": 0, **options})


@pytest.mark.parametrize(("dataset", "came"), [(5, "5"), (list, "list")], ids=str)
def test_refuses_what_is_no_dataset(dataset, came):
    with pytest.raises(
        TypeError, match=f"ShuffleDataset needs a dataset .*, got {came}"
    ):
        ShuffleDataset(dataset, 0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [jnp.int8, jnp.uint8, jnp.int16, jnp.uint16])
def test_a_key_reads_narrow_positions(kind):
    dataset = ShuffleDataset(TableDataset(np.arange(1_500_000, dtype=np.int32)), 1)
    positions = np.array([1, 100])
    resident = jax.device_put(dataset)
    expected = take(dataset, positions)
    for read in (take, jax.jit(take)):
        np.testing.assert_array_equal(read(resident, kind(positions)), expected)
