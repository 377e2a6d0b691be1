"""uploads and imports

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=True),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column("charset", sa.Text(), nullable=True),
        sa.Column("format", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["sheaf.users.id"], name=op.f("fk_uploads_user_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["sheaf.workspaces.id"], name=op.f("fk_uploads_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
        schema="sheaf",
    )
    op.create_index(op.f("ix_uploads_user_id"), "uploads", ["user_id"], unique=False, schema="sheaf")
    op.create_index(op.f("ix_uploads_workspace_id"), "uploads", ["workspace_id"], unique=False, schema="sheaf")
    op.create_table(
        "imports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("upload_id", sa.Uuid(), nullable=True),
        sa.Column("dataset_id", sa.Uuid(), nullable=True),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("answered", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("percent", sa.Float(), server_default="0", nullable=False),
        sa.Column("answer", sa.JSON(), nullable=True),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.Column("cancelled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("worker", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name=op.f("ck_imports_state")
        ),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["sheaf.uploads.id"], name=op.f("fk_imports_upload_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["sheaf.users.id"], name=op.f("fk_imports_user_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["sheaf.workspaces.id"], name=op.f("fk_imports_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
        schema="sheaf",
    )
    op.create_index(
        "ix_imports_open",
        "imports",
        ["created_at"],
        unique=False,
        schema="sheaf",
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_index(op.f("ix_imports_upload_id"), "imports", ["upload_id"], unique=False, schema="sheaf")
    op.create_index(op.f("ix_imports_user_id"), "imports", ["user_id"], unique=False, schema="sheaf")
    op.create_index(
        "ix_imports_workspace_id_created_at", "imports", ["workspace_id", "created_at"], unique=False, schema="sheaf"
    )
    op.create_table(
        "upload_chunks",
        sa.Column("upload_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["sheaf.uploads.id"], name=op.f("fk_upload_chunks_upload_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("upload_id", "number", name=op.f("pk_upload_chunks")),
        schema="sheaf",
    )
    op.create_table(
        "rejected_rows",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("row", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("cells", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"], ["sheaf.imports.id"], name=op.f("fk_rejected_rows_import_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("import_id", "number", name=op.f("pk_rejected_rows")),
        schema="sheaf",
    )
    op.execute("ALTER TABLE sheaf.upload_chunks ALTER COLUMN data SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("rejected_rows", schema="sheaf")
    op.drop_table("upload_chunks", schema="sheaf")
    op.drop_index("ix_imports_workspace_id_created_at", table_name="imports", schema="sheaf")
    op.drop_index(op.f("ix_imports_user_id"), table_name="imports", schema="sheaf")
    op.drop_index(op.f("ix_imports_upload_id"), table_name="imports", schema="sheaf")
    op.drop_index(
        "ix_imports_open",
        table_name="imports",
        schema="sheaf",
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.drop_table("imports", schema="sheaf")
    op.drop_index(op.f("ix_uploads_workspace_id"), table_name="uploads", schema="sheaf")
    op.drop_index(op.f("ix_uploads_user_id"), table_name="uploads", schema="sheaf")
    op.drop_table("uploads", schema="sheaf")
