"""Calls that may be repeated: which one runs, and what was answered to those that ended."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg.types.json import Json

from backend.repositories.database import Tx

_RESERVE = """
INSERT INTO sheaf.idempotency AS i (user_id, method, path, key, attempt, lease_until)
VALUES (%s, %s, %s, %s, %s, statement_timestamp() + %s)
ON CONFLICT ON CONSTRAINT pk_idempotency DO UPDATE SET attempt = excluded.attempt,
    lease_until = excluded.lease_until, created_at = excluded.created_at,
    fingerprint = NULL, status = NULL, headers = NULL, body = NULL, workspace_id = NULL
WHERE CASE WHEN i.status IS NULL THEN i.lease_until ELSE i.created_at + %s END <= statement_timestamp()
"""
_FIND = """
SELECT status, headers::text, body, fingerprint, workspace_id FROM sheaf.idempotency
WHERE user_id = %s AND method = %s AND path = %s AND key = %s AND status IS NOT NULL
"""
_RENEW = """
UPDATE sheaf.idempotency SET lease_until = statement_timestamp() + %s
WHERE user_id = %s AND method = %s AND path = %s AND key = %s AND attempt = %s AND status IS NULL
"""
_FINISH = """
UPDATE sheaf.idempotency SET status = %s, headers = %s, body = %s, fingerprint = %s, workspace_id = %s
WHERE user_id = %s AND method = %s AND path = %s AND key = %s AND attempt = %s AND status IS NULL
"""
_FORGET = """
DELETE FROM sheaf.idempotency
WHERE user_id = %s AND method = %s AND path = %s AND key = %s AND attempt = %s AND status IS NULL
"""
_SWEEP = """
DELETE FROM sheaf.idempotency
WHERE created_at <= statement_timestamp() - %s AND (status IS NOT NULL OR lease_until <= statement_timestamp())
"""


class Call(Struct, frozen=True):
    """What a key is about: whose call, and of what. The same key means nothing elsewhere."""

    user_id: UUID
    method: str
    path: str
    key: str

    @property
    def values(self) -> tuple[UUID, str, str, str]:
        return (self.user_id, self.method, self.path, self.key)


class KeptAnswer(Struct, frozen=True):
    """What was answered; `headers` as name and value, `fingerprint`: what tells the request from others.

    `workspace_id`: the workspace that was written to, if it was one.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    fingerprint: bytes
    workspace_id: UUID | None = None


async def reserve(tx: Tx, call: Call, attempt: UUID, *, lease: timedelta, keep: timedelta) -> bool:
    """Whether the call is this attempt's to run: it is new, kept no longer, or whoever ran it is gone."""
    return (await tx.execute(_RESERVE, (*call.values, attempt, lease, keep))).rowcount == 1


async def find(tx: Tx, call: Call) -> KeptAnswer | None:
    """What was answered to a call; None while it runs."""
    row = await (await tx.execute(_FIND, call.values, binary=True)).fetchone()
    if row is None:
        return None
    status, headers, *rest = row
    return KeptAnswer(status, msgspec.json.decode(headers, type=list[tuple[str, str]]), *rest)


async def renew(tx: Tx, call: Call, attempt: UUID, lease: timedelta) -> None:
    """The call is still being run."""
    await tx.execute(_RENEW, (lease, *call.values, attempt))


async def finish(tx: Tx, call: Call, attempt: UUID, told: KeptAnswer) -> bool:
    """Keeps the answer; false where the call is no longer this attempt's."""
    headers = Json(told.headers, dumps=msgspec.json.encode)
    values = (told.status, headers, told.body, told.fingerprint, told.workspace_id)
    return (await tx.execute(_FINISH, (*values, *call.values, attempt))).rowcount == 1


async def forget(tx: Tx, call: Call, attempt: UUID) -> None:
    """The call may be made anew; nothing happens once it is answered, or another's."""
    await tx.execute(_FORGET, (*call.values, attempt))


async def sweep(tx: Tx, keep: timedelta) -> None:
    """Removes what is kept for longer than this."""
    await tx.execute(_SWEEP, (keep,))
