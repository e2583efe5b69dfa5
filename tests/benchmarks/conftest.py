"""The benchmarks are a program, not tests: pytest is to leave them alone."""

collect_ignore_glob = ["*"]
