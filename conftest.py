"""What is not collected; a list in tests/conftest.py would hide this one."""

from importlib.util import find_spec

collect_ignore = ["tests/scripts"]  # run by test_drop_in_scripts
if find_spec("numba") is None:  # it is optional
    collect_ignore += ["tests/test_engines.py", "skbackprop/engines/numba_engine"]
