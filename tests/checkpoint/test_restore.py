"""What is saved comes back, and what cannot come back is named."""

import shutil
import sys

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import tntjax as tnt
from tntjax.checkpoint import _leaves, _orbax
from tntjax.checkpoint._save import Saver

TREE = {
    "params": {"a/b": jnp.arange(6.0).reshape(2, 3), "c.d": [jnp.int32(3)]},
    "empty": {},
    "none": None,
    "aux": {
        "half": np.ones(3, ml_dtypes.bfloat16),
        "yes": np.array([True, False]),
        "nothing": jnp.zeros((0, 4)),
        "keys": jax.random.split(jax.random.key(3), 2),
        "other": jax.random.key(1, impl="rbg"),
        "nan": np.array([np.nan, -0.0, np.inf], np.float32),
    },
}


@pytest.fixture
def save(tmp_path):
    """Saves a tree after `t` updates, and returns the folder."""

    def save(tree, *steps):
        saver = Saver(tmp_path, None, False)
        for t in steps or (1,):
            saver.save(t, 0, tree, None, {})
        saver.close()
        return tmp_path

    return save


def zeros(tree):
    def zero(leaf):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            data = jnp.zeros_like(jax.random.key_data(leaf))
            return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
        zeros_like = jnp.zeros_like if isinstance(leaf, jax.Array) else np.zeros_like
        return zeros_like(leaf)

    return jax.tree.map(zero, tree)


def bits(leaf):
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return str(leaf.dtype), bits(jax.random.key_data(leaf))
    return leaf.dtype, leaf.shape, np.asarray(leaf).tobytes()


def test_every_kind_of_leaf_comes_back(save):
    back = tnt.checkpoint.restore(save(TREE), zeros(TREE))
    assert jax.tree.structure(back) == jax.tree.structure(TREE)
    assert list(map(bits, jax.tree.leaves(back))) == [
        bits(leaf) for leaf in jax.tree.leaves(TREE)
    ]
    kinds = [isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(back)]
    assert kinds == [isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(TREE)]
    assert not any(getattr(x, "weak_type", False) for x in jax.tree.leaves(back))


def test_some_of_the_fields_come_back(save):
    like = {"params": zeros(TREE["params"])}
    back = tnt.checkpoint.restore(save(TREE), like)
    assert list(back) == ["params"]
    assert back["params"]["a/b"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_what_is_written_shares_no_memory_with_what_may_be_donated():
    leaf = jnp.arange(1000.0)
    copied = _leaves.copies({"a": leaf})["a"]
    assert not np.shares_memory(copied, np.asarray(leaf))


def test_what_is_donated_while_it_is_written_comes_back(tmp_path):
    saver = Saver(tmp_path, None, False)
    leaf = jnp.full(1_000_000, 7.0)
    saver.save(1, 0, {"params": leaf}, None, {})
    jax.block_until_ready(jax.jit(lambda x: x * 0, donate_argnums=0)(leaf))
    saver.close()
    back = tnt.checkpoint.restore(tmp_path, {"params": np.zeros(1_000_000, "f4")})
    assert (back["params"] == 7).all()


def test_a_leaf_stays_where_it_was_put(save):
    place = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    like = {"a": jax.device_put(jnp.zeros(2), place), "b": jnp.zeros(2)}
    back = tnt.checkpoint.restore(save(like), like)
    assert back["a"].committed and not back["b"].committed


def test_what_is_spread_over_devices_is_read_to_its_place(save, monkeypatch):
    """One device stands for several here; for four of them see test_mesh.py."""
    for module in (_leaves, _orbax):
        is_array = lambda leaf: isinstance(leaf, jax.Array)  # noqa: E731
        monkeypatch.setattr(module, "is_spread", is_array)
    test_every_kind_of_leaf_comes_back(save)


def test_the_newest_or_the_one_asked_for(save):
    folder = save({"t": jnp.int32(1)}, 5, 30)
    saver = Saver(folder, None, False)
    saver.save(200, 1, {"t": jnp.int32(2)}, None, {})
    saver.close()
    like = {"t": jnp.int32(0)}
    assert tnt.checkpoint.steps(folder) == [5, 30, 200]
    assert int(tnt.checkpoint.restore(folder, like)["t"]) == 2
    assert int(tnt.checkpoint.restore(folder, like, step=30)["t"]) == 1
    with pytest.raises(
        ValueError, match=r"no checkpoint after 31 updates, but after \[5, 30"
    ):
        tnt.checkpoint.restore(folder, like, step=31)


def test_no_checkpoint_is_none(tmp_path):
    assert tnt.checkpoint.restore(tmp_path, {}) is None
    assert tnt.checkpoint.best(tmp_path) is None


@pytest.mark.parametrize("options", [{}, {"step": 3}, {"skip_broken": True}], ids=repr)
def test_a_folder_that_is_missing_is_an_error(tmp_path, options):
    folder = tmp_path / "tpyo"
    with pytest.raises(FileNotFoundError, match=f"no folder {folder} to restore from"):
        tnt.checkpoint.restore(folder, {}, **options)
    assert tnt.checkpoint.steps(folder) == []
    assert tnt.checkpoint.best(folder) is None


# ---- what does not fit --------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"a": jnp.zeros((2, 4))},
            "params['a'] is float32[2,3] there, and float32[2,4]",
        ),
        (
            {"a": jnp.zeros((2, 3), int)},
            "params['a'] is float32[2,3] there, and int32[",
        ),
        ({"b": [jnp.zeros(1)] * 2}, "params['b'][1] is not there, and float32[1] here"),
        ({"b": []}, "params['b'][0] is float32[1] there, and not here"),
        (
            {"k": jax.random.key(0, impl="rbg")},
            "params['k'] is key<fry>[] there, and key",
        ),
    ],
)
def test_a_mismatch_names_the_leaf_and_both_kinds(save, changes, line):
    params = {"a": jnp.zeros((2, 3)), "b": [jnp.zeros(1)], "k": jax.random.key(0)}
    folder = save({"params": params})
    with pytest.raises(ValueError, match="is of something else") as caught:
        tnt.checkpoint.restore(
            folder, {"params": {**params, **changes}}, skip_broken=True
        )
    assert line in str(caught.value)
    assert len(str(caught.value).splitlines()) == 3


def test_a_checkpoint_from_before_the_loss_was_saved_is_read(save):
    folder = save({"params": jnp.ones(2)})
    like = {"params": jnp.zeros(2), "loss": np.float32(np.nan)}
    found = tnt.checkpoint.restore(folder, like)
    assert set(found) == {"params"} and found["params"].tolist() == [1, 1]


def test_many_mismatches_are_counted(save):
    folder = save({"params": [jnp.zeros(1)] * 20})
    with pytest.raises(ValueError, match="and 13 leaves more"):
        tnt.checkpoint.restore(folder, {"params": [jnp.zeros(2)] * 20})


def test_a_foreign_folder_is_named(tmp_path):
    (tmp_path / "100").mkdir()
    for look in (tnt.checkpoint.steps, tnt.checkpoint.best):
        with pytest.raises(ValueError, match="holds '100', which is no checkpoint of"):
            look(tmp_path)
    with pytest.raises(ValueError, match="holds '100'"):
        tnt.checkpoint.restore(tmp_path, {})


def test_a_checkpoint_is_not_the_folder_of_all(save):
    folder = save({"params": jnp.zeros(1)}, 7)
    (one,) = folder.glob("update-7*")
    with pytest.raises(
        ValueError, match=r"Name that: .*\.restore\('.*', like, step=7\)"
    ):
        tnt.checkpoint.restore(one, {})


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="need a folder, but .*file is a file"):
        tnt.checkpoint.steps(tmp_path / "file")


def test_of_several_processes_the_first_alone_deletes(save, monkeypatch):
    folder = save(TREE, 1, 2)
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    other = Saver(folder, 1, False)
    assert other.go_on(1, 0) == {}
    other.close()
    assert tnt.checkpoint.steps(folder) == [1, 2]
    monkeypatch.undo()
    first = Saver(folder, 1, False)
    assert first.go_on(1, 0) == {}
    first.close()
    assert tnt.checkpoint.steps(folder) == [1]


def test_hidden_files_and_rests_are_passed_over(save):
    folder = save(TREE, 3)
    (folder / ".DS_Store").touch()
    (folder / "update-4-epoch-0.orbax-checkpoint-tmp-12").mkdir()
    (folder / "update-5-epoch-0.discarded").mkdir()
    assert tnt.checkpoint.steps(folder) == [3]
    assert tnt.checkpoint.restore(folder, zeros(TREE)) is not None


# ---- what is broken -----------------------------------------------------------------


def arrays_of(checkpoint):
    return checkpoint / "arrays"


def largest(checkpoint):
    files = (path for path in checkpoint.rglob("*") if path.is_file())
    return max(files, key=lambda path: path.stat().st_size)


def truncate(checkpoint):
    for path in (p for p in checkpoint.rglob("*") if p.is_file()):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def truncate_data(checkpoint):
    path = largest(checkpoint)
    path.write_bytes(path.read_bytes()[:1000])


def lose_data(checkpoint):
    largest(checkpoint).unlink()


def lose_arrays(checkpoint):
    shutil.rmtree(arrays_of(checkpoint))


def lose_notes(checkpoint):
    shutil.rmtree(checkpoint / "notes")


def change_notes(checkpoint):  # by one bit
    path = checkpoint / "notes" / "metadata"
    path.write_text(path.read_text().replace('"leaves"', '"leaver"'))


def empty(checkpoint):
    shutil.rmtree(checkpoint)
    checkpoint.mkdir()


DAMAGES = [
    truncate,
    truncate_data,
    lose_data,
    lose_arrays,
    lose_notes,
    change_notes,
    empty,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_broken_checkpoint_is_an_error_or_skipped(save, damage):
    noise = np.random.default_rng(0).normal(size=5000)  # which does not compress
    tree = {"params": jnp.asarray(noise, jnp.float32)}
    folder = save(tree, 1, 2)
    damage(folder / "update-2-epoch-0")
    with pytest.raises(
        ValueError, match=r"update-2-epoch-0 cannot be read: .*skip_bro"
    ):
        tnt.checkpoint.restore(folder, tree)
    with pytest.warns(RuntimeWarning, match="skipped: the checkpoint .*update-2"):
        back = tnt.checkpoint.restore(folder, tree, skip_broken=True)
    assert bits(back["params"]) == bits(tree["params"])


def test_if_all_are_broken_nothing_starts_anew(save):
    folder = save(TREE, 1, 2)
    for t in (1, 2):
        empty(folder / f"update-{t}-epoch-0")
    with (
        pytest.warns(RuntimeWarning, match="skipped"),
        pytest.raises(ValueError, match="update-1-epoch-0 cannot be read"),
    ):
        tnt.checkpoint.restore(folder, TREE, skip_broken=True)


def test_without_orbax_the_extra_is_named(save, monkeypatch):
    folder = save(TREE)
    monkeypatch.setitem(sys.modules, "orbax.checkpoint", None)
    with pytest.raises(ImportError, match=r'pip install "tntjax\[checkpoint\]"'):
        tnt.checkpoint.restore(folder, TREE)


@pytest.mark.parametrize("error", [PermissionError("not yours"), MemoryError()])
def test_what_is_not_the_checkpoints_fault_skips_nothing(save, monkeypatch, error):
    folder = save(TREE, 1, 2)

    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(_orbax.orbax().Checkpointer, "restore", fail)
    with pytest.raises(type(error)) as caught:
        tnt.checkpoint.restore(folder, TREE, skip_broken=True)
    assert "while the checkpoint" in caught.value.__notes__[0]
    assert "update-2-epoch-0 was read" in caught.value.__notes__[0]


def test_no_message_advises_to_delete(save):
    folder = save(TREE)
    truncate(folder / "update-1-epoch-0")
    with pytest.raises(ValueError, match=r"cannot be read: \w+: ") as caught:
        tnt.checkpoint.restore(folder, TREE)
    assert "delete" not in str(caught.value)
    assert "It was left as it is. To go on from the one before" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"like": tnt.State()}, TypeError, "like must be a dict of fields .*got State"),
        ({"like": None}, TypeError, "such as {'params': params}, got None"),
        ({"like": [1]}, TypeError, r"got \[1\]"),
        ({"step": "a"}, TypeError, "restore: step must be an integer, got 'a'"),
        ({"step": -1}, ValueError, "restore: step must be at least 0, got -1"),
        ({"skip_broken": "no"}, TypeError, "skip_broken must be True or False, got"),
    ],
)
def test_bad_arguments(tmp_path, given, error, words):
    with pytest.raises(error, match=words):
        tnt.checkpoint.restore(tmp_path, **{"like": {}, **given})
