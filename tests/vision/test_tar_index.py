"""TarIndex: one pass, then any file at random, from any number of processes."""

import io
import multiprocessing
import os
import pickle
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.vision.pictures import encode, photo, pixels
from tntjax.vision import TarIndex

FILES = {
    "a/china.jpg": photo("china"),
    "a/empty.txt": b"",
    "b/" + "long" * 10 + "/" + "long" * 20 + ".jpg": encode(pixels("flower")[:50, :50]),
    "b/Blüte 花.png": encode(pixels("flower")[:20, :30], "png"),
    "exact.bin": bytes(range(256)) * 4,
}
FORMATS = {
    "ustar": tarfile.USTAR_FORMAT,
    "gnu": tarfile.GNU_FORMAT,
    "pax": tarfile.PAX_FORMAT,
}


def write(path, files, format=tarfile.GNU_FORMAT):
    with tarfile.open(path, "w", format=format) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return str(path)


def packed(files, **options):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", **options) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


@pytest.mark.parametrize("format", FORMATS)
def test_each_file_is_read_by_its_index_and_by_its_name(tmp_path, format):
    path = write(tmp_path / "x.tar", FILES, FORMATS[format])
    index = TarIndex(path)
    assert list(index.names) == list(FILES) and len(index) == len(FILES)
    for number in np.random.default_rng(0).permutation(len(FILES)):
        assert index.read(number) == FILES[index.names[number]]
    for name, content in FILES.items():
        assert index.read(name) == content
    assert index.sizes.tolist() == list(map(len, FILES.values()))


def test_the_offsets_are_those_of_tarfile(tmp_path):
    path = write(tmp_path / "x.tar", FILES, tarfile.PAX_FORMAT)
    with tarfile.open(path) as tar:
        expected = [member.offset_data for member in tar.getmembers()]
    assert TarIndex(path).offsets.tolist() == expected


def test_a_tar_in_a_tar_is_read_without_unpacking(tmp_path):
    inner = {"n02.tar": packed(FILES), "n01.tar": packed({"z.jpg": b"z"})}
    path = write(tmp_path / "train.tar", inner | {"readme": b"r"})
    index = TarIndex(path, nested=True)
    expected = [f"n02.tar/{name}" for name in FILES] + ["n01.tar/z.jpg", "readme"]
    assert list(index.names) == expected
    assert index.read("n02.tar/a/china.jpg") == photo("china")
    assert index.read("n01.tar/z.jpg") == b"z"
    assert list(TarIndex(path).names) == ["n02.tar", "n01.tar", "readme"]
    assert TarIndex(path).read(1) == inner["n01.tar"]


def test_folders_links_and_a_leading_dot_are_left_out(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for name, kind in (("./d", tarfile.DIRTYPE), ("./link", tarfile.SYMTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "x" * 120
            tar.addfile(member)
        member = tarfile.TarInfo("./d/file")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"abc"))
    index = TarIndex(tmp_path / "x.tar")
    assert list(index.names) == ["d/file"] and index.read(0) == b"abc"


@pytest.mark.parametrize("format", FORMATS)
def test_hard_links_are_the_files_that_they_lead_to(tmp_path, format):
    folder, path = tmp_path / ("long" * 20) / "c", tmp_path / "x.tar"
    folder.mkdir(parents=True)
    (folder / "1.bin").write_bytes(b"abc")
    os.link(folder / "1.bin", folder / "2.bin")
    with tarfile.open(path, "w", format=FORMATS[format]) as tar:
        tar.add(folder / "1.bin", f"./{folder.parent.name}/1.bin")
        tar.add(folder / "2.bin", f"./{folder.parent.name}/2.bin")
        assert tar.getmembers()[1].islnk()
    index = TarIndex(path)
    assert len(index) == 2 and index.read(1) == index.read(0) == b"abc"
    assert index.names[1].endswith("/2.bin")


def test_a_hard_link_to_a_file_that_is_not_there_is_an_error(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        member = tarfile.TarInfo("2.bin")
        member.type, member.linkname = tarfile.LNKTYPE, "1.bin"
        tar.addfile(member)
    with pytest.raises(ValueError, match=r"x.tar has a link to a file that it lacks"):
        TarIndex(tmp_path / "x.tar")


def test_of_a_file_that_was_added_anew_the_last_counts_as_when_it_is_extracted(
    tmp_path,
):
    path = write(tmp_path / "x.tar", {"a": b"old", "b": b"other"})
    with tarfile.open(path, "a") as tar:
        member = tarfile.TarInfo("a")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"new!"))
    index = TarIndex(path)
    assert (
        list(index.names) == ["a", "b"] and index.read(0) == index.read("a") == b"new!"
    )


def test_a_file_that_is_larger_than_one_read_is_read(tmp_path, monkeypatch):
    path = write(tmp_path / "x.tar", FILES)
    monkeypatch.setattr("tntjax.vision._tar_index.MOST", 100)
    index = TarIndex(path)
    for name, content in FILES.items():
        assert index.read(name) == content


def test_a_size_beyond_octal_digits_is_read(tmp_path):
    path = tmp_path / "x.tar"
    write(path, {"big": b"abc"})
    content = bytearray(path.read_bytes())
    content[124:136] = b"\x80" + (3).to_bytes(11, "big")
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    path.write_bytes(content)
    assert TarIndex(path).read("big") == b"abc"


def test_pickled_it_reads_the_same_and_is_small(tmp_path):
    names = {f"class/{number:05}.jpg": b"%d" % number for number in range(3000)}
    path = write(tmp_path / "x.tar", names)
    index = TarIndex(path)
    index.find("class/00007.jpg")  # what is cached for that stays here
    sent = pickle.dumps(index)
    assert len(sent) < 45 * len(names)
    assert pickle.loads(sent).read(1234) == b"1234"
    cached = pickle.dumps(TarIndex(path, cache=tmp_path / "x.npz"))
    assert len(cached) < 400
    assert pickle.loads(cached).read(1234) == b"1234"


def test_no_file_is_held_open(tmp_path):
    index = TarIndex(write(tmp_path / "x.tar", FILES))
    index.read(0)
    held = [os.readlink(f"/proc/self/fd/{fd}") for fd in open_files()]
    assert not [name for name in held if name.endswith("x.tar")]


def open_files():
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc")
    return [fd for fd in os.listdir("/proc/self/fd") if os.path.islink(link(fd))]


def link(fd):
    return f"/proc/self/fd/{fd}"


def test_threads_read_at_once(tmp_path):
    index = TarIndex(write(tmp_path / "x.tar", FILES))
    with ThreadPoolExecutor(8) as threads:
        numbers = [n % len(FILES) for n in range(200)]
        contents = list(threads.map(index.read, numbers))
    assert contents == [list(FILES.values())[n] for n in numbers]


def build_and_read(path, cache, rounds):
    for _ in range(rounds):
        index = TarIndex(path, nested=True, cache=cache)
        for number in range(len(index)):
            assert index.read(number) == index.names[number].encode()
        if os.getpid() % 2:
            Path(cache).unlink(missing_ok=True)


@pytest.mark.slow
def test_two_processes_build_the_cache_and_read_at_once(tmp_path):
    inner = {f"n{k}.tar": packed({f"{i}": b"n%d.tar/%d" % (k, i) for i in range(50)})
             for k in range(5)}  # fmt: skip
    path, cache = write(tmp_path / "x.tar", inner), str(tmp_path / "x.npz")
    context = multiprocessing.get_context("spawn")
    arguments = path, cache, 20
    both = [context.Process(target=build_and_read, args=arguments) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("damage", ["other tar", "cut", "packing", "pickle", "nested"])
def test_a_cache_that_does_not_belong_is_made_anew(tmp_path, damage):
    path, cache = tmp_path / "x.tar", tmp_path / "deep" / "x.npz"
    write(path, FILES)
    TarIndex(path, cache=cache)
    if damage == "other tar":
        write(path, {"new": b"content"})
    elif damage == "cut":
        cache.write_bytes(cache.read_bytes()[:300])
    elif damage == "packing":
        at = cache.read_bytes().index(b"PK\1\2") + 10  # how its first array is packed
        with open(cache, "r+b") as file:
            file.seek(at)
            file.write(b"\7")
    elif damage == "pickle":
        np.savez(cache, stamp=np.array([print]))
    index = TarIndex(path, nested=damage == "nested", cache=cache)
    assert list(index.names) == (["new"] if damage == "other tar" else list(FILES))
    again = TarIndex(path, nested=damage == "nested", cache=cache)
    assert list(again.names) == list(index.names)


def test_a_cache_spares_the_pass(tmp_path, monkeypatch):
    path = write(tmp_path / "x.tar", FILES)
    TarIndex(path, cache=tmp_path / "x.npz")
    monkeypatch.setattr("tntjax.vision._tar_index.list_members", None)
    assert (
        TarIndex(path, cache=tmp_path / "x.npz").read("exact.bin")
        == (FILES["exact.bin"])
    )


def test_a_cache_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    path = write(tmp_path / "x.tar", FILES)

    def refuse(*_, **__):
        raise OSError("no space left")

    monkeypatch.setattr("numpy.savez", refuse)
    with pytest.raises(OSError, match="no space left"):
        TarIndex(path, cache=tmp_path / "x.npz")
    assert [file.name for file in tmp_path.iterdir()] == ["x.tar"]


@pytest.mark.parametrize("mode", ["gz", "bz2", "xz"])
def test_a_packed_tar_is_refused_with_what_to_do(tmp_path, mode):
    with tarfile.open(tmp_path / "x.tar", f"w:{mode}") as tar:
        tar.addfile(tarfile.TarInfo("a"))
    with pytest.raises(ValueError, match="packed with .* unpack it to a plain .tar"):
        TarIndex(tmp_path / "x.tar")


@pytest.mark.parametrize("nested", [False, True])
def test_a_tar_that_is_cut_short_is_refused(tmp_path, nested):
    path = tmp_path / "x.tar"
    write(path, {"n01.tar": packed(FILES)})
    content = path.read_bytes()
    path.write_bytes(content[: len(photo("china")) // 2])
    with pytest.raises(ValueError, match=r"byte 0: 'n01.tar' should have .*cut short"):
        TarIndex(path, nested=nested)


def test_a_damaged_header_in_the_middle_is_an_error_and_not_the_end(tmp_path):
    path = tmp_path / "x.tar"
    write(path, {"first": b"1", "second": b"2"})
    content = bytearray(path.read_bytes())
    content[1024 + 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="byte 1,024 should begin a member"):
        TarIndex(path)
    with tarfile.open(path) as tar:  # which takes it for the end
        assert tar.getnames() == ["first"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no files"),
        (bytes(10240), "holds no files"),
        (b"no tar at all " * 100, "byte 0 should begin a member, but is no header"),
        (b"x" * 100, "another kind of file, damaged, or cut short"),
    ],
)
def test_what_is_no_tar_is_refused(tmp_path, content, message):
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        TarIndex(tmp_path / "x.tar")


def raw_member(kind, content, name="x", size=None):
    """One member of any kind, with a right sum."""
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, len(content) if size is None else size
    return member.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (raw_member(b"x", b"zz path=a\n"), "a damaged pax header"),
        (raw_member(b"x", b"999 path=a\n"), "a damaged pax header"),
        (raw_member(b"L", bytes(2 << 20)), "a header of 2,097,152 bytes, so damaged"),
        (raw_member(b"S", b""), "has holes"),
    ],
)
def test_damaged_extensions_are_refused(tmp_path, content, message):
    (tmp_path / "x.tar").write_bytes(content + bytes(1024))
    with pytest.raises(ValueError, match=message):
        TarIndex(tmp_path / "x.tar")


def test_a_tar_that_shrank_is_an_error_when_it_is_read(tmp_path):
    path = write(tmp_path / "x.tar", FILES)
    index = TarIndex(path)
    os.truncate(path, 2000)
    with pytest.raises(ValueError, match="a/china.jpg: the tar changed after it was"):
        index.read(0)


@pytest.mark.parametrize("cached", [False, True])
def test_a_tar_that_changed_is_an_error_where_its_index_is_unpickled(tmp_path, cached):
    write(tmp_path / "x.tar", FILES)
    cache = tmp_path / "x.npz" if cached else None
    sent = pickle.dumps(TarIndex(tmp_path / "x.tar", cache=cache))
    write(tmp_path / "x.tar", dict(reversed(FILES.items())) | {"new": b"1"})
    with pytest.raises(ValueError, match="x.tar.* changed after it was indexed"):
        pickle.loads(sent).read(0)


def test_what_is_no_index_is_not_overwritten_by_one(tmp_path):
    path = write(tmp_path / "x.tar", FILES)
    os.symlink(path, tmp_path / "link")
    np.save(tmp_path / "x.npy", np.arange(3))
    np.savez(tmp_path / "x.npz", labels=np.arange(3))
    for cache in (tmp_path / name for name in ("x.tar", "link", "x.npy", "x.npz")):
        before = cache.read_bytes()
        with pytest.raises(ValueError, match="is not an index of a tar, and would be"):
            TarIndex(path, cache=cache)
        assert cache.read_bytes() == before


def test_wrong_places_are_refused(tmp_path):
    index = TarIndex(write(tmp_path / "x.tar", FILES))
    for wrong in (-1, 5):
        with pytest.raises(IndexError, match=f"has 5 files, got index {wrong}"):
            index.read(wrong)
    with pytest.raises(TypeError, match="an integer or a name, got 1.0"):
        index.read(1.0)
    with pytest.raises(KeyError, match="no file 'gone'; the first is 'a/china.jpg'"):
        index.read("gone")
    with pytest.raises(FileNotFoundError):
        TarIndex(tmp_path / "gone.tar")
    assert repr(index).startswith("TarIndex('")
