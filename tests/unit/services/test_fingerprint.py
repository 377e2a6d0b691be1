"""What tells one request from another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.services.idempotency import Fingerprint

FORM = b'--%b\r\nContent-Disposition: form-data; name="file"\r\n\r\na,b\r\n1,2\r\n--%b--\r\n'


def of(*chunks: bytes, query: bytes = b"", kind: bytes = b"", boundary: bytes = b"") -> bytes:
    fingerprint = Fingerprint(query, kind, boundary)
    for chunk in chunks:
        fingerprint.update(chunk)
    return fingerprint.digest()


@given(st.lists(st.text("ab-", max_size=6)), st.text("ab-", max_size=4))
def test_how_a_body_is_cut_does_not_matter(chunks: list[str], boundary: str) -> None:
    cut = [chunk.encode() for chunk in chunks]
    assert of(*cut, boundary=boundary.encode()) == of(b"".join(cut), boundary=boundary.encode())


@given(st.text("xyz", min_size=1, max_size=9), st.text("XYZ", min_size=1, max_size=9), st.integers(0, 90))
def test_a_boundary_does_not_matter(one: str, other: str, cut: int) -> None:
    first, second = (FORM.replace(b"%b", name.encode()) for name in (one, other))
    assert of(first[:cut], first[cut:], boundary=one.encode()) == of(second, boundary=other.encode())
    assert of(first, boundary=one.encode()) != of(second.replace(b"1,2", b"1,3"), boundary=other.encode())


def test_what_stands_between_boundaries_does() -> None:
    assert of(b"a#bc", boundary=b"#") != of(b"ab#c", boundary=b"#")
    assert of(b"a##b", boundary=b"#") != of(b"a#b", boundary=b"#")


def test_parameters_may_change_places_and_nothing_else() -> None:
    assert of(query=b"a=1&b=2") == of(query=b"b=2&a=1") != of(query=b"a=2&b=1")
    assert of(query=b"a", kind=b"b") != of(query=b"", kind=b"ab")
    assert of(b"x", kind=b"text/csv") != of(b"x", kind=b"application/json")
