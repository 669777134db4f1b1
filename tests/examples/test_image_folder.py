"""The example of folders of images: on the digits inside, and on photos in a tar."""

import re
import tarfile

import pytest

from tests.vision.pictures import encode, pixels


def accuracy(line):
    return float(re.search(r"accuracy +([\d.]+) %", line)[1])


@pytest.mark.slow
def test_learns_digits_that_lie_in_folders(run_example):
    lines = run_example("image_folder.py", "--epochs=2")
    assert lines[1] == "6000 images of 10 classes"
    assert [line.split()[0] for line in lines[2:]] == ["epoch", "epoch", "test:"]
    assert accuracy(lines[-1]) > 80


@pytest.mark.slow
def test_tells_photos_of_a_tar_from_each_other(run_example, tmp_path):
    with tarfile.open(tmp_path / "photos.tar", "w") as tar:
        for name in ("china", "flower"):
            (tmp_path / name).mkdir()
            for number in range(40):
                top, left = 37 * number % 327, 61 * number % 540
                part = pixels(name)[top : top + 100, left : left + 100]
                (tmp_path / name / f"{number}.jpg").write_bytes(encode(part))
            tar.add(tmp_path / name, name)
    options = [f"--root={tmp_path}/photos.tar", "--epochs=10", "--batch-size=16"]
    lines = run_example("image_folder.py", *options)
    assert lines[0] == "80 images of 2 classes" and len(lines) == 12
    assert accuracy(lines[-1]) > 80
