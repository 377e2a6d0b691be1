"""Workbooks, read in a child process of their own: a sheet in, slices of text columns out."""
