"""The numbers of our advisory locks: each stands for one thing, so that who does one never waits for another."""

from __future__ import annotations

MIGRATE = 7_450_361_220
"""Held by who changes the schema of the database itself."""
BOOTSTRAP = 7_450_361_221
"""By who makes the key of the configuration."""
MANY_DATASETS = 7_450_361_222
"""By who writes so many datasets in one transaction that PostgreSQL's room for locks may run out."""
CLAIM_INDEX = 7_450_361_223
"""By who looks which index to build next."""
