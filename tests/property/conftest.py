"""The running service for properties of the whole way."""

from support.service import service

__all__ = ["service"]
