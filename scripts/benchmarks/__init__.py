"""Speed and memory of the running service, each figure beside a baseline taken in turn in the same run."""
