"""CocoCaptions: images with sentences that describe them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tntjax._check import check_function
from tntjax._struct import Opaque, child, describe, pytree, static
from tntjax._types import Sample
from tntjax.dataset._index_map import IndexMap
from tntjax.dataset._take import take_one_by_one
from tntjax.vision._coco_files import check_rows, is_text, read_annotations
from tntjax.vision._decode import decode_image
from tntjax.vision._image_files import FolderFiles, read_image
from tntjax.vision._names import Names


@pytree
class CocoCaptions(IndexMap):
    """COCO's images with their captions, five to seven for an image.

    Args:
      images: the folder, such as "coco/val2017".
      annotations: "coco/annotations/captions_val2017.json".
      decode: `bytes -> array`.

    Raises:
      FileNotFoundError, TypeError, ValueError: as CocoDetection.

    Example:
      >>> CocoCaptions("val2017", "captions_val2017.json", decode="rgb")
      Traceback (most recent call last):
      TypeError: CocoCaptions needs a function, but decode is 'rgb'.

    Samples, sorted by id: `input` uint8 [H, W, 3], `target` a list of strings in the
    order of the file, `image_id` int64 [].

    Purpose: captioning, and contrast of images and text.

    Source: https://cocodataset.org/#format-data; X. Chen et al., 2015.
    """

    images: str = static()
    annotations: str = static()
    decode: Callable[[bytes], Any] = static(default=decode_image, kw_only=True)
    files: FolderFiles = child(Opaque, init=False)
    captions: Names = child(Opaque, init=False)
    starts: np.ndarray = child(Opaque, init=False)
    ids: np.ndarray = child(Opaque, init=False)

    def __post_init__(self) -> None:
        check_function(self.decode, "CocoCaptions needs a function, but decode")

        def keep(note: dict[str, Any]) -> bool:
            if "caption" not in note:
                raise ValueError(
                    f"CocoCaptions: {self.annotations} has annotations without a"
                    f" caption, such as {describe(note)}. For boxes: CocoDetection."
                )
            check_rows(
                [note], {"caption": is_text}, f"CocoCaptions: {self.annotations}"
            )
            return True

        found = read_annotations(
            "CocoCaptions", self.images, self.annotations, keep, True
        )
        captions = Names.pack(note["caption"] for note in found.listed)
        made = {"files": found.files, "starts": found.starts, "ids": found.ids}
        for name, value in (made | {"captions": captions}).items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"CocoCaptions({self.images!r}, {self.annotations!r})"

    def _get(self, index: int) -> Sample:
        rows = range(self.starts[index], self.starts[index + 1])
        image = read_image(self.files, index, self.decode)
        captions = [self.captions[row] for row in rows]
        return {"input": image, "target": captions, "image_id": self.ids[index]}

    def _take(self, rows: Any) -> Sample:
        return take_one_by_one(self, rows, self._read_each)
