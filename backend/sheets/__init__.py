"""Workbooks, read in a child process of their own: a sheet in, slices of text columns out.

The parent's end is `readers/workbook_child.py`. These modules lie beside the readers so that the child, which is
started for every workbook, imports nothing of them.
"""
