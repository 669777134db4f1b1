"""Odd files, masks and images of the host: each is read right, or refused."""

import gzip
import io
import json
import os
import shutil
import subprocess
import tarfile

import numpy as np
import pytest

from tests.vision import coco
from tests.vision.pictures import photo
from tntjax import vision
from tntjax.vision import TarIndex, polygons_to_rle, rle_area, rle_decode

TRIANGLE = [1, 1, 4, 1, 4, 3]


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ({"size": "22", "counts": [4]}, r"a size \[height, width\], got '22'"),
        ({"size": [2.5, 2], "counts": [4]}, "a size"),
        ({"size": [2, 2, 1], "counts": [4]}, "a size"),
        ({"size": [-2, -2], "counts": [4]}, "a size"),
        ({"size": None, "counts": [4]}, "a size"),
        ({"size": [2, 2], "counts": [1.0, 3.0]}, "a list of integers, got float64"),
        ({"size": [2, 2], "counts": ["1", "3"]}, "a list of integers, got"),
        ({"size": [2, 2], "counts": None}, "a list of integers, got"),
    ],
)
def test_runs_of_another_form_are_refused(rle, message):
    for function in (rle_decode, rle_area):
        with pytest.raises((TypeError, ValueError), match=message):
            function(rle)


def test_packed_runs_may_be_of_any_bytes():
    for packed in (b"132", bytearray(b"132"), "132"):
        assert rle_area({"size": [2, 3], "counts": packed}) == 3


@pytest.mark.parametrize(
    "polygon", [[0, 0, 1e9, 0, 1e9, 1e9], [np.nan] * 6, ["1"] * 6, 5, [1, 2, 3, 4]]
)
def test_polygons_that_would_crash_are_refused(polygon):
    pytest.importorskip("pycocotools")
    assert rle_area(polygons_to_rle([TRIANGLE], 5, 6)) > 0
    with pytest.raises(ValueError, match=r"polygons \[x0, y0, x1, y1, x2, y2"):
        polygons_to_rle([polygon], 5, 6)
    with pytest.raises(TypeError, match="height must be an integer, got 5.5"):
        polygons_to_rle([TRIANGLE], 5.5, 6)
    with pytest.raises(ValueError, match="fewer than 2"):
        polygons_to_rle([TRIANGLE], 100_000, 100_000)


def test_grey_images_without_an_axis_and_levels_without_a_peak_are_refused():
    grey = np.ones((3, 16, 16), np.float32)
    with pytest.raises(ValueError, match=r"needs images \[B, H, W, C\], got \[3, 16"):
        vision.PSNRMeter().add(grey, grey)
    levels = np.ones((1, 16, 16, 3), np.uint8)
    for meter in (vision.PSNRMeter(), vision.SSIMMeter()):
        with pytest.raises(
            ValueError, match=r"got integers. For levels .*Meter\(255\)"
        ):
            meter.add(levels, levels)


def test_fills_shapes_and_samples_of_the_host_are_checked():
    image = np.zeros((4, 8, 3), np.uint8)
    for fill in (300, -1):
        with pytest.raises(ValueError, match=f"0 <= fill <= 255, got {fill}"):
            vision.fit_image(image, 8, mode="pad", fill=fill)
    for shape in ((0, 5), (5,), None):
        with pytest.raises(ValueError, match="fit_boxes.*shape"):
            vision.fit_boxes([[0, 0, 1, 1]], shape, 5)
    for sample in ({}, {"boxes": np.zeros((2, 3, 4))}, {"boxes": [[1, 2, 3, 4]]}):
        with pytest.raises(TypeError, match=r"with boxes, an array \[n, 4\]"):
            vision.pad_boxes(sample, 3)


def test_images_of_more_pixels_than_pillow_trusts_and_without_a_range(monkeypatch):
    image = pytest.importorskip("PIL.Image")
    monkeypatch.setattr(image, "MAX_IMAGE_PIXELS", 10)
    file = io.BytesIO()
    image.new("L", (8, 8)).save(file, "png")
    with pytest.raises(ValueError, match="set PIL.Image.MAX_IMAGE_PIXELS"):
        vision.decode_image(file.getvalue())
    monkeypatch.undo()
    file = io.BytesIO()
    image.new("I", (8, 8)).save(file, "tiff")
    with pytest.raises(ValueError, match="32-bit integers has no range"):
        vision.decode_image(file.getvalue())


def folder(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo("china"))
    return root


def test_hidden_folders_are_no_classes_and_names_have_one_order(tmp_path):
    root = folder(
        tmp_path / "x", ".git/a.jpg", "cat/b.jpg", "cat/.c/d.jpg", "dog/e.jpg"
    )
    dataset = vision.ImageFolder(root)
    assert dataset.classes == ("cat", "dog") and len(dataset) == 2
    assert vision.ImageFolder(root, classes=np.array(["dog"])).classes == ("dog",)
    for wrong in ({"cat", "dog"}, {"cat": 0}, [1, 2], iter(["cat"])):
        with pytest.raises(TypeError, match="needs a list of classes"):
            vision.ImageFolder(root, classes=wrong)
    with pytest.raises(ValueError, match="a class is twice"):
        vision.ImageFolder(root, classes=["cat", "cat"])
    for index in (-1, 2):
        with pytest.raises(IndexError, match=f"got index {index}"):
            dataset.where(index)
    os.symlink(root, root / "dog" / "round")
    with pytest.raises(ValueError, match="dog/round is a link to a folder that holds"):
        vision.ImageFolder(root)


def test_the_test_split_of_imagenet_has_no_targets(tmp_path):
    names = [f"ILSVRC2012_test_{number:08}.JPEG" for number in (2, 1)]
    root = folder(tmp_path / "a", *(f"test/{name}" for name in names))
    tarred = tmp_path / "b"
    tarred.mkdir()
    with tarfile.open(tarred / "ILSVRC2012_img_test_v10102019.tar", "w") as tar:
        for name in names:
            tar.add(root / "test" / name, f"test/{name}")
    for place in (root, tarred):
        dataset = vision.ImageNet(place, "test")
        assert len(dataset) == 2 and dataset.targets is None
        assert [dataset.where(i)[-13:] for i in (0, 1)] == [
            "00000001.JPEG",
            "00000002.JPEG",
        ]
        assert set(dataset[1]) == {"input"} and dataset[1]["input"].ndim == 3
        assert dataset.take([0, 1])["input"].shape[0] == 2
    with pytest.raises(
        FileNotFoundError, match="the test split is not on this machine"
    ):
        vision.ImageNet(tmp_path / "a" / "test", "test")


@pytest.mark.parametrize(
    "text",
    ["a\nILSVRC2012_val_00000001\n", "a,b\nILSVRC2012_val_00000001,\n"]
    + ["a,b\n" + "ILSVRC2012_val_00000001,n02123045\n" * 2],
)
def test_a_list_of_labels_with_a_wrong_line_is_refused(tmp_path, text):
    root = folder(tmp_path, "val/ILSVRC2012_val_00000001.JPEG")
    (root / "LOC_val_solution.csv").write_text(text)
    with pytest.raises(
        ValueError, match="name of an image and its synset in each line"
    ):
        vision.ImageNet(root, "val")
    quoted = 'a,b\nILSVRC2012_val_00000001,"n02123045 1 2 3 4 "\n'
    (root / "LOC_val_solution.csv").write_text(quoted)
    assert vision.ImageNet(root, "val").wnids == ("n02123045",)


def test_a_damaged_devkit_is_named(tmp_path):
    root = folder(tmp_path, "train/n02123045/1.JPEG")
    (root / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(b"junk")
    with pytest.raises(ValueError, match="devkit_t12.tar.gz is truncated or damaged"):
        vision.ImageNet(root)
    (root / "ILSVRC2012_devkit_t12.tar.gz").unlink()
    (root / "data").mkdir()
    for content in (b"junk" * 200, b"junk", b""):
        (root / "data" / "meta.mat").write_bytes(content)
        with pytest.raises(ValueError, match=r"meta.mat is damaged or another"):
            vision.ImageNet(root)


def change(path, value):
    def apply(content):
        for step in path[:-1]:
            content = content[step]
        content[path[-1]] = value

    return apply


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("images", 0, "id"), "9"),
        (("images", 0, "id"), 2**70),
        (("images", 0, "height"), None),
        (("images", 0, "file_name"), None),
        (("annotations", 0, "image_id"), None),
        (("annotations", 0, "bbox"), [1, 2, -3, 4]),
        (("annotations", 0, "bbox"), [1, 2, 3]),
        (("annotations", 0, "bbox"), [float("nan"), 1, 2, 3]),
        (("annotations", 0, "area"), "a"),
        (("annotations", 0, "category_id"), 1.0),
        (("annotations", 0), [1]),
        (("categories", 0, "name"), 5),
    ],
)
def test_a_wrong_entry_of_annotations_is_named(tmp_path, path, value):
    images, objects, _ = coco.write(tmp_path)
    content = json.loads(objects.read_text())
    change(path, value)(content)
    objects.write_text(json.dumps(content))
    name = path[2] if len(path) > 2 else "image_id"
    with pytest.raises(
        ValueError, match=rf"{path[0]}\[0\] has a wrong '{name}', or none"
    ):
        vision.CocoDetection(images, objects)


def test_objects_without_an_area_have_that_of_their_box(tmp_path):
    images, objects, _ = coco.write(tmp_path)
    content = json.loads(objects.read_text())
    for note in content["annotations"]:
        del note["area"]
    objects.write_text(json.dumps(content))
    sample = vision.CocoDetection(images, objects)[0]
    left, top, right, bottom = sample["boxes"].T
    np.testing.assert_allclose(sample["area"], (right - left) * (bottom - top))


def test_a_mask_of_another_size_than_its_image_is_refused(tmp_path):
    images, objects, _ = coco.write(tmp_path)
    content = json.loads(objects.read_text())
    content["annotations"][0]["segmentation"] = {"size": [5, 5], "counts": [25]}
    objects.write_text(json.dumps(content))
    dataset = vision.CocoDetection(images, objects, masks="rle")
    with pytest.raises(ValueError, match=r"A mask is \(5, 5\), its image \(427, 640\)"):
        list(dataset)


def test_a_tar_with_a_size_below_zero_does_not_go_back(tmp_path):
    member = tarfile.TarInfo("a")
    header = bytearray(member.tobuf(tarfile.USTAR_FORMAT))
    header[124:136] = b"-0000001000\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "x.tar").write_bytes(bytes(header) + bytes(1024))
    with pytest.raises(ValueError, match="has a size of -512, so damaged"):
        TarIndex(tmp_path / "x.tar")


@pytest.mark.skipif(not shutil.which("tar"), reason="there is no tar")
@pytest.mark.parametrize("form", ["gnu", "posix"])
def test_files_with_holes_are_refused_in_any_format(tmp_path, form):
    with open(tmp_path / "holes", "wb") as file:
        file.truncate(1_000_000)
    tar = str(tmp_path / "x.tar")
    command = ["tar", "-C", str(tmp_path), f"--format={form}", "-Scf", tar, "holes"]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this tar has no -S")
    with pytest.raises(ValueError, match="has holes, which cannot be read so"):
        TarIndex(tar)


def test_a_tar_that_was_written_anew_is_not_read_by_the_old_index(tmp_path):
    def write(*names):
        with tarfile.open(tmp_path / "x.tar", "w") as tar:
            for name in names:
                member = tarfile.TarInfo(name)
                member.size = 5
                tar.addfile(member, io.BytesIO(name.encode() * 5))
        return tmp_path / "x.tar"

    index = TarIndex(write("a", "b"))
    assert index.read("a") == b"aaaaa"
    os.utime(write("b", "a"), ns=(1, 1))
    with pytest.raises(ValueError, match="a: the tar changed after it was indexed"):
        index.read("a")
    with pytest.raises(FileNotFoundError, match="TarIndex needs a tar; there is no"):
        TarIndex(tmp_path)
    with pytest.raises(TypeError, match="nested must be True or False"):
        TarIndex(tmp_path / "x.tar", nested="no")


def test_an_archive_with_a_changed_byte_is_refused(tmp_path, monkeypatch):
    from tntjax.vision import _cifar_files

    monkeypatch.setitem(_cifar_files.SIZES, "test", 10)
    rows = np.random.default_rng(0).integers(0, 10, (10, 3073), np.uint8)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        member = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        member.size = rows.size
        tar.addfile(member, io.BytesIO(rows.tobytes()))
    packed = bytearray(gzip.compress(file.getvalue(), 0))  # as it is, with its sum
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(packed)
    assert len(vision.cifar10("test", tmp_path)) == 10
    packed[5000] ^= 1
    path.write_bytes(packed)
    with pytest.raises(ValueError, match="is truncated or damaged: CRC"):
        vision.cifar10("test", tmp_path)
    with pytest.raises(ValueError, match="needs data_dir to be a folder; .* is a file"):
        vision.cifar10("test", path)


def write_tar(path, *names):
    with tarfile.open(path, "w") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 5
            tar.addfile(member, io.BytesIO(name[:1].encode() * 5))
    return path


@pytest.mark.parametrize("end", [1024, 2048])
def test_a_tar_without_a_mark_of_its_end_is_read_with_a_warning(tmp_path, end):
    path = write_tar(tmp_path / "x.tar", "a", "b")
    os.truncate(path, end)  # after a file
    with tarfile.open(path) as tar:
        names = tar.getnames()
    with pytest.warns(UserWarning, match="x.tar: the tar has no mark of its end"):
        index = TarIndex(path)
    assert list(index.names) == names == ["a", "b"][: len(names)]
    assert index.read("a") == b"aaaaa"
    os.truncate(path, end - 100)  # in the zeros that fill its last block
    with pytest.raises(ValueError, match="5 bytes, filled up to 512, but only 412"):
        TarIndex(path)


def test_an_inner_tar_without_a_mark_of_its_end_is_named(tmp_path):
    inner = write_tar(tmp_path / "n01.tar", "a", "b")
    os.truncate(inner, 1024)
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.add(inner, "n01.tar")
    with pytest.warns(UserWarning, match="n01.tar/ has no mark of its end"):
        assert list(TarIndex(tmp_path / "x.tar", nested=True).names) == ["n01.tar/a"]


def test_a_cache_that_cannot_be_written_says_what_to_do(tmp_path):
    path = write_tar(tmp_path / "x.tar", "a")
    (tmp_path / "file").write_bytes(b"")
    for cache in (tmp_path / "file" / "x.npz", tmp_path):
        with pytest.raises(
            OSError, match="the cache .* can't be written: .* leave cac"
        ):
            TarIndex(path, cache=cache)
    assert sorted(os.listdir(tmp_path)) == ["file", "x.tar"]


EMPTY = {
    "ImageFolder: root": lambda: vision.ImageFolder(""),
    "ImageNet: root": lambda: vision.ImageNet(""),
    "CocoDetection: images": lambda: vision.CocoDetection("", "x.json"),
    "CocoCaptions: annotations": lambda: vision.CocoCaptions("images", ""),
    "TarIndex: path": lambda: TarIndex(""),
    "TarIndex: cache": lambda: TarIndex("x.tar", cache=""),
    "mnist: data_dir": lambda: vision.mnist("train", ""),
    "cifar10: data_dir": lambda: vision.cifar10("train", ""),
}


@pytest.mark.parametrize("subject", EMPTY)
def test_an_empty_path_is_not_the_working_directory(subject):
    with pytest.raises(ValueError, match=f"{subject} must be a path, got ''. Write"):
        EMPTY[subject]()
    with pytest.raises(TypeError, match="ImageFolder: root must be a path, got None"):
        vision.ImageFolder(None)


def test_a_wrong_annotation_is_named_by_its_place(tmp_path):
    images, objects, captions = coco.write(tmp_path)
    content = json.loads(objects.read_text())
    content["annotations"][3]["bbox"] = [1, 2, 3]
    objects.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"annotations\[3\] has a wrong 'bbox'"):
        vision.CocoDetection(images, objects)
    content = json.loads(captions.read_text())
    content["annotations"][2]["caption"] = 5
    captions.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"annotations\[2\] has a wrong 'caption'"):
        vision.CocoCaptions(images, captions)


def test_a_mask_with_nan_is_refused():
    with pytest.raises(ValueError, match=r"none of them NaN.*rle_encode\(scores > 0"):
        vision.rle_encode(np.array([[0.0, np.nan]]))


@pytest.mark.parametrize("content", [b"P6\n1a 2 255\n", b"P5", b"P6 2 2 255\nabc"])
def test_whatever_a_damaged_image_raises_in_pillow_is_a_value_error(content):
    pytest.importorskip("PIL.Image")
    with pytest.raises(ValueError, match="decode_image: truncated or damaged: "):
        vision.decode_image(content)


def test_no_other_program_is_started_to_decode_a_page(monkeypatch):
    image = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    image.new("RGB", (8, 8)).save(file, "eps")
    for name in ("check_call", "Popen"):  # Pillow's way to Ghostscript
        monkeypatch.setattr(subprocess, name, None)
    with pytest.raises(ValueError, match="EPS has no pixels. Make a PNG of it"):
        vision.decode_image(file.getvalue())


@pytest.mark.parametrize("truth", ["one", "77"])
def test_a_damaged_list_of_labels_is_named(tmp_path, truth):
    from tests.vision.test_imagenet import devkit

    root = folder(tmp_path, "val/ILSVRC2012_val_00000001.JPEG")
    for name, content in devkit().items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(truth.encode() if "truth" in name else content)
    with pytest.raises(ValueError, match="the devkit's list of labels is damaged"):
        vision.ImageNet(root, "val")


def test_one_seed_is_needed_and_static_arguments_that_have_no_hash_are_refused():
    with pytest.raises(ValueError, match="example_keys needs one seed"):
        vision.example_keys([1, 2], 0, 1)
    with pytest.raises(TypeError, match=r"resize: size can't be \{4\}"):
        vision.resize(np.zeros((1, 8, 8, 3), np.uint8), {4})
