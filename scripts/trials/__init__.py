"""Trials of the whole service: what is promised holds under faults, and under load."""
