"""decode_image: what it is is told by the bytes, and pixels are Pillow's."""

import sys

import numpy as np
import pytest
from PIL import Image

from tests.vision.pictures import by_pillow, encode, in_mode, photo, pixels, save
from tntjax.vision import _decode, decode_image

ROTATED = {
    1: lambda image: image,
    2: np.fliplr,
    3: lambda image: image[::-1, ::-1],
    4: np.flipud,
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90,
}
"""Where the pixels go for each orientation of EXIF."""


@pytest.fixture
def slow_only(monkeypatch):
    monkeypatch.setattr(_decode, "_find_simplejpeg", lambda: None)


@pytest.fixture
def fast_only(monkeypatch):
    def refuse(*_):
        raise AssertionError("went to Pillow")

    monkeypatch.setattr(_decode, "_decode_with_pillow", refuse)


@pytest.mark.parametrize("subsampling", [0, 1, 2], ids=["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [False, True])
def test_the_fast_decoder_has_the_pixels_of_pillow(fast_only, subsampling, progressive):
    options = {"subsampling": subsampling, "progressive": progressive, "quality": 85}
    for image in (pixels("china"), pixels("flower")[:101, :77]):
        data = encode(image, **options)
        np.testing.assert_array_equal(decode_image(data), by_pillow(data))


def test_without_the_fast_decoder_pixels_are_the_same(slow_only):
    np.testing.assert_array_equal(decode_image(photo("china")), pixels("china"))


@pytest.mark.parametrize("size", [1, 54, 55, 107, 108, 213, 214, 215, 427, 9999])
def test_a_smaller_decode_is_the_same_by_both_and_keeps_the_least_size(
    monkeypatch, size
):
    fast = decode_image(photo("flower"), min_size=size)
    monkeypatch.setattr(_decode, "_find_simplejpeg", lambda: None)
    np.testing.assert_array_equal(decode_image(photo("flower"), min_size=size), fast)
    sides = (54, 107, 214, 427)  # of the lower side
    assert min(fast.shape[:2]) == len(fast)
    assert len(fast) == min(side for side in sides if side >= min(size, 427))


def test_a_smaller_decode_looks_like_the_image():
    small = decode_image(photo("china"), min_size=200)
    pillow = Image.fromarray(pixels("china")).resize(small.shape[1::-1])
    assert np.abs(small.astype(int) - np.asarray(pillow)).mean() < 6


def test_a_png_named_jpeg_is_a_png():
    data = encode(pixels("china"), "png")
    np.testing.assert_array_equal(decode_image(data, min_size=9), pixels("china"))


@pytest.mark.parametrize("fast", [True, False])
def test_cmyk_and_ycck_are_left_to_pillow(monkeypatch, fast):
    if not fast:
        monkeypatch.setattr(_decode, "_find_simplejpeg", lambda: None)
    for options in ({}, {"quality": 60, "subsampling": 2}):
        data = save(in_mode("CMYK"), **options)
        image = decode_image(data)
        np.testing.assert_array_equal(image, by_pillow(data))
        assert image.shape == (64, 96, 3)
    ycck = adobe_transform(save(in_mode("CMYK")), 2)
    assert simplejpeg_space(ycck) == "YCCK"
    np.testing.assert_array_equal(decode_image(ycck), by_pillow(ycck))


def adobe_transform(data, transform):
    """Changes what Adobe's marker says of the colours: 2 is YCCK."""
    place = data.index(b"Adobe") + 11
    return data[:place] + bytes([transform]) + data[place + 1 :]


def simplejpeg_space(data):
    import simplejpeg

    return simplejpeg.decode_jpeg_header(data)[2]


@pytest.mark.parametrize("format", ["jpeg", "png"])
def test_grey_is_repeated(format):
    data = save(in_mode("L"), format)
    image = decode_image(data)
    assert image.shape == (64, 96, 3)
    np.testing.assert_array_equal(image, by_pillow(data))
    assert (image == image[..., :1]).all()


def test_alpha_is_dropped_and_colours_stay():
    see_through = in_mode("RGBA")
    see_through.putalpha(3)
    data = save(see_through, "png")
    np.testing.assert_array_equal(decode_image(data), pixels("china")[:64, :96])
    grey = decode_image(save(in_mode("LA"), "png"))
    np.testing.assert_array_equal(grey, decode_image(save(in_mode("L"), "png")))


def test_a_palette_with_a_transparent_colour_is_read_without_a_warning():
    palette = in_mode("P")
    data = save(palette, "png", transparency=bytes([0, 128] * 20))
    expected = np.asarray(palette.convert("RGB"))
    np.testing.assert_array_equal(decode_image(data), expected)


def test_of_16_bits_the_upper_8_are_kept():
    deep = np.arange(64 * 96, dtype=np.uint16).reshape(64, 96) * 10
    image = decode_image(save(Image.fromarray(deep), "png"))
    np.testing.assert_array_equal(image[..., 1], deep >> 8)
    assert image.shape == (64, 96, 3) and image.dtype == np.uint8


def test_one_bit_is_black_and_white():
    image = decode_image(save(in_mode("1"), "png"))
    assert set(np.unique(image)) == {0, 255}


def test_floats_are_refused():
    data = save(Image.fromarray(np.zeros((4, 4), np.float32)), "tiff")
    with pytest.raises(ValueError, match="floats has no range"):
        decode_image(data)


def test_an_animation_is_its_first_frame():
    frames = [Image.fromarray(np.full((8, 8), v, np.uint8)) for v in (50, 200)]
    data = save(frames[0], "gif", save_all=True, append_images=frames[1:])
    assert (decode_image(data) == 50).all()


@pytest.mark.parametrize("orientation", ROTATED)
def test_exif_turns_an_image_only_when_asked(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    data = save(in_mode("RGB"), exif=exif)
    plain = decode_image(save(in_mode("RGB")))
    np.testing.assert_array_equal(decode_image(data), plain)
    turned = decode_image(data, rotate=True)
    np.testing.assert_array_equal(turned, ROTATED[orientation](plain))


def test_a_damaged_exif_block_spoils_nothing_and_only_pillow_warns(monkeypatch):
    data = save(in_mode("RGB"), exif=b"Exif\0\0II*\0\x08\0\0\0\xff\0junk")
    plain = decode_image(save(in_mode("RGB")))
    np.testing.assert_array_equal(decode_image(data), plain)
    monkeypatch.setattr(_decode, "_find_simplejpeg", lambda: None)
    with pytest.warns(UserWarning, match="Truncated File Read|EXIF"):
        np.testing.assert_array_equal(decode_image(data), plain)


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99])
@pytest.mark.parametrize("format", ["jpeg", "png"])
def test_what_is_truncated_is_an_error(kept, format):
    data = encode(pixels("china"), format)
    with pytest.raises(ValueError, match="decode_image: (truncated|no image)"):
        decode_image(data[: int(kept * len(data))])


def test_junk_between_the_parts_of_a_jpeg_is_skipped_as_pillow_does():
    data = photo("china")
    marker = data.index(b"\xff\xdb")
    junk = data[:marker] + b"\0\0junk" + data[marker:]
    import simplejpeg

    with pytest.raises(ValueError):
        simplejpeg.decode_jpeg(junk)
    np.testing.assert_array_equal(decode_image(junk), pixels("china"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no bytes: an empty file"),
        (b"<html>404</html>", "no image that Pillow knows; it begins with b'<html>40'"),
        (b"\xff\xd8\xff" + b"x" * 50, "no image|truncated"),
    ],
)
def test_what_is_no_image_is_an_error(data, message):
    with pytest.raises(ValueError, match=message):
        decode_image(data)


def test_a_path_is_not_the_bytes_of_a_file():
    with pytest.raises(TypeError, match="bytes of a file, got str; of a path, pathlib"):
        decode_image("photo.jpg")


@pytest.mark.parametrize(
    ("option", "error"),
    [({"min_size": 0}, ValueError), ({"min_size": 9.5}, TypeError)]
    + [({"rotate": "no"}, TypeError)],
)
def test_wrong_options_are_refused(option, error):
    with pytest.raises(error, match=f"decode_image: {next(iter(option))} must be"):
        decode_image(photo("china"), **option)


def test_pillow_that_is_missing_is_named(monkeypatch, slow_only):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ImportError, match=r'pip install "tntjax\[vision\]"'):
        decode_image(photo("china"))


def test_simplejpeg_that_is_missing_is_done_without(monkeypatch):
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    _decode._find_simplejpeg.cache_clear()
    try:
        np.testing.assert_array_equal(decode_image(photo("china")), pixels("china"))
        assert _decode._find_simplejpeg() is None
    finally:
        _decode._find_simplejpeg.cache_clear()


def test_the_array_is_writable_and_its_own():
    for data in (photo("china"), encode(pixels("china"), "png")):
        assert decode_image(data).flags.writeable
