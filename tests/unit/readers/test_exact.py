"""Our own CSV, read to the letter."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pytest

from backend.errors import LimitExceeded, UnreadableFile
from backend.readers.base import ReadLimits
from backend.readers.exact import ExactSource
from backend.schemas.columns import LAST_ID


def source(data: bytes, names: Sequence[str], *, limits: ReadLimits | None = None, **told: Any) -> ExactSource:
    settings = {"told_format": "csv", "delimiter": ",", "size": len(data), "limits": limits or ReadLimits(), **told}
    return ExactSource(lambda: io.BytesIO(data), names, **settings)


def read(data: bytes, names: Sequence[str], **told: Any) -> list[tuple[int, tuple[str | None, ...]]]:
    """Each record with its number."""
    batches = list(source(data, names, **told).batches())
    return [pair for each in batches for pair in zip(each.rows.to_list(), each.frame.rows(), strict=True)]


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 7, 64, 2**20])
@pytest.mark.parametrize("mark", [False, True])
def test_pieces_of_any_size(piece: int, mark: bool) -> None:
    data = b"\xef\xbb\xbf" * mark + '"a,""b",c\r\n,""\r\n"x\r\ny\r","é"",\n"\r\n007,\ufeff\r\n,\r\n'.encode()
    assert read(data, ['a,"b', "c"], piece=piece, mark=mark) == [
        (2, (None, "")),
        (3, ("x\r\ny\r", 'é",\n')),
        (4, ("007", "\ufeff")),
        (5, (None, None)),
    ]


def test_nulls_of_a_single_column() -> None:
    assert read(b'a\n\n""\n\nx\n', ["a"]) == [(2, (None,)), (3, ("",)), (4, (None,)), (5, ("x",))]


def test_a_name_that_looks_like_a_byte_order_mark() -> None:
    assert read("\ufeff,b\n1,2\n".encode(), ["\ufeff", "b"]) == [(2, ("1", "2"))]
    with pytest.raises(UnreadableFile):
        read(b"a\n", ["a"], mark=True)


def test_no_columns() -> None:
    assert read(b"\r\n", []) == read(b"\n", []) == []
    assert read(b"\r\n\r\n\r\n", []) == [(2, (None,)), (3, (None,))]
    with pytest.raises(UnreadableFile):
        read(b"\r\nx\r\n", [])


def test_records_with_their_ids() -> None:
    assert read(f"__id,a\n3,x\n{LAST_ID},\n".encode(), ["a"], ids=True) == [(3, ("x",)), (LAST_ID, (None,))]
    assert read(b"__id\n3\n4\n", [], ids=True) == [(3, (None,)), (4, (None,))]
    found = source(b"__id,a\n3,x\n7,\n", ["a"], ids=True, piece=8)
    assert sum(batch.frame.height for batch in found.batches()) == 2
    assert found.last_id == 7


@pytest.mark.parametrize("piece", [1, 2**20])
@pytest.mark.parametrize(
    "ids", ["0", "-1", "x", "", "1.5", "2 2", "3 2", str(LAST_ID + 1), str(2**63 - 1), str(2**63), f"1 2 {-(2**63)}"]
)
def test_ids_that_cannot_be(ids: str, piece: int) -> None:
    told = ids.split(" ")
    records = "".join(f"{each},x\n" for each in told)
    with pytest.raises(UnreadableFile, match=f"^row {1 + len(told)}: '{told[-1]}' is no id: .* up, to {LAST_ID}$"):
        read(f"__id,a\n{records}".encode(), ["a"], ids=True, piece=piece)


def test_guarded_texts_and_names() -> None:
    data = b"'=a,'=b\n'=1+1,'=1+1\n''=x,x\n'x,\n"
    assert read(data, ["=a", "=b"], guarded=[0]) == [(2, ("=1+1", "'=1+1")), (3, ("'=x", "x")), (4, ("'x", None))]


@pytest.mark.parametrize(
    "data",
    [b"", b"a,b", b"a,b\n1", b"a,c\n", b"b,a\n", b"a,b,c\n", b"a\n", b'a,b\n"x,1\n', b"a,b\nx,\xff\n", b"a,b\nx\0,1\n"],
)
def test_what_no_export_writes(data: bytes) -> None:
    with pytest.raises(UnreadableFile):
        read(data, ["a", "b"])


def test_a_record_that_is_too_long() -> None:
    with pytest.raises(LimitExceeded, match="SHEAF_MAX_LINE, 1,000 bytes"):
        read(b'a\n"' + b"x\n" * 2_000 + b'"\n', ["a"], limits=ReadLimits(max_line=1_000), piece=64)


def test_a_second_pass_begins_anew() -> None:
    found = source(b"a\n1\n", ["a"])
    for _ in range(2):
        assert [each.frame.rows() for each in found.batches()] == [[("1",)]]
    assert found.share == 1.0
