"""Addresses whose letters are not percent-encoded, as `curl "…?customer=Chloé"` sends them."""

import pytest
from support.client import Client
from support.wire import Answer, answer, connected


def get(caller: Client, *targets: bytes) -> list[Answer]:
    """GETs one after the other on one connection."""
    found = []
    with connected(caller) as plain:
        for target in targets:
            plain.sendall(
                b"GET /api/v1" + target + b" HTTP/1.1\r\nHost: sheaf\r\nX-API-Key: " + caller.key.encode() + b"\r\n\r\n"
            )
            found.append(answer(plain))
    return found


def test_letters_in_the_query_string_and_the_path(caller: Client) -> None:
    caller.made(caller.send("customer,Größe\nChloé,1\nBo,2\n".encode(), name="Käufe"))
    for found in get(
        caller,
        "/datasets/käufe/records/count?customer=Chloé".encode(),
        "/datasets/käufe/records/count?Größe=gt:1&customer=Bo".encode(),
        "/datasets/k%C3%A4ufe/records/count?customer=Chlo%C3%A9&Größe=1".encode(),
    ):
        assert (found.status, found.body) == (200, b'{"count":1,"version":1}')


@pytest.mark.parametrize("letter", [b"\xe9", b"\xc3", b"%C3%28"])
def test_bytes_that_are_not_utf8(caller: Client, letter: bytes) -> None:
    (found,) = get(caller, b"/datasets?q=Chlo" + letter)
    assert found.status == 400
    assert found.problem["detail"] == "The parameter 'q' is not UTF-8."
