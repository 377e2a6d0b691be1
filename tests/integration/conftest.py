"""The running service for every integration test."""

from support.service import anonymous, client, connect, make_user, reader, service, stranger, upload, user

__all__ = ["anonymous", "client", "connect", "make_user", "reader", "service", "stranger", "upload", "user"]
