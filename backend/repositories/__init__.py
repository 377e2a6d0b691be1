"""All SQL that is run, as functions that are given a connection; `database` opens those."""
