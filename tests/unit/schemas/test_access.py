"""The table of roles, in the code and on its page."""

from __future__ import annotations

import pytest
from support.endpoints import documented_table

from backend.errors import Forbidden
from backend.schemas.access import ROLES, Action, permit


def test_the_page_has_the_codes_table_row_by_row() -> None:
    rows = {
        action.words: (action.in_workspace, action.roles, "write" if action.writes else "read") for action in Action
    }
    told = documented_table()
    assert list(told) == [action.words for action in Action]
    assert {words: (row.in_workspace, row.roles, row.key_scope) for words, row in told.items()} == rows


@pytest.mark.parametrize("action", Action)
def test_who_is_not_in_the_row_is_refused(action: Action) -> None:
    for role in ROLES:
        if role in documented_table()[action.words].roles:
            permit(action, role)
        else:
            with pytest.raises(Forbidden, match=rf"You are an? {role} of this workspace; to {action.words} takes an "):
                permit(action, role)


@pytest.mark.parametrize("action", Action)
def test_a_higher_role_may_all_that_a_lower_one_may(action: Action) -> None:
    assert action.roles == ROLES[-len(action.roles) :]
