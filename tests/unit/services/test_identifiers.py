"""Ids, slugs and names."""

from __future__ import annotations

import re

import pytest

from backend.services.column_keys import keys_for
from backend.services.identifiers import (
    InvalidName,
    check_name,
    first_free,
    is_slug,
    name_from_file,
    new_token,
    slugify,
    uuid7,
)


def test_an_id_is_a_uuid_of_version_7_in_the_order_of_time() -> None:
    ids = [uuid7() for _ in range(100)]
    assert {each.version for each in ids} == {7}
    assert {each.variant for each in ids} == {ids[0].variant}
    moments = [each.int >> 80 for each in ids]
    assert moments == sorted(moments)
    assert len(set(ids)) == 100


def test_a_token_fits_into_an_etag_and_a_url() -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{12}", new_token())
    assert len({new_token() for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("My  Orders_2025.v2", "my-orders-2025-v2"),
        ("ÀÉÎ Straße", "àéî-strasse"),
        ("ﬁle ①", "file-1"),
        ("---", ""),
        ("x" * 100, "x" * 80),
        ("01890000-0000-7000-8000-000000000000", "01890000-0000-7000-8000-000000000000-"),
        ("0189000000007000800000000000000a", "0189000000007000800000000000000a-"),
    ],
)
def test_a_slug(name: str, slug: str) -> None:
    assert slugify(name) == slug


UUID = "01890000-0000-7000-8000-000000000000"


@pytest.mark.parametrize("name", ["My  Orders_2025.v2", "ÀÉÎ Straße", "x" * 100, UUID, UUID.replace("-", ""), "a-1"])
def test_what_is_made_of_a_name_is_a_slug(name: str) -> None:
    slug = slugify(name)
    assert is_slug(slug)
    assert is_slug(first_free(slug, lambda each: each != slug, joiner="-"))


@pytest.mark.parametrize(
    "text", ["", "-", "a-", "-a", "a--b", "A", "ﬁle", "a b", "a/b", "../up", "a_b", UUID, UUID.replace("-", ""), "-2"]
)
def test_what_is_no_slug(text: str) -> None:
    assert not is_slug(text)


@pytest.mark.parametrize("name", [" Orders 2025 ", "Größe (cm) – 50%", "売上", "👍", "e\u0301"])
def test_a_name_that_can_be_read_is_kept(name: str) -> None:
    assert check_name(name) == name.strip()


@pytest.mark.parametrize(
    "name", ["", " ", "a/b", "a\\b", "a\tb", "\0", "a\u202eb", "\u200b", "\ue000", "\ud800", "x" * 201, ".", ".. "]
)
def test_a_name_that_misleads_is_refused(name: str) -> None:
    with pytest.raises(InvalidName) as caught:
        check_name(name)
    assert caught.value.errors[0].pointer == "/name"


@pytest.mark.parametrize(
    ("character", "called"),
    [
        ("/", "/ (a slash)"),
        ("\\", "\\ (a backslash)"),
        ("\0", "U+0000 (NUL)"),
        ("\t", "U+0009 (tab)"),
        ("\x01", "U+0001"),
        ("\u200b", "U+200B (zero width space)"),
    ],
)
def test_it_is_said_what_a_name_cannot_hold(character: str, called: str) -> None:
    with pytest.raises(InvalidName) as caught:
        check_name(f"a{character}b")
    assert str(caught.value) == f"A name cannot hold {called}."


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("orders.csv", "orders"),
        (".", "dataset"),
        ("..", "dataset"),
        ("a/...csv", "dataset"),
        ("orders.tar.gz", "orders"),
        ("/etc/passwd", "passwd"),
        ("C:\\data\\Q1 2025.xlsx", "Q1 2025"),
        (".csv", ".csv"),
        ("a\u202eb\n.csv", "a b"),
        ("", "dataset"),
        (None, "dataset"),
        ("x" * 300 + ".csv", "x" * 190),
    ],
)
def test_a_name_from_a_files(filename: str | None, name: str) -> None:
    assert name_from_file(filename) == name


def test_the_first_free_name() -> None:
    taken = {"a", "a 2", "a 3"}
    assert first_free("a", lambda each: each not in taken) == "a 4"
    assert first_free("b", lambda each: each not in taken) == "b"


class TestKeys:
    def test_are_the_names(self) -> None:
        assert keys_for(["a", "b"], ()) == ["a", "b"]

    def test_known_ones_stay_whatever_the_names_are_now(self) -> None:
        assert keys_for(["new", "b"], ["old"]) == ["old", "b"]

    def test_are_never_used_again(self) -> None:
        assert keys_for(["a", "a"], (), {"a", "a_2"}) == ["a_3", "a_4"]

    @pytest.mark.parametrize("letter", ["x", "é", "日", "😀"])
    def test_are_whole_letters_in_at_most_63_bytes(self, letter: str) -> None:
        keys = keys_for([letter * 80 + str(at) for at in range(12)], ())
        assert len(set(keys)) == 12
        assert all(len(key.encode()) <= 63 for key in keys)

    def test_there_is_one_for_a_name_that_is_empty(self) -> None:
        assert keys_for(["", ""], ()) == ["_", "__2"]
