"""What the caller tells about a file, by media type, format or option, against what its bytes are."""

from __future__ import annotations

import io
from typing import Any

import pytest
import xlsxwriter
from httpx import AsyncClient, Response

pytestmark = pytest.mark.anyio

TEXT = b"name,amount\nAnn,1\n"
POLISH = "name\nŁódź\n".encode("cp1250")


def workbook() -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        book.add_worksheet("Sales").write_row(0, 0, ["sku"])
    return file.getvalue()


async def send(client: AsyncClient, body: bytes, media_type: str = "text/csv", **params: str) -> Response:
    return await client.post("/datasets", content=body, params=params, headers={"Content-Type": media_type})


async def refused(client: AsyncClient, answer: Response) -> str:
    """The sentence of a 422, when nothing was stored."""
    assert (answer.status_code, answer.json()["error_code"]) == (422, "INVALID"), answer.text
    assert (await client.get("/datasets")).json()["total"] == 0
    return str(answer.json()["detail"])


class TestCharset:
    async def test_that_of_the_body_counts(self, client: AsyncClient) -> None:
        told = (await send(client, POLISH, "text/csv; charset=windows-1250", name="a")).json()["import"]
        assert (told["encoding"], told["warnings"]) == ("cp1250", [])
        (record,) = (await client.get("/datasets/a/records")).json()["data"]
        assert record["data"] == {"name": "Łódź"}

    async def test_that_of_a_forms_part_counts(self, client: AsyncClient) -> None:
        file = ("a.csv", POLISH, 'text/csv; charset="windows-1250"')
        assert (await client.post("/datasets", files={"file": file})).json()["import"]["encoding"] == "cp1250"

    async def test_the_option_goes_before_it(self, client: AsyncClient) -> None:
        answer = await send(client, POLISH, "text/csv; charset=windows-1250", encoding="cp852")
        assert answer.json()["import"]["encoding"] == "cp852"

    async def test_one_that_does_not_exist(self, client: AsyncClient) -> None:
        answer = await send(client, TEXT, "text/csv; charset=klingon")
        assert await refused(client, answer) == "There is no encoding 'klingon'."

    async def test_utf8_said_of_a_file_that_is_not(self, client: AsyncClient) -> None:
        told = (await send(client, "name\nMüller aus Köln\n".encode("cp1252"), "text/csv; charset=utf-8")).json()
        (warning,) = told["import"]["warnings"]
        assert warning["message"].startswith("The file is not UTF-8")

    async def test_it_means_nothing_in_a_workbook(self, client: AsyncClient) -> None:
        answer = await send(client, workbook(), "application/octet-stream; charset=windows-1250")
        assert answer.status_code == 201


class TestContradictions:
    @pytest.mark.parametrize(
        ("params", "said"),
        [
            ({"sheet": "Sales"}, "The option `sheet` is for workbooks, but the content is delimited text"),
            ({"sheet": "0"}, "The option `sheet` is for workbooks"),
            ({"fill_merged": "true"}, "The option `fill_merged` is for workbooks"),
            ({"format": "xlsx"}, "format=xlsx is told, but the content is delimited text: send format=csv"),
        ],
        ids=str,
    )
    async def test_what_delimited_text_does_not_have(self, client: AsyncClient, params: Any, said: str) -> None:
        assert said in await refused(client, await send(client, TEXT, **params))

    @pytest.mark.parametrize("option", ["delimiter", "quote", "escape", "comment", "encoding"])
    async def test_what_a_workbook_does_not_have(self, client: AsyncClient, option: str) -> None:
        answer = await client.post(
            "/datasets", files={"file": ("a.xlsx", workbook())}, data={"options": f'{{"{option}": "|"}}'}
        )
        kind = "text" if option == "encoding" else "delimited text"
        assert f"The option `{option}` is for {kind}, but the content is XLSX" in await refused(client, answer)

    @pytest.mark.parametrize("told", ["csv", "tsv", "ods", "xls"])
    async def test_a_workbook_told_to_be_something_else(self, client: AsyncClient, told: str) -> None:
        said = await refused(client, await send(client, workbook(), format=told))
        assert said.startswith(f"format={told} is told, but the content is XLSX: send format=xlsx")

    async def test_a_name_and_a_media_type_are_only_hints(self, client: AsyncClient) -> None:
        answer = await send(client, workbook(), "text/csv")
        assert (answer.status_code, answer.json()["import"]["warnings_total"]) == (201, 1)

    async def test_options_left_at_their_defaults_contradict_nothing(self, client: AsyncClient) -> None:
        assert (await send(client, TEXT, fill_merged="false")).status_code == 201


async def test_a_file_name_that_is_not_utf8_is_told(client: AsyncClient) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="caf\xe9.csv"\r\n\r\na\r\n--x--\r\n'
    answer = await send(client, body, "multipart/form-data; boundary=x")
    assert answer.status_code == 400
    assert answer.json()["detail"] == "A part's header, such as the file's name, is not UTF-8."


@pytest.mark.parametrize("path", ["/datasets", "/datasets?dry_run=true", "/datasets/there/imports", "/uploads"])
async def test_a_file_name_with_a_nul_is_told(client: AsyncClient, path: str) -> None:
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="x\0y.csv"\r\n\r\na\r\n1\r\n--x--\r\n'
    multipart = {"Content-Type": "multipart/form-data; boundary=x"}
    named = {"Content-Type": "text/csv", "Content-Disposition": "attachment; filename*=UTF-8''x%00y.csv"}
    assert (await send(client, TEXT, name="there")).status_code == 201
    for body, headers in ((form, multipart), (TEXT, named)):
        answer = await client.post(path, content=body, headers=headers)
        assert answer.status_code == 400
        assert answer.json()["detail"] == "The file's name 'x\\x00y.csv' holds the NUL character; rename the file."
