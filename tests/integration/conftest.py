"""The running service for every integration test, and datasets in it."""

from support.datasets import orders, people, typed
from support.service import anonymous, client, connect, make_user, reader, service, stranger, upload, user

__all__ = [
    "anonymous", "client", "connect", "make_user", "orders", "people", "reader", "service", "stranger", "typed",
    "upload", "user",
]  # fmt: skip
