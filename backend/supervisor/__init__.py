"""The process that starts the private servers and the workers, and keeps them running until it is told to stop."""
