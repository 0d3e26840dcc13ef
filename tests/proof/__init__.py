"""The proofs: random stops, floods, cycles, hostile code, OS signals, races, a machine of trees.

Each test draws its phases from one seed, which stands in the test's name and is printed where it
fails. ``TASK_THREAD_SEED=12345 python -m pytest tests/proof`` draws the same ones again.
"""
