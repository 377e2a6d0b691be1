"""Lossless types for text, and rows as JSON lines."""

from backend.inference.batch import Batch, Kind
from backend.inference.clean import unguarded
from backend.inference.encode import encode
from backend.inference.infer import Inference
from backend.inference.plan import JSON_CLASS, ColumnPlan, conflicts

__all__ = ["JSON_CLASS", "Batch", "ColumnPlan", "Inference", "Kind", "conflicts", "encode", "unguarded"]
