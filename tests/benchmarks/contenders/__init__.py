"""What runs in the fresh interpreters. Each function takes a size and returns one figure.

The modules that import task_thread (`ours_*`) or a peer (`peer_*`) import nothing of each other,
so that a contender loads what it measures and no more.
"""
