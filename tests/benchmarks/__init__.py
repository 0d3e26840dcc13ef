"""The benchmark suite: `python -m tests.benchmarks` (`--help` tells how).

How it measures
    Every figure comes from a fresh interpreter, so no contender inherits another one's memory,
    threads or imported modules, and a peer that shares our import name can take part.
    Contenders take turns (A B C, A B C, ...), so that a busy machine hits all of them alike; each
    ratio is taken within one round, and the median of the rounds' ratios stands in the table.

Who imports whom
    cases       what is measured against what, and the targets
    contenders  what runs in the fresh interpreters; only these import task_thread or a peer
    model       the words that both sides share: Benchmark, Contender, Target, and what came out
    measuring   interpreters and turns
    figures     medians, ratios and verdicts
    report      tables
    worker      the far side of a measurement

Nothing here asserts a time: a missed target is a "no" in the table, not a failure.
"""
