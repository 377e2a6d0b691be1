"""prepared exports and their files

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "exports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("percent", sa.Float(), server_default="0", nullable=False),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("worker", sa.Uuid(), nullable=True),
        sa.Column("lease_until", _MOMENT, nullable=True),
        sa.Column("created_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", _MOMENT, nullable=True),
        sa.Column("expires_at", _MOMENT, nullable=True),
        sa.CheckConstraint("state IN ('queued', 'running', 'done', 'failed')", name=op.f("ck_exports_state")),
        sa.ForeignKeyConstraint(["user_id"], ["sheaf.users.id"], name=op.f("fk_exports_user_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["sheaf.workspaces.id"], name=op.f("fk_exports_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
        schema="sheaf",
    )
    op.create_index(op.f("ix_exports_user_id"), "exports", ["user_id"], schema="sheaf")
    op.create_index("ix_exports_workspace_id_fingerprint", "exports", ["workspace_id", "fingerprint"], schema="sheaf")
    is_open = sa.text("state IN ('queued', 'running')")
    op.create_index("ix_exports_open", "exports", ["created_at"], schema="sheaf", postgresql_where=is_open)
    op.create_index("ix_exports_expires_at", "exports", ["expires_at"], schema="sheaf")
    op.create_table(
        "export_chunks",
        sa.Column("export_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["export_id"], ["sheaf.exports.id"], name=op.f("fk_export_chunks_export_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("export_id", "number", "attempt", name=op.f("pk_export_chunks")),
        schema="sheaf",
    )
    op.execute("ALTER TABLE sheaf.export_chunks ALTER COLUMN data SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("export_chunks", schema="sheaf")
    op.drop_index("ix_exports_expires_at", table_name="exports", schema="sheaf")
    op.drop_index("ix_exports_open", table_name="exports", schema="sheaf")
    op.drop_index("ix_exports_workspace_id_fingerprint", table_name="exports", schema="sheaf")
    op.drop_index(op.f("ix_exports_user_id"), table_name="exports", schema="sheaf")
    op.drop_table("exports", schema="sheaf")
