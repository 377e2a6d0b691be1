"""The record tables that a workspace no longer uses; part of `tables.workspace`."""

from sqlalchemy import Column, ForeignKey, Table, Uuid

from backend.repositories.tables import moment, workspace

__all__ = ["workspace"]

Table(
    "retired_stores",
    workspace,
    Column("store", Uuid, primary_key=True),
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False, index=True),
    moment("retired_at"),
)
"""Their records were written anew; they are dropped once nobody reads them."""
