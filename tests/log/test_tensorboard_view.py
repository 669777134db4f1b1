"""What TensorBoard's own reader finds in the files of the view."""

import io
import math

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image as Pillow
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from tests.log.killed import run_killed
from tntjax.log import Image, Log, tensorboard

ALL = dict.fromkeys(("scalars", "histograms", "images", "tensors"), 0)


def read(folder):
    return EventAccumulator(str(folder), ALL).Reload()


def points(folder, name):
    return [(event.step, event.value) for event in read(folder).Scalars(name)]


@pytest.mark.parametrize(
    ("value", "scalar"),
    [
        (3, 3.0),
        (0.5, 0.5),
        (True, 1.0),
        (np.float64(0.25), 0.25),
        (jnp.float32(0.5), 0.5),
        (jnp.bfloat16(0.5), 0.5),
        (np.uint64(2**63), 2.0**63),
        (math.inf, math.inf),
        (-jnp.inf, -math.inf),
    ],
)
def test_numbers_are_scalars(value, scalar, tmp_path):
    tensorboard(tmp_path)({"t": 7, "loss": value})
    assert points(tmp_path, "loss") == [(7, scalar)]


def test_nan_is_a_scalar_and_prints_nothing(tmp_path, capfd, caplog):
    tensorboard(tmp_path)({"t": 1, "loss": math.nan, "weights": np.full(99, np.nan)})
    assert capfd.readouterr() == ("", "") and not caplog.records
    ((step, value),) = points(tmp_path, "loss")
    assert step == 1 and math.isnan(value)


def test_a_log_is_written_when_it_is_flushed(tmp_path):
    log = Log(["t", "loss", "unset"], on_flush=[tensorboard(tmp_path / "a" / "run")])
    for t in range(3):
        log = log.set(t=t, loss=jnp.float32(t / 2)).status("training").flush()
    assert points(tmp_path / "a" / "run", "loss") == [(0, 0.0), (1, 0.5), (2, 1.0)]
    assert read(tmp_path / "a" / "run").Tags()["scalars"] == ["loss"]


@pytest.mark.slow
def test_a_program_that_is_killed_has_written_what_it_flushed(tmp_path):
    run_killed("tnt.log.tensorboard('run')", tmp_path)
    assert points(tmp_path / "run", "loss") == [(0, 0.5), (1, 0.5), (2, 0.5)]


def test_parts_have_names_of_their_own(tmp_path):
    row = {"error": {1: 50.0, 5: 25.0}, "loss": np.arange(2.0), "lr": (0.1, {"b": 1})}
    tensorboard(tmp_path)({"t": 1, "none": None, "nothing": [], **row})
    assert read(tmp_path).Tags()["scalars"] == [
        "error/1",
        "error/5",
        "loss/0",
        "loss/1",
        "lr/0",
        "lr/1/b",
    ]


@pytest.mark.parametrize(
    "array",
    [
        np.arange(100),
        np.arange(100.0).reshape(10, 10),
        jnp.arange(100, dtype=jnp.bfloat16),
        [math.inf, *range(100)],
    ],
    ids=["integers", "two axes", "bfloat16", "list"],
)
def test_arrays_are_histograms_of_what_is_finite(array, tmp_path):
    tensorboard(tmp_path)({"t": 1, "weights": array})
    (event,) = read(tmp_path).Histograms("weights")
    found = event.histogram_value
    assert (event.step, found.min, found.max, found.num) == (1, 0.0, 99.0, 100.0)
    assert found.sum == 4950 and sum(found.bucket) == 100


def test_strings_are_text(tmp_path):
    tensorboard(tmp_path)({"t": 1, "note": "two\nlines é"})
    (event,) = read(tmp_path).Tensors("note/text_summary")
    assert event.tensor_proto.string_val[0].decode() == "two\nlines é"


@pytest.mark.parametrize(
    ("array", "pixel"),
    [
        (np.full((2, 3), 200, np.uint8), (200, 200, 200)),
        (jnp.full((2, 3, 1), 0.5), (128, 128, 128)),
        (np.full((2, 3, 3), [0, 300, -1]), (0, 255, 0)),
        (np.full((2, 3, 4), [1, 0, np.nan, 0.2]), (255, 0, 0, 51)),
        (np.ones((2, 3), bool), (255, 255, 255)),
        ([[0.0] * 3] * 2, (0, 0, 0)),
    ],
)
def test_images(array, pixel, tmp_path):
    tensorboard(tmp_path)({"t": 1, "sample": Image(array)})
    (event,) = read(tmp_path).Images("sample")
    assert (event.width, event.height) == (3, 2)
    assert Pillow.open(io.BytesIO(event.encoded_image_string)).getpixel((1, 1)) == pixel


def test_hyperparameters(tmp_path):
    given = {"lr": np.float32(0.5), "model": {"act": len, "off": None}, "clip": True}
    tensorboard(tmp_path, {**given, "limit": math.inf})({"t": 1, "loss": 0.5})
    metadata = read(tmp_path).SummaryMetadata("_hparams_/session_start_info")
    assert metadata.plugin_data.plugin_name == "hparams"
    data = plugin_data_pb2.HParamsPluginData.FromString(metadata.plugin_data.content)
    found = data.session_start_info.hparams
    assert {name: found[name].WhichOneof("kind") for name in found} == {
        "lr": "number_value",
        "model/act": "string_value",
        "clip": "bool_value",
        "limit": "string_value",
    }
    assert found["lr"].number_value == 0.5 and found["model/act"].string_value == "len"


def test_a_run_that_goes_on_has_each_point_once(tmp_path):
    for done, steps in ((None, (2, 4, 6)), ({"t": 4}, (6, 8))):
        view = tensorboard(tmp_path, {"lr": 0.1})
        view.start(done)
        for t in steps:
            view({"t": t, "loss": t + 0.5})
    assert points(tmp_path, "loss") == [(2, 2.5), (4, 4.5), (6, 6.5), (8, 8.5)]


def test_a_new_run_hides_what_the_folder_has(tmp_path):
    for _ in range(2):
        view = tensorboard(tmp_path)
        view.start()
        view({"t": 0, "loss": 0.5})
    assert points(tmp_path, "loss") == [(0, 0.5)]


def test_a_value_is_there_once_a_step(tmp_path):
    view = tensorboard(tmp_path, step="epoch")
    view({"epoch": 1, "loss": 0.5})
    view({"epoch": 1, "loss": 0.5, "seconds": 2.0})
    assert points(tmp_path, "loss") == [(1, 0.5)]
    assert points(tmp_path, "seconds") == [(1, 2.0)]


def test_a_file_that_is_gone_is_told_of_once(tmp_path):
    view = tensorboard(tmp_path)
    view({"t": 1, "loss": 0.5})
    for t in (2, 4):
        (path,) = tmp_path.iterdir()
        path.unlink()
        if t == 2:
            with pytest.warns(RuntimeWarning, match="misses rows, as FileNotFoundErr"):
                view({"t": t, "loss": 0.5})
        else:
            view({"t": t, "loss": 0.5})
        view({"t": t + 1, "loss": 0.25})
    assert points(tmp_path, "loss") == [(5, 0.25)]


def test_a_folder_that_cannot_be_made_is_told_of(tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.warns(RuntimeWarning, match="tensorboard: .*run misses rows, as File"):
        tensorboard(tmp_path / "run")({"t": 1, "loss": 0.5})


def test_arguments_are_checked(tmp_path):
    with pytest.raises(TypeError, match="tensorboard needs a dict of hyperparameters"):
        tensorboard(tmp_path, 0.1)
    with pytest.raises(TypeError, match="tensorboard needs the name of the step, got"):
        tensorboard(tmp_path, step=3)
    with pytest.raises(TypeError, match="folder must be a path, got None"):
        tensorboard(None)
    assert repr(tensorboard(tmp_path)) == f"tensorboard({tmp_path})"
    assert not list(tmp_path.iterdir())
