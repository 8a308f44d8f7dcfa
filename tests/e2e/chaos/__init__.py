"""A column whose processes are killed by a schedule; see tests/e2e/test_chaos.py."""
