"""What the tests of the running service share: the real server process, a client, a parser of delimited text."""
