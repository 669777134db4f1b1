"""ImageNet in its three layouts, with the odd files that it is known for."""

import io
import pickle
import tarfile

import numpy as np
import pytest

from tests.required import require
from tests.vision.pictures import by_pillow, crop, encode, in_mode, photo, save
from tests.vision.test_image_folder import write
from tntjax.vision import ImageNet

WORDS = {
    "n02012849": "crane",
    "n02105855": "Shetland sheepdog, Shetland sheep dog, Shetland",
    "n03126707": "crane",
    "n04258138": "solar dish, solar collector, solar furnace",
}
NUMBERS = {"n03126707": 1, "n04258138": 2, "n02012849": 3, "n02105855": 4}
"""The devkit's, in another order than the synsets."""

TRAIN = {
    "n02012849/n02012849_10.JPEG": encode(crop("china", 0, 0, 64)),
    "n02012849/n02012849_9.JPEG": save(in_mode("L")),
    "n02105855/n02105855_2933.JPEG": encode(crop("flower", 9, 9, 64), "png"),
    "n03126707/n03126707_1.JPEG": photo("china"),
    "n04258138/n04258138_17003.JPEG": save(in_mode("CMYK")),
}
VAL = ["n04258138", "n02012849", "n03126707", "n02012849", "n02105855"]
IMAGES = [encode(crop("flower", 10 * n, 0, 48)) for n in range(len(VAL))]
STEMS = [f"ILSVRC2012_val_{n + 1:08}" for n in range(len(VAL))]


def pack(files):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def in_classes():
    pairs = zip(VAL, STEMS, IMAGES, strict=True)
    return {f"{wnid}/{stem}.JPEG": image for wnid, stem, image in pairs}


def flat():
    return {f"{s}.JPEG": image for s, image in zip(STEMS, IMAGES, strict=True)}


def tar_of_tars():
    inner = {}
    for wnid in ("n04258138", "n02012849", "n03126707", "n02105855"):
        files = {name[10:]: TRAIN[name] for name in TRAIN if name.startswith(wnid)}
        inner[f"{wnid}.tar"] = pack(files)
    return pack(inner)


def devkit():
    """`meta.mat` with one group of classes, and the truth of the validation set."""
    import scipy.io

    fields = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children"]
    rows = np.zeros((len(NUMBERS) + 1, 1), [(name, object) for name in fields])
    for row, (wnid, number) in enumerate(NUMBERS.items()):
        rows[row, 0] = (np.uint8(number), wnid, WORDS[wnid], "a gloss", np.uint8(0))
    rows[-1, 0] = (np.uint8(9), "n02084071", "dog, domestic dog", "...", np.uint8(3))
    file = io.BytesIO()
    scipy.io.savemat(file, {"synsets": rows})
    truth = "".join(f"{NUMBERS[wnid]}\n" for wnid in VAL).encode()
    return {
        "ILSVRC2012_devkit_t12/data/meta.mat": file.getvalue(),
        "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt": truth,
    }


def kaggle():
    boxes = ["ImageId,PredictionString"]
    for wnid, stem in reversed(list(zip(VAL, STEMS, strict=True))):
        boxes.append(f"{stem},{wnid} 1 2 30 40 {wnid} 5 5 9 9 ")
    mapping = "".join(f"{wnid} {words}\n" for wnid, words in WORDS.items())
    return {
        "LOC_val_solution.csv": "\n".join(boxes).encode() + b"\n",
        "LOC_synset_mapping.txt": mapping.encode(),
    }


def below(folder, files):
    return {f"{folder}/{name}": content for name, content in files.items()}


def gzipped(files):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


LAYOUTS = {
    "folders": lambda: below("train", TRAIN) | below("val", in_classes()),
    "folders and devkit": lambda: LAYOUTS["folders"]() | devkit(),
    "flat folder": lambda: below("train", TRAIN) | below("val", flat()) | devkit(),
    "tars": lambda: (
        {"ILSVRC2012_img_train.tar": tar_of_tars()}
        | {"ILSVRC2012_img_val.tar": pack(flat())}
        | {"ILSVRC2012_devkit_t12.tar.gz": gzipped(devkit())}
    ),
    "kaggle": lambda: (
        below("ILSVRC/Data/CLS-LOC/train", TRAIN)
        | below("ILSVRC/Data/CLS-LOC/val", flat())
        | kaggle()
    ),
}

every_layout = pytest.mark.parametrize("layout", LAYOUTS)


@every_layout
def test_train_is_the_same_in_each_layout(tmp_path, layout):
    dataset = ImageNet(write(tmp_path, LAYOUTS[layout]()))
    assert dataset.targets.tolist() == [0, 0, 1, 2, 3] and len(dataset) == 5
    assert dataset.wnids == tuple(WORDS)
    for sample, content in zip(dataset, TRAIN.values(), strict=True):
        np.testing.assert_array_equal(sample["input"], by_pillow(content))
    assert dataset[2]["target"].dtype == np.int32
    assert dataset.where(3).endswith("n03126707_1.JPEG")


@every_layout
def test_val_is_the_same_in_each_layout(tmp_path, layout):
    dataset = ImageNet(write(tmp_path, LAYOUTS[layout]()), "val")
    assert dataset.targets.tolist() == [0, 0, 1, 2, 3]
    for sample, place in zip(dataset, [1, 3, 4, 2, 0], strict=True):
        np.testing.assert_array_equal(sample["input"], by_pillow(IMAGES[place]))


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "folders"])
def test_classes_have_the_names_of_their_synset_and_two_are_cranes(tmp_path, layout):
    dataset = ImageNet(write(tmp_path, LAYOUTS[layout]()), "val")
    assert dataset.names[0] == dataset.names[2] == ("crane",)
    assert dataset.names[1][0] == "Shetland sheepdog" and len(dataset.names[1]) == 3
    assert len(dataset.names) == len(dataset.wnids) == 4


def test_without_a_list_of_names_a_class_is_called_by_its_synset(tmp_path):
    dataset = ImageNet(write(tmp_path, LAYOUTS["folders"]()))
    assert dataset.names[0] == ("n02012849",)


def test_the_files_of_kaggle_may_begin_with_a_byte_order_mark(tmp_path):
    files = LAYOUTS["kaggle"]()
    for name in ("LOC_synset_mapping.txt", "LOC_val_solution.csv"):
        files[name] = b"\xef\xbb\xbf" + files[name].replace(b"\n", b"\r\n")
    dataset = ImageNet(write(tmp_path, files), "val")
    assert dataset.targets.tolist() == [0, 0, 1, 2, 3]
    assert dataset.wnids == tuple(WORDS) and dataset.names[0] == ("crane",)


@pytest.mark.parametrize("name", ["LOC_synset_mapping.txt", "LOC_val_solution.csv"])
def test_a_file_of_kaggle_that_is_no_text_is_named(tmp_path, name):
    files = LAYOUTS["kaggle"]()
    write(tmp_path, files | {name: files[name] + b"\xe9"})
    with pytest.raises(ValueError, match=f"{name} is damaged or no text: 'utf-8'"):
        ImageNet(tmp_path, "val")


def test_the_target_is_the_rank_among_all_synsets_though_folders_are_missing(tmp_path):
    files = LAYOUTS["folders and devkit"]()
    write(tmp_path, {k: v for k, v in files.items() if "n02105855" not in k})
    assert ImageNet(tmp_path).targets.tolist() == [0, 0, 2, 3]
    assert ImageNet(tmp_path, "val").targets.tolist() == [0, 0, 2, 3]


def test_the_synsets_of_wordnet_have_these_names():
    path = require("/usr/share/wordnet/data.noun", "wordnet-base")
    with open(path, encoding="ascii") as file:
        lines = [line for line in file if line[:8] in {wnid[1:] for wnid in WORDS}]
    for line in lines:
        words = line.split(" ")[4 : 4 + 2 * int(line.split(" ")[3], 16) : 2]
        assert WORDS[f"n{line[:8]}"].split(", ") == [w.replace("_", " ") for w in words]
    assert len(lines) == 4


def test_exif_does_not_turn_an_image(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[274] = 6
    turned = {"train/n02012849/n02012849_1.JPEG": save(in_mode("RGB"), exif=exif)}
    assert ImageNet(write(tmp_path, turned))[0]["input"].shape == (64, 96, 3)


def test_the_index_of_a_tar_is_kept(tmp_path, monkeypatch):
    write(tmp_path, LAYOUTS["tars"]())
    cache = str(tmp_path / "train.npz")
    dataset = ImageNet(tmp_path, cache=cache)
    monkeypatch.setattr("tntjax.vision._tar_index.list_members", None)
    again = ImageNet(tmp_path, cache=cache)
    sent = pickle.loads(pickle.dumps(dataset))
    for other in (again, sent):
        np.testing.assert_array_equal(other[4]["input"], dataset[4]["input"])


@pytest.mark.parametrize("split", ["train", "val"])
def test_what_is_missing_is_told_with_place_licence_and_layout(tmp_path, split):
    with pytest.raises(FileNotFoundError) as caught:
        ImageNet(tmp_path, split)
    text = str(caught.value)
    assert f"the {split} split is not on this machine" in text
    assert f"{tmp_path}/ILSVRC2012_img_{split}.tar" in text
    assert "with an account at https://image-net.org" in text
    assert "research only" in text and "nXXXXXXXX/*.JPEG" in text


def test_missing_labels_are_told(tmp_path):
    write(tmp_path, below("val", flat()))
    with pytest.raises(FileNotFoundError, match="synset of each validation image"):
        ImageNet(tmp_path, "val")
    truth = {k: v for k, v in devkit().items() if "truth" in k}
    write(tmp_path, truth)
    with pytest.raises(FileNotFoundError, match="synset of each validation image"):
        ImageNet(tmp_path, "val")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.pop(f"val/{STEMS[2]}.JPEG"), "there are 4 images and 5 labels"),
        (
            lambda f: f.update({"val/ILSVRC2012_val_00000009.JPEG": IMAGES[0]}),
            r"6 images and 5 labels .*\['ILSVRC2012_val_00000009'\] are in one alone",
        ),
        (
            lambda f: f.update({f"val/again/{STEMS[0]}.JPEG": IMAGES[3]}),
            rf"val/{STEMS[0]}.JPEG and .*again/{STEMS[0]}.JPEG are for one label",
        ),
        (lambda f: f.update({f"val/{STEMS[0]}.png": IMAGES[3]}), "are for one label"),
    ],
)
def test_images_and_labels_that_do_not_match_are_an_error(tmp_path, change, message):
    files = below("val", flat()) | devkit()
    change(files)
    write(tmp_path, files)
    with pytest.raises(ValueError, match=message):
        ImageNet(tmp_path, "val")


def test_folders_and_labels_that_are_no_synsets_are_an_error(tmp_path):
    strange = {"train/n99999999/1.JPEG": IMAGES[0]}
    write(tmp_path, LAYOUTS["folders and devkit"]() | strange)
    with pytest.raises(ValueError, match=r"\['n99999999'\] are folders of images, but"):
        ImageNet(tmp_path)
    other = write(tmp_path / "kaggle", LAYOUTS["kaggle"]())
    (other / "LOC_synset_mapping.txt").write_text("n02012849 crane\n")
    with pytest.raises(ValueError, match=r"LOC_val_solution.csv are no synsets of"):
        ImageNet(other, "val")


def test_a_decoder_that_is_no_function_and_an_unknown_split_are_refused(tmp_path):
    with pytest.raises(TypeError, match="ImageNet needs a function, but decode is 3"):
        ImageNet(tmp_path, decode=3)
    with pytest.raises(ValueError, match="split 'train', 'val' or 'test', got 'dev'"):
        ImageNet(tmp_path, "dev")
    dataset = ImageNet(write(tmp_path, LAYOUTS["folders"]()), "val")
    assert repr(dataset) == f"ImageNet('{tmp_path}', 'val')"
