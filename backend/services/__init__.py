"""The order of work: what is checked, read and written, and in which transaction."""
