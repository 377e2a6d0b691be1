"""Which claims to a key can be met."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.services.batch_keys import Claim, refused

Claims = list[tuple[int | None, int, int | None]]


@pytest.mark.parametrize(
    ("claims", "leaving", "told"),
    [
        pytest.param([(None, 0, None), (None, 1, None)], (), {}, id="new keys"),
        pytest.param([(None, 0, None), (None, 0, None), (None, 0, None)], (), {1: None, 2: None}, id="the same thrice"),
        pytest.param([(None, 0, 7)], (), {0: 7}, id="a record's"),
        pytest.param([(None, 0, 7)], (7,), {}, id="of a record that goes"),
        pytest.param([(7, 0, 7)], (), {}, id="its own"),
        pytest.param([(None, 0, 7), (7, 0, 7)], (), {0: 7}, id="one that stays"),
        pytest.param([(1, 0, 2), (2, 1, 1)], (1, 2), {}, id="swapped"),
        pytest.param([(1, 0, 2), (2, 1, 3), (3, 2, 9)], (1, 2, 3), {2: 9, 1: 3, 0: 2}, id="a chain that cannot move"),
        pytest.param([(1, 0, 2), (2, 1, None), (3, 1, None)], (1, 2, 3), {2: None}, id="a chain that can"),
        pytest.param([(2, 0, None), (1, 0, None), (3, 2, 1)], (1, 2, 3), {1: None, 2: 1}, id="the loser stays"),
    ],
)
def test_partial(claims: Claims, leaving: tuple[int, ...], told: dict[int, int | None]) -> None:
    assert refused([Claim(*each) for each in claims], leaving, partial=True) == told


LIVE = range(6)
"""Records that have the keys of the same numbers."""


@given(
    changes=st.dictionaries(st.sampled_from(LIVE), st.integers(0, 9)),
    deletes=st.sets(st.sampled_from(LIVE)),
    creates=st.lists(st.integers(0, 9), max_size=4),
)
def test_what_goes_in_doubles_no_key_and_what_is_refused_would(
    changes: dict[int, int], deletes: set[int], creates: list[int]
) -> None:
    deletes -= changes.keys()
    wanted: list[tuple[int | None, int]] = [*changes.items(), *((None, key) for key in creates)]
    keys = [key for _, key in wanted]
    claims = [Claim(record, keys.index(key), key if key in LIVE else None) for record, key in wanted]
    leaving = deletes | {record for record, key in changes.items() if record != key}
    told = refused(claims, leaving, partial=True)
    after = {record: record for record in LIVE if record not in deletes}
    for at, (record, key) in enumerate(wanted):
        if at not in told:
            after[100 + at if record is None else record] = key
    assert len(set(after.values())) == len(after)
    assert {wanted[at][1] for at in told} <= set(after.values())


def test_of_all_or_nothing_only_the_doubled_ones_are_told() -> None:
    claims = [Claim(1, 0, 2), Claim(2, 1, 9)]
    assert refused(claims, (1, 2), partial=False) == {1: 9}


def test_a_long_chain_takes_no_long_time() -> None:
    many = 10_000
    claims = [Claim(at, at, at + 1) for at in range(many)]
    assert len(refused(claims, range(many), partial=True)) == many
