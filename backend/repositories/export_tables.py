"""The central tables of exports that are made beside the requests; they are part of `tables.central`."""

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)

from backend.repositories.tables import central, moment

__all__ = ["central", "export_chunks", "exports"]

exports = Table(
    "exports",
    central,
    Column("id", Uuid, primary_key=True),
    Column("workspace_id", ForeignKey("sheaf.workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", ForeignKey("sheaf.users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("dataset_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("token", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("request", JSON, nullable=False),
    Column("filename", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="queued"),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("percent", Float, nullable=False, server_default="0"),
    Column("problem", JSON),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("worker", Uuid),
    moment("lease_until", nullable=True),
    moment("created_at"),
    moment("finished_at", nullable=True),
    moment("expires_at", nullable=True),
    CheckConstraint("state IN ('queued', 'running', 'done', 'failed')", name="state"),
)
"""Those that are made beside the requests; `fingerprint` is equal for those whose files are equal."""
Index("ix_exports_workspace_id_fingerprint", exports.c.workspace_id, exports.c.fingerprint)
Index("ix_exports_open", exports.c.created_at, postgresql_where=text("state IN ('queued', 'running')"))
Index("ix_exports_expires_at", exports.c.expires_at)

export_chunks = Table(
    "export_chunks",
    central,
    Column("export_id", ForeignKey("sheaf.exports.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
