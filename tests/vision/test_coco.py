"""CocoDetection and CocoCaptions, beside pycocotools on the same files."""

import contextlib
import io
import json
import pickle

import numpy as np
import pytest
from pycocotools.coco import COCO

import tntjax as tnt
from tests.vision import coco
from tests.vision.pictures import by_pillow
from tntjax.vision import (
    CocoCaptions,
    CocoDetection,
    fit_boxes,
    fit_image,
    pad_boxes,
    rle_decode,
)

IDS = [7, 9, 12, 400_001]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return coco.write(tmp_path_factory.mktemp("coco"))


@pytest.fixture(scope="module")
def theirs(files):
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(files[1]))


def detection(files, **options):
    return CocoDetection(files[0], files[1], **options)


def test_samples_are_sorted_by_the_ids_of_images(files):
    dataset = detection(files)
    assert [int(sample["image_id"]) for sample in dataset] == IDS
    assert dataset[0]["image_id"].dtype == np.int64
    for number, sample in zip(IDS, dataset, strict=True):
        np.testing.assert_array_equal(sample["input"], by_pillow(coco.IMAGES[number]))


def test_objects_are_those_of_pycocotools(files, theirs):
    for sample in detection(files):
        notes = theirs.loadAnns(theirs.getAnnIds(int(sample["image_id"])))
        x, y, w, h = np.array([n["bbox"] for n in notes], float).reshape(-1, 4).T
        corners = np.stack([x, y, x + w, y + h], 1)
        np.testing.assert_array_equal(sample["boxes"], corners.astype(np.float32))
        assert sample["category_id"].tolist() == [n["category_id"] for n in notes]
        assert sample["area"].tolist() == [n["area"] for n in notes]
        assert sample["iscrowd"].tolist() == [bool(n["iscrowd"]) for n in notes]


def test_targets_number_the_categories_without_their_gaps(files):
    dataset = detection(files)
    assert dataset.classes == ("person", "stop sign", "toothbrush")
    assert dataset[0]["target"].tolist() == [0, 1]
    assert dataset[1]["target"].tolist() == [2, 0, 1]
    kinds = {
        n: v.dtype for n, v in dataset[1].items() if n not in ("input", "image_id")
    }
    assert kinds == {
        "target": np.int32,
        "boxes": np.float32,
        "area": np.float32,
        "iscrowd": bool,
        "category_id": np.int32,
    }


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_masks_of_polygons_runs_and_strings_are_those_of_pycocotools(files, theirs):
    packed, arrays = (detection(files, masks=kind) for kind in ("rle", "array"))
    for ours, dense in zip(packed, arrays, strict=True):
        notes = theirs.loadAnns(theirs.getAnnIds(int(ours["image_id"])))
        expected = [theirs.annToMask(note).astype(bool) for note in notes]
        assert dense["masks"].dtype == bool
        assert dense["masks"].shape == (len(notes), *ours["input"].shape[:2])
        for rle, mask, right in zip(
            ours["masks"], dense["masks"], expected, strict=True
        ):
            np.testing.assert_array_equal(mask, right)
            np.testing.assert_array_equal(rle_decode(rle), right)
            assert isinstance(rle["counts"], bytes)


def test_images_without_objects_are_kept_or_dropped(files):
    empty = detection(files)[3]
    assert empty["boxes"].shape == (0, 4) and empty["target"].shape == (0,)
    assert detection(files, masks="array")[3]["masks"].shape == (0, 64, 96)
    assert [int(s["image_id"]) for s in detection(files, empty="drop")] == IDS[:3]


def test_crowds_are_marked_or_dropped(files):
    assert detection(files)[1]["iscrowd"].tolist() == [False, True, False]
    assert detection(files, crowd="drop")[1]["category_id"].tolist() == [90, 13]


def test_boxes_without_an_area_are_kept_or_dropped(files):
    assert detection(files)[1]["boxes"][2].tolist() == [5.5, 6.5, 5.5, 18.5]
    assert detection(files, flat="drop")[1]["category_id"].tolist() == [90, 1]


def test_grey_images_are_rgb(files):
    assert detection(files)[3]["input"].shape == (64, 96, 3)


def test_of_a_test_set_there_are_images_alone(files, tmp_path):
    content = json.loads(files[1].read_text())
    del content["annotations"]
    (tmp_path / "image_info.json").write_text(json.dumps(content))
    dataset = CocoDetection(files[0], tmp_path / "image_info.json", masks="rle")
    assert len(dataset) == 4 and dataset[0]["masks"] == []


def test_captions_are_in_the_order_of_the_file(files):
    dataset = CocoCaptions(files[0], files[2])
    assert [int(sample["image_id"]) for sample in dataset] == IDS
    assert dataset[0]["target"] == ["A palace.", "Ein Palast: 花"]
    assert dataset[1]["target"] == ["Red flowers,\nclose."]
    assert dataset[2]["target"] == [""]
    np.testing.assert_array_equal(dataset[2]["input"], by_pillow(coco.IMAGES[12]))


def fit_and_pad(sample):
    size = sample["input"].shape
    boxes = fit_boxes(sample["boxes"], size, 64, mode="pad")
    image = fit_image(sample["input"], 64, mode="pad")
    return pad_boxes(sample | {"input": image, "boxes": boxes}, 4)


def test_a_batch_has_padded_boxes_and_tells_which_are_valid(files):
    batch = tnt.take(tnt.TransformDataset(detection(files), fit_and_pad), range(4))
    assert batch["input"].shape == (4, 64, 64, 3)
    assert batch["boxes"].shape == (4, 4, 4) and batch["target"].shape == (4, 4)
    assert batch["valid"].sum(1).tolist() == [2, 3, 1, 0]
    np.testing.assert_allclose(batch["boxes"][1, 1], [0, 10, 64, 53], atol=0.51)
    assert (batch["boxes"][~batch["valid"]] == 0).all()


def test_masks_are_padded_as_arrays(files):
    sample = detection(files, masks="array")[0]
    padded = pad_boxes(sample, 3)
    assert padded["masks"].shape == (3, 427, 640) and not padded["masks"][2].any()
    assert sample["boxes"].shape == (2, 4)  # as it was


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: pad_boxes(s, 1), ValueError, "2 boxes, more than max_boxes=1"),
        (lambda s: pad_boxes(s, 0), ValueError, "max_boxes must be at least 1"),
        (
            lambda s: pad_boxes(s | {"area": np.ones(3)}, 4),
            ValueError,
            "3 rows of area",
        ),
        (lambda s: pad_boxes(s | {"masks": [{}, {}]}, 4), TypeError, 'masks="array"'),
    ],
)
def test_what_cannot_be_padded_is_refused(files, call, error, message):
    with pytest.raises(error, match=message):
        call(detection(files)[0])


def test_pickled_it_is_small_and_reads_the_same(files, tmp_path):
    notes = [coco.note(n, 7, 1, [0, 0, 1, 1], [], 1) for n in range(9000)]
    paths = coco.write(tmp_path, annotations=notes)
    sent = pickle.dumps(detection(paths))
    assert len(sent) < 9000 * 33 + 3000
    for options in ({}, {"masks": "rle"}):
        dataset = detection(files, **options)
        again = pickle.loads(pickle.dumps(dataset))
        np.testing.assert_array_equal(again[1]["boxes"], dataset[1]["boxes"])
        assert again[1].get("masks") == dataset[1].get("masks")


def test_an_image_of_another_size_than_its_annotations_is_an_error(files):
    dataset = detection(files, decode=lambda data: np.zeros((5, 6, 3), np.uint8))
    with pytest.raises(
        ValueError, match=r"\(5, 6\), but its annotations are for \(427"
    ):
        dataset[0]


def test_a_missing_image_is_an_error_that_names_it(tmp_path):
    paths = coco.write(tmp_path)
    (paths[0] / "000000000009.jpg").unlink()
    with pytest.raises(FileNotFoundError, match="val2017/000000000009.jpg"):
        detection(paths)[1]


@pytest.mark.parametrize("which", ["the file of annotations", "the folder of images"])
def test_what_is_missing_is_told_with_place_licence_and_layout(files, tmp_path, which):
    gone = str(tmp_path / "gone")
    places = (
        (files[0], gone) if which == "the file of annotations" else (gone, files[1])
    )
    for kind in (CocoDetection, CocoCaptions):
        with pytest.raises(FileNotFoundError) as caught:
            kind(*places)
        text = str(caught.value)
        assert f"COCO: {which} is not on this machine. Looked in\n  {gone}\n" in text
        assert "annotations_trainval2017.zip" in text and "CC BY 4.0" in text
        assert "{train,val}2017/000000NNNNNN.jpg" in text


def changed(**entries):
    notes = coco.annotations()
    return {"annotations": [notes[0] | entries, *notes[1:]]}


TWICE = [{"id": 7, "file_name": "a", "height": 1, "width": 1}] * 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": TWICE, "annotations": []}, "has two images of one id"),
        ({"images": {}}, "images should be a list, not {}"),
        ({"images": TWICE[:1]}, r"annotates images it lacks: \[9, 12\]"),
        ({"categories": coco.CATEGORIES[:1]}, r"does not list: \[1, 13\]"),
        ({"annotations": [{"id": 1, "image_id": 7}]}, "For captions: CocoCaptions"),
        (
            changed(category_id=2**31),
            r"\[0\] has a wrong 'category_id'.*iscrowd': 0}.$",
        ),
        ({"categories": [{"id": 2**31, "name": "x"}]}, r"categories\[0\] .* 'id'"),
        (changed(bbox=[0, 0, 1e300, 1]), r"annotations\[0\] has a wrong 'bbox'"),
        (changed(bbox=[10**400, 0, 1, 1]), r"annotations\[0\] has a wrong 'bbox'"),
        (changed(area=10**400), r"annotations\[0\] has a wrong 'area'"),
    ],
)
def test_files_that_are_not_whole_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        detection(coco.write(tmp_path, **changes))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [', "is no JSON, or cut short"),
        ("[1]", "no file of annotations"),
        ("[" * 100_000, "is no JSON, or cut short"),
    ],
)
def test_other_files_are_refused(files, tmp_path, text, message):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        CocoDetection(files[0], tmp_path / "x.json")


def test_a_byte_order_mark_and_half_a_character_are_read(files, tmp_path):
    content = json.loads(files[2].read_text())
    content["annotations"][0]["caption"] = "half \ud83d"
    path = tmp_path / "x.json"
    path.write_text("\ufeff" + json.dumps(content), encoding="utf-8")
    assert CocoCaptions(files[0], path)[0]["target"][0] == "half \ud83d"


def test_captions_and_objects_are_not_taken_for_each_other(files):
    with pytest.raises(ValueError, match="For boxes: CocoDetection"):
        CocoCaptions(files[0], files[1])
    with pytest.raises(ValueError, match="For captions: CocoCaptions"):
        CocoDetection(files[0], files[2])


@pytest.mark.parametrize("option", ["masks", "crowd", "empty", "flat"])
def test_unknown_options_are_refused(files, option):
    with pytest.raises(ValueError, match=f"CocoDetection needs {option} '.* got 'x'"):
        detection(files, **{option: "x"})
    with pytest.raises(TypeError, match="CocoDetection needs a function, but decode"):
        detection(files, decode=1)


def test_the_repr_names_the_files(files):
    assert repr(detection(files)).startswith("CocoDetection(")
    assert "caps_val2017.json" in repr(CocoCaptions(files[0], files[2]))
