"""What is remembered stays within its bound."""

from backend.repositories.remembered import Remembered


def test_the_least_recently_used_goes_first() -> None:
    kept = Remembered[str, int](10)
    kept.put("a", 1, 4)
    kept.put("b", 2, 4)
    assert kept.get("a") == 1
    kept.put("c", 3, 4)
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == (1, None, 3)


def test_a_value_put_again_counts_once() -> None:
    kept = Remembered[str, int](10)
    for value in range(5):
        kept.put("a", value, 6)
    kept.put("b", 9, 4)
    assert (kept.get("a"), kept.get("b")) == (4, 9)


def test_what_is_too_heavy_is_not_kept_and_displaces_nothing() -> None:
    kept = Remembered[str, int](10)
    kept.put("a", 1, 10)
    kept.put("b", 2, 11)
    assert (kept.get("a"), kept.get("b")) == (1, None)


def test_what_is_dropped_makes_room() -> None:
    kept = Remembered[str, int](10)
    kept.put("a", 1, 6)
    kept.drop("a")
    kept.drop("a")
    kept.put("b", 2, 5)
    kept.put("c", 3, 5)
    assert [kept.get(name) for name in "abc"] == [None, 2, 3]
