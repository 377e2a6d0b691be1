"""The streamed ZIP, read by the standard library."""

import io
import os
import shutil
import subprocess
from pathlib import Path
from zipfile import ZipFile

import pytest

from backend.writers.archive import Archive

UNZIP = shutil.which("unzip")


def test_entries_are_read_back() -> None:
    contents = {"a.xml": [b"<a/>"], "folder/b.bin": [os.urandom(100_000), b"x" * 100_000], "empty": []}
    archive = Archive()
    sent = b""
    for name, chunks in contents.items():
        sent += archive.begin(name) + b"".join(map(archive.add, chunks)) + archive.end()
    sent += archive.finish()
    with ZipFile(io.BytesIO(sent)) as package:
        assert package.testzip() is None
        assert {name: package.read(name) for name in package.namelist()} == {
            name: b"".join(chunks) for name, chunks in contents.items()
        }


def test_nothing_at_all() -> None:
    assert ZipFile(io.BytesIO(Archive().finish())).namelist() == []


def test_sizes_and_offsets_beyond_4_gigabytes(tmp_path: Path) -> None:
    archive = Archive()
    zeros = bytes(1 << 26)
    with (tmp_path / "large.zip").open("w+b") as file:
        file.write(archive.begin("large"))
        for _ in range(65):
            file.write(archive.add(zeros))
        file.write(archive.end() + archive.begin("last") + archive.add(b"x") + archive.end() + archive.finish())
        with ZipFile(file) as package:
            assert package.getinfo("large").file_size == 65 << 26
            assert package.read("last") == b"x"


@pytest.mark.parametrize("large", [False, True])
def test_a_name_of_any_script(large: bool) -> None:
    archive, name = Archive(), "datasets/straße-東京/data.csv"
    sent = archive.begin(name, large=large) + archive.add(b"a\r\n") + archive.end() + archive.finish()
    with ZipFile(io.BytesIO(sent)) as package:
        (info,) = package.infolist()
        assert (info.filename, info.flag_bits & 0x800) == (name, 0x800)
        assert package.read(name) == b"a\r\n"


@pytest.mark.skipif(UNZIP is None, reason="there is no unzip here")
@pytest.mark.parametrize("large", [False, True])
def test_it_is_unzipped(tmp_path: Path, large: bool) -> None:
    """Unzip looks at the header of each entry and at what follows its data. Other names need a locale that has them."""
    archive, name = Archive(), "datasets/orders/data.csv"
    sent = archive.begin(name, large=large) + archive.add(b"a\r\n") + archive.end() + archive.finish()
    (tmp_path / "a.zip").write_bytes(sent)
    command = [str(UNZIP), str(tmp_path / "a.zip"), "-d", str(tmp_path)]
    unpacked = subprocess.run(command, capture_output=True, check=False)
    assert unpacked.returncode == 0, unpacked.stderr
    assert (tmp_path / name).read_bytes() == b"a\r\n"
    assert (tmp_path / name).stat().st_mode & 0o400
