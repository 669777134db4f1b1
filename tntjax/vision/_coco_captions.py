"""CocoCaptions: images with sentences that describe them."""

from tntjax._struct import pytree
from tntjax._types import Sample
from tntjax.vision._coco_files import CocoImages, is_text, read_annotations
from tntjax.vision._image_files import check_decode, read_image
from tntjax.vision._names import Names


@pytree
class CocoCaptions(CocoImages):
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

    def __post_init__(self) -> None:
        check_decode(self)
        needed, hint = {"caption": is_text}, "For boxes: CocoDetection."
        found = read_annotations(self, needed, hint, bool, True)
        captions = Names.pack(note["caption"] for note in found.notes)
        columns = found.columns | {"captions": captions}
        vars(self).update(files=found.files, columns=columns)

    def _get(self, index: int) -> Sample:
        rows = range(*self.columns["starts"][index : index + 2])
        return {
            "input": read_image(self, index),
            "target": [self.columns["captions"][row] for row in rows],
            "image_id": self.columns["ids"][index],
        }
