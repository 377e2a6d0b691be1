"""Every table but the record tables, and every constraint's name.

`central` is one set of tables for the whole service (schema `sheaf`). `workspace` is a set of tables that each
workspace has in a schema of its own; they are described here without one. Alembic compares both with the database.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

LIVE = 2147483647
"""`removed_in` of what is still there."""

_NAMES = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}
central = MetaData(schema="sheaf", naming_convention=_NAMES)
workspace = MetaData(naming_convention=_NAMES)


def moment(name: str, *, nullable: bool = False) -> Column[object]:
    """A column for a point in time: that of the insert, or none."""
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=None if nullable else func.now())


users = Table(
    "users",
    central,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    moment("created_at"),
    moment("disabled_at", nullable=True),
)
"""A disabled user is one without keys: none of theirs works."""

api_keys = Table(
    "api_keys",
    central,
    Column("id", Uuid, primary_key=True),
    Column("user_id", ForeignKey("sheaf.users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text),
    Column("scope", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False, unique=True),
    moment("created_at"),
    moment("expires_at", nullable=True),
    moment("revoked_at", nullable=True),
    Column("origin", Text, nullable=False, server_default="issued"),
    CheckConstraint("scope IN ('read', 'write')", name="scope"),
    CheckConstraint("origin IN ('issued', 'bootstrap', 'presented')", name="origin"),
)
"""`origin`: made here, given by the operator for the first start, or brought by one whom the key policy made a user."""

workspaces = Table(
    "workspaces",
    central,
    Column("id", Uuid, primary_key=True),
    Column("slug", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("has_schema", Boolean, nullable=False, server_default=text("false")),
    Column("revision", Integer, nullable=False, server_default="1"),
    moment("created_at"),
    moment("updated_at"),
    moment("deleted_at", nullable=True),
)
"""`revision` counts its changes, for its ETag. A deleted one can be restored for a grace time."""

memberships = Table(
    "memberships",
    central,
    Column("user_id", ForeignKey("sheaf.users.id", ondelete="CASCADE"), primary_key=True),
    Column("workspace_id", ForeignKey("sheaf.workspaces.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("role", Text, nullable=False),
    Column("is_default", Boolean, nullable=False, server_default=text("false")),
    moment("created_at"),
    Column("invited", Boolean, nullable=False, server_default=text("false")),
    CheckConstraint("role IN ('owner', 'editor', 'viewer')", name="role"),
)
"""`invited`: somebody else made the user a member."""

directory = Table(
    "directory",
    central,
    Column("dataset_id", Uuid, primary_key=True),
    Column("workspace_id", ForeignKey("sheaf.workspaces.id", ondelete="CASCADE"), nullable=False, index=True),
)

uploads = Table(
    "uploads",
    central,
    Column("id", Uuid, primary_key=True),
    Column("workspace_id", ForeignKey("sheaf.workspaces.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("user_id", ForeignKey("sheaf.users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("filename", Text),
    Column("media_type", Text),
    Column("charset", Text),
    Column("format", Text),
    Column("size", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("kept", Boolean, nullable=False),
    moment("created_at"),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)
"""`kept`: its sender has the id and may use it until it expires; otherwise it goes with its import."""

upload_chunks = Table(
    "upload_chunks",
    central,
    Column("upload_id", ForeignKey("sheaf.uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

imports = Table(
    "imports",
    central,
    Column("id", Uuid, primary_key=True),
    Column("workspace_id", ForeignKey("sheaf.workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", ForeignKey("sheaf.users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("upload_id", ForeignKey("sheaf.uploads.id", ondelete="SET NULL"), index=True),
    Column("dataset_id", Uuid),
    Column("request", JSON, nullable=False),
    Column("answered", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("rows", BigInteger, nullable=False, server_default="0"),
    Column("bytes", BigInteger, nullable=False),
    Column("percent", Float, nullable=False, server_default="0"),
    Column("answer", JSON),
    Column("problem", JSON),
    Column("cancelled", Boolean, nullable=False, server_default=text("false")),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("worker", Uuid),
    moment("lease_until", nullable=True),
    moment("created_at"),
    moment("started_at", nullable=True),
    moment("finished_at", nullable=True),
    CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="state"),
)
"""`answered`: its caller got 202, so it survives a restart; otherwise it ends with the process that runs it."""
Index("ix_imports_workspace_id_created_at", imports.c.workspace_id, imports.c.created_at)
Index("ix_imports_open", imports.c.created_at, postgresql_where=imports.c.state.in_(["queued", "running"]))

rejected_rows = Table(
    "rejected_rows",
    central,
    Column("import_id", ForeignKey("sheaf.imports.id", ondelete="CASCADE"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("row", BigInteger, nullable=False),
    Column("error", Text, nullable=False),
    Column("cells", ARRAY(Text), nullable=False),
)

idempotency = Table(
    "idempotency",
    central,
    Column("user_id", ForeignKey("sheaf.users.id", ondelete="CASCADE"), primary_key=True),
    Column("method", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("attempt", Uuid, nullable=False),
    Column("lease_until", DateTime(timezone=True), nullable=False),
    Column("fingerprint", LargeBinary),
    Column("status", Integer),
    Column("headers", JSON),
    Column("body", LargeBinary),
    Column("workspace_id", ForeignKey("sheaf.workspaces.id", ondelete="CASCADE"), index=True),
    moment("created_at"),
)
"""A request that may be repeated; without a `status` it is still running, as long as its lease goes.

`workspace_id`: the one that it wrote to; its answer is told to members of it alone.
"""
Index("ix_idempotency_created_at", idempotency.c.created_at)

secrets = Table(
    "secrets",
    central,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
"""Random bytes that all workers share and nobody else knows, such as those that sign cursors."""

indexes = Table(
    "indexes",
    central,
    Column("store", Uuid, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("workspace_id", ForeignKey("sheaf.workspaces.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("form", Text, nullable=False),
    Column("expression", Text, nullable=False),
    Column("whole", Text),
    Column("following", ARRAY(Text), nullable=False, server_default="{}"),
    Column("uses", BigInteger, nullable=False),
    Column("used_at", DateTime(timezone=True), nullable=False),
    Column("state", Text, nullable=False, server_default="noted"),
    Column("problem", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("worker", Uuid),
    Column("wait_until", DateTime(timezone=True)),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("form IN ('asc', 'desc', 'trigram')", name="form"),
    CheckConstraint("state IN ('noted', 'building', 'ready', 'refused')", name="state"),
)
"""Indexes that queries would use, or do. `wait_until`: a `worker` is at it; without one, nobody is to try before."""

datasets = Table(
    "datasets",
    workspace,
    Column("id", Uuid, primary_key=True),
    Column("store", Uuid, nullable=False),
    Column("slug", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("kind", Text, nullable=False, server_default="table"),
    Column("open_schema", Boolean, nullable=False, server_default=text("false")),
    Column("owner", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("token", Text, nullable=False),
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("rows", BigInteger, nullable=False),
    Column("columns", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("next_id", BigInteger, nullable=False),
    Column("key", Text),
    Column("keep_versions", Integer),
    Column("keep_days", Integer),
    Column("busy_import", Uuid),
    moment("busy_until", nullable=True),
    moment("created_at"),
    moment("updated_at"),
    moment("deleted_at", nullable=True),
)
"""`store`: what its record table is called by."""
Index("uq_datasets_slug", datasets.c.slug, unique=True, postgresql_where=datasets.c.deleted_at.is_(None))
Index("uq_datasets_name", func.lower(datasets.c.name), unique=True, postgresql_where=datasets.c.deleted_at.is_(None))

columns = Table(
    "columns",
    workspace,
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("added_in", Integer, primary_key=True),
    Column("removed_in", Integer, nullable=False, server_default=text(str(LIVE))),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("format", Text),
    Column("nullable", Boolean, nullable=False, server_default=text("true")),
    Column("description", Text),
    Column("evidence", JSONB),
)

versions = Table(
    "versions",
    workspace,
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("token", Text, nullable=False),
    Column("author", Uuid, nullable=False),
    Column("operation", Text, nullable=False),
    Column("note", Text),
    Column("rows", BigInteger, nullable=False),
    Column("added", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("removed", BigInteger, nullable=False),
    Column("tag", Text),
    Column("source", JSONB),
    Column("swept", Boolean, nullable=False, server_default=text("false")),
    moment("pruned_at", nullable=True),
    moment("created_at"),
)
"""A pruned version cannot be read any more; once it is `swept`, the images that only it showed are gone."""
Index("uq_versions_tag", versions.c.dataset_id, versions.c.tag, unique=True)
_kept = versions.c.pruned_at.is_(None)
Index("ix_versions_kept", versions.c.dataset_id, versions.c.version, postgresql_where=_kept)
_unswept = versions.c.pruned_at.isnot(None) & ~versions.c.swept
Index("ix_versions_unswept", versions.c.dataset_id, versions.c.version, postgresql_where=_unswept)
