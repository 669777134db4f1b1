"""A small COCO of real photos: polygons, runs, crowds, empty images, ids with gaps."""

import json

import numpy as np
from pycocotools import mask as pycocotools_mask

from tests.vision.pictures import encode, in_mode, photo, pixels, save

IMAGES = {9: photo("flower"), 7: photo("china"), 400_001: save(in_mode("L"))}
IMAGES |= {12: encode(pixels("china")[:120, :90])}
SIZES = {9: (427, 640), 7: (427, 640), 400_001: (64, 96), 12: (120, 90)}
CATEGORIES = [{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}]
CATEGORIES += [{"id": 13, "name": "stop sign"}]


def bright(name, least):
    """A mask of real shapes: what is brighter than `least`."""
    return pixels(name).mean(-1) > least


def runs(mask):
    """Uncompressed RLE, as a crowd has it."""
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=False))
    counts = np.diff(edges, prepend=0, append=flat.size).tolist()
    return {"size": list(mask.shape), "counts": counts}


def note(number, image_id, category_id, bbox, segmentation, area, iscrowd=0):
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": bbox,
        "segmentation": segmentation,
        "area": area,
        "iscrowd": iscrowd,
    }


def annotations():
    crowd = runs(bright("flower", 128))
    packed = pycocotools_mask.encode(np.asfortranarray(bright("china", 200), np.uint8))
    packed["counts"] = packed["counts"].decode()
    hexagon = [300.5, 100, 420.2, 120.7, 480, 210, 420, 305.5, 300, 290, 260, 200]
    square = [10, 10, 60, 10, 60, 60, 10, 60]
    triangle = [100.0, 20.0, 180.5, 30.25, 120.0, 90.75]
    return [
        note(31, 9, 90, [260, 100, 220, 205.5], [hexagon], 31_000.5),
        note(5, 7, 1, [10, 10, 170.5, 80.75], [square, triangle], 5000.25),
        note(8, 9, 1, [0, 0, 640, 427], crowd, int(bright("flower", 128).sum()), 1),
        note(77, 7, 13, [0, 0, 640, 300], packed, int(bright("china", 200).sum())),
        note(78, 9, 13, [5.5, 6.5, 0, 12], [square], 0),
        note(2, 12, 1, [0, 1, 2, 3], [[0, 1, 2, 1, 2, 4, 0, 4]], 6),
    ]


CAPTIONS = [
    (7, "A palace."),
    (9, "Red flowers,\nclose."),
    (7, "Ein Palast: 花"),
    (12, ""),
]
CAPTIONS += [(400_001, "grey")]


def write(folder, **changes):
    """Returns the folder of images and the paths of the two files of annotations."""
    images = folder / "val2017"
    images.mkdir(parents=True, exist_ok=True)
    (folder / "annotations").mkdir(exist_ok=True)
    listed = []
    for number, content in IMAGES.items():
        (images / f"{number:012}.jpg").write_bytes(content)
        height, width = SIZES[number]
        row = {"id": number, "height": height, "width": width, "license": 3}
        listed.append(row | {"file_name": f"{number:012}.jpg"})
    content = {"images": listed, "categories": CATEGORIES, "annotations": annotations()}
    texts = enumerate(CAPTIONS)
    notes = [{"id": n, "image_id": i, "caption": text} for n, (i, text) in texts]
    paths = [folder / "annotations" / f"{n}_val2017.json" for n in ("inst", "caps")]
    paths[0].write_text(json.dumps(content | changes))
    paths[1].write_text(json.dumps({"images": listed, "annotations": notes}))
    return images, *paths
