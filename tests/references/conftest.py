"""The scripts here need libraries that the tests do without."""

collect_ignore_glob = ["*.py"]
