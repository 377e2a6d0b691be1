"""Secrets that all workers share."""

from __future__ import annotations

from backend.repositories.database import Tx


async def cursors(tx: Tx) -> bytes:
    """What cursors are signed with; the migrations made it."""
    found = await tx.execute("SELECT value FROM sheaf.secrets WHERE name = 'cursors'")
    ((secret,),) = await found.fetchall()
    return bytes(secret)
