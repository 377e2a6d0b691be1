"""What runs in the child process that parses workbooks, and the messages between it and its parent."""
