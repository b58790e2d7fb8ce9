"""Answers checked in processes that can be killed: the judge, its workers, their sandbox, and the stress set."""
