"""Uploads that are wrong as requests: bodies that do not come as announced, types that lie, names that mislead."""

from contextlib import suppress

import httpx
import pytest
from support.client import Client, problem
from support.hostile import rows, xlsx
from support.wire import Answer, answer, connected, head, read
from support.workbooks import zipped

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
JSON = ["Content-Type: application/json"]
CSV = b"id,name\n1,ann\n2,bob\n"
FORM = (
    b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n'
    b"Content-Type: text/csv\r\n\r\n" + CSV + b"\r\n--cut"
)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param(["Content-Type: text/csv", "Content-Length: 1000"], CSV, id="raw"),
        pytest.param(
            ["Content-Type: text/csv", "Transfer-Encoding: chunked"], b"14\r\n" + CSV + b"\r\n", id="in chunks"
        ),
        pytest.param(
            ["Content-Type: multipart/form-data; boundary=cut", "Content-Length: 1000"], FORM + b"--\r\n", id="a form"
        ),
    ],
)
def test_a_body_that_stops_half_way_stores_nothing(caller: Client, headers: list[str], body: bytes) -> None:
    with connected(caller) as plain:
        plain.sendall(head(caller, "/datasets?name=half", *headers) + body)
        plain.shutdown(1)
        found = answer(plain)
    assert found.status in {0, 400}
    assert caller.names() == []


def test_a_form_that_ends_early_is_refused(caller: Client) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=cut"}
    found = problem(caller.http.post("/datasets", content=FORM, headers=headers), 400)
    assert found["error_code"] == "INCOMPLETE_BODY"
    assert caller.names() == []


def test_what_follows_the_announced_body_is_refused_when_that_is_answered(caller: Client) -> None:
    with connected(caller) as plain, plain.makefile("rb") as stream:
        plain.sendall(head(caller, "/datasets?name=long", "Content-Type: text/csv", "Content-Length: 14") + CSV)
        assert read(stream).status == 201
        assert refused(read(stream), 400) == "BAD_REQUEST"
        assert stream.read() == b""
    assert caller.names() == ["long"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"}}junk", 400, id="no request"),
        pytest.param(b"GET /" + b"a" * 300_000, 431, id="a head beyond all bounds"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx", 400, id="a broken body"),
    ],
)
def test_requests_are_answered_before_what_came_behind_them_is_refused(
    caller: Client, sent: bytes, status: int
) -> None:
    """Else a write would be refused that is committed."""
    dataset = caller.made(caller.upload(CSV, "orders.csv"))
    records, body = f"/datasets/{dataset}/records", b'{"id":%d}'
    first, second = (head(caller, records, *JSON, "Content-Length: 8") + body % number for number in (3, 4))
    with connected(caller) as plain, plain.makefile("rb") as stream:
        plain.sendall(first + second + sent)
        plain.shutdown(1)
        assert [read(stream).status for _ in range(2)] == [201, 201]
        assert read(stream).status == status
        assert stream.read() == b""
    assert caller.version(dataset) == 3


def test_a_body_that_cannot_be_read_on_is_refused_as_its_request(caller: Client) -> None:
    with connected(caller) as plain:
        start = head(caller, "/datasets?name=half", "X-Request-Id: half", "Transfer-Encoding: chunked", *JSON)
        plain.sendall(start + b"2\r\n{}\r\n")
        plain.sendall(b"no length\r\n")
        found = answer(plain)
    assert (refused(found, 400), found.headers["x-request-id"]) == ("BAD_REQUEST", "half")
    assert caller.names() == []


@pytest.mark.parametrize(
    "headers", [[], ["Host: a", "Host: b"], ["Host: a", "Transfer-Encoding: gzip, chunked"]], ids=str
)
def test_a_head_that_two_servers_would_read_differently_is_refused(caller: Client, headers: list[str]) -> None:
    with connected(caller) as plain:
        plain.sendall("\r\n".join(["POST /api/v1/datasets HTTP/1.1", *headers, "", ""]).encode())
        assert refused(answer(plain), 400) == "BAD_REQUEST"


def test_fields_behind_a_body_are_no_headers(caller: Client) -> None:
    """Else who writes them would get round what a proxy does with headers."""
    start = "POST /api/v1/datasets?name=behind HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
    body = f"Transfer-Encoding: chunked\r\n\r\n4\r\na\n1\n\r\n0\r\nX-API-Key: {caller.key}\r\n\r\n"
    with connected(caller) as plain, plain.makefile("rb") as stream:
        plain.sendall((start + body).encode())
        plain.sendall(b"GET /api/v1/datasets HTTP/1.1\r\nHost: x\r\n\r\n")
        assert [read(stream).status for _ in range(2)] == [401, 401]
    assert caller.names() == []


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        pytest.param(xlsx(rows(("id", "name"), ("1", "ann"))), "text/csv", id="a workbook as CSV"),
        pytest.param(b"id,name\n1,ann\n", XLSX, id="CSV as a workbook"),
        pytest.param(b"id,name\n1,ann\n", "image/png", id="CSV as an image"),
        pytest.param(b"id,name\n1,ann\n", "application/octet-stream", id="CSV as anything"),
    ],
)
def test_a_lying_content_type_is_seen_through_and_reported(caller: Client, content: bytes, media_type: str) -> None:
    answered = caller.send(content, media_type)
    assert caller.export(caller.made(answered)) == b"id,name\r\n1,ann\r\n"
    assert answered.json()["import"]["warnings_total"] == (media_type != "application/octet-stream")


@pytest.mark.parametrize(
    ("media_type", "statuses"),
    [
        ("application/json", (400, 422)),
        ("multipart/form-data", (400,)),
        ("multipart/form-data; boundary=cut", (400,)),
    ],
)
def test_a_content_type_that_does_not_fit_the_body_is_refused(
    caller: Client, media_type: str, statuses: tuple[int, ...]
) -> None:
    problem(caller.send(CSV, media_type), *statuses)
    assert caller.names() == []


@pytest.mark.parametrize(
    "name",
    [
        "a/b",
        "a\\b",
        "../../etc/passwd",
        "a\0b",
        "a\nb",
        "a\x1bb",
        "fdp\u202excod",
        "\u200fabc",
        "\ufeff",
        " ",
        "x" * 300,
    ],
)
def test_a_name_that_misleads_is_refused(caller: Client, name: str) -> None:
    assert problem(caller.upload(CSV, "orders.csv", name=name), 422)["errors"][0]["pointer"] == "/name"
    problem(caller.send(CSV, name=name), 422)
    assert caller.names() == []


@pytest.mark.parametrize("filename", ["../../etc/passwd.csv", "..\\..\\boot.csv", "\u202egpj.csv", "a\tb.csv", ".csv"])
def test_a_file_name_that_misleads_is_cleaned(caller: Client, filename: str) -> None:
    caller.made(caller.upload(CSV, filename))
    (name,) = caller.names()
    assert name.isprintable()
    assert not set(name) & set("/\\\u202e")


@pytest.mark.parametrize(
    "member",
    ["../../../evil.csv", "/etc/evil.csv", "..\\..\\evil.csv", "C:\\evil.csv", "a/../../evil.csv", "\u202eevil.csv"],
)
def test_a_member_of_a_zip_that_leads_out_is_only_a_name(caller: Client, member: str) -> None:
    caller.made(caller.upload(zipped({member: CSV}), "orders.zip"))
    (name,) = caller.names()
    assert not set(name) & set("/\\\u202e")
    assert "evil" in name or name == "orders"


@pytest.mark.parametrize("header", ["X-Much", "Cookie", "X-API-Key"])
def test_a_head_beyond_all_bounds_is_refused(caller: Client, header: str) -> None:
    with connected(caller) as plain:
        plain.sendall(head(caller, "/datasets?name=head", "Content-Length: 3", f"{header}: {'x' * 70_000}") + b"a\n1")
        found = answer(plain)
    assert refused(found, 431) == "HEAD_TOO_LARGE"
    assert caller.names() == []


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
)
def test_what_is_no_request_gets_an_answer_like_any_other(caller: Client, sent: bytes) -> None:
    with connected(caller) as plain:
        plain.sendall(sent)
        plain.shutdown(1)
        found = answer(plain)
    assert refused(found, 400) == "BAD_REQUEST"
    counted = httpx.get(f"{caller.base}/metrics", timeout=60).text
    assert 'sheaf_request_duration_seconds_count{method="other",path="unknown",status="400"}' in counted


def refused(found: Answer, status: int) -> str:
    """Its code; what every answer has is there."""
    assert (found.status, found.problem["status"]) == (status, status)
    assert found.headers["content-type"] == "application/problem+json"
    assert found.headers["x-request-id"] == found.problem["request_id"]
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["connection"] == "close"
    return str(found.problem["error_code"])


@pytest.mark.parametrize("start", ["", "Transfer-Encoding: chunked\r\n\r\n2\r\na\n\r\n0\r\n"], ids=["before", "behind"])
def test_fields_without_end_end_the_connection(caller: Client, start: str) -> None:
    """Before a body and behind it: nothing may be kept of them."""
    with connected(caller) as plain:
        plain.sendall(
            head(caller, "/datasets?name=endless", "Content-Type: text/csv")[:-2] + start.encode() + b"X-Much: "
        )
        with pytest.raises(ConnectionError):
            plain.sendall(b"x" * 2**26)
    assert caller.names() == []


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: 20", "Content-Length: 5"],
        ["Content-Length: 20", "Transfer-Encoding: chunked"],
        ["Content-Length: -1"],
        ["Content-Length: 1e3"],
        ["Transfer-Encoding: gzip, chunked"],
        ["X-Folded: a\r\n b"],
        ["X-Nul: a\0b"],
    ],
)
def test_a_request_that_two_servers_would_read_differently_makes_nothing_of_the_rest(
    caller: Client, headers: list[str]
) -> None:
    """Behind a proxy that reads it otherwise, what follows would be somebody else's request."""
    hidden = head(caller, "/datasets?name=hidden", "Content-Type: application/json", "Content-Length: 17")
    with connected(caller) as plain:
        shown = head(caller, "/datasets?name=shown", "Content-Type: text/csv", *headers)
        with suppress(OSError):  # it may have hung up
            plain.sendall(shown + CSV + hidden + b'{"name":"hidden"}')
            plain.shutdown(1)
        found = answer(plain)
    assert found.status in {0, 201, 400, 411, 413, 501}
    assert "hidden" not in caller.names()


@pytest.mark.parametrize(
    ("target", "media_type", "begin"),
    [
        pytest.param("?name=orders", "text/csv", b"", id="raw"),
        pytest.param("?name=ORDERS", "multipart/form-data; boundary=cut", b"", id="a form"),
        pytest.param(
            "",
            "multipart/form-data; boundary=cut",
            b'--cut\r\nContent-Disposition: form-data; name="name"\r\n\r\norders\r\n--cut\r\n',
            id="a field of the form",
        ),
    ],
)
def test_a_taken_name_is_refused_before_the_body_is_read(
    caller: Client, target: str, media_type: str, begin: bytes
) -> None:
    caller.made(caller.upload(CSV, "orders.csv", name="orders"))
    with connected(caller) as plain:
        headers = [f"Content-Type: {media_type}", "Content-Length: 1000000000"]
        plain.sendall(head(caller, f"/datasets{target}", *headers) + begin)
        found = answer(plain)  # the rest of the body never comes
    assert found.status == 409
    assert found.problem["error_code"] == "DATASET_NAME_TAKEN"
    assert caller.names() == ["orders"]


@pytest.mark.parametrize("media_type", ["text/csv", "application/json"])
def test_a_body_that_is_announced_too_large_is_refused_before_it_comes(caller: Client, media_type: str) -> None:
    with connected(caller) as plain:
        headers = [f"Content-Type: {media_type}", f"Content-Length: {10 * 2**30 + 1}", "Expect: 100-continue"]
        plain.sendall(head(caller, "/datasets?name=large", *headers))
        assert answer(plain).status == 413


def test_without_a_key_no_body_is_read(caller: Client) -> None:
    stranger = Client(caller.base, "sheaf_nobody_knows_this_key")
    with connected(stranger) as plain:
        plain.sendall(head(stranger, "/datasets?name=orders", "Content-Type: text/csv", "Content-Length: 1000000000"))
        found = answer(plain)
        with pytest.raises(ConnectionError):
            plain.sendall(b"x" * 2**26)
    stranger.close()
    assert found.status == 401
