"""The runner: `python -m tests.benchmarks`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from .cases import CATALOGUE, SECTIONS
from .measuring import FREE_PYTHON_VARIABLE, PEER_INSTALL, run_benchmark
from .report import PAGE, PageError, markdown, plain, write_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .model import Benchmark, Contender, Results, Section

DESCRIPTION = """\
Measure task_thread against the bare mechanisms and its peers, in turns, in fresh interpreters.

Prints a table: medians, ratios (the median of the rounds' ratios) and targets.
A missed target is a "no" in the table; the exit code is 1 only where a contender broke.
"""

EPILOG = f"""\
needs:
  pip install pykka culsans                 the peers for signals
  pip install taskiq huey 'apscheduler<4'   the peers for tasks
  {PEER_INSTALL}
                                            the original library, for reSchedule
  {FREE_PYTHON_VARIABLE}=.venv-ft/bin/python
                                            a CPython without the GIL, with janus and structlog
What isn't there is left out, and its line says so.

examples:
  python -m tests.benchmarks --quick                     a trial run of everything
  python -m tests.benchmarks --only signals --only idle  two benchmarks, in full
  python -m tests.benchmarks --section tasks --write     one table of docs/performance.md
  python -m tests.benchmarks --write                     all of them

benchmarks:
"""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    names = "\n".join(f"  {one.name:<22} {one.title}" for one in CATALOGUE)
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=DESCRIPTION,
        epilog=EPILOG + names,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        choices=[one.name for one in CATALOGUE],
        help="run this benchmark alone; may be given several times",
    )
    parser.add_argument(
        "--section",
        metavar="NAME",
        action="append",
        choices=[one.name for one in SECTIONS],
        help=f"run this section alone: {', '.join(one.name for one in SECTIONS)}",
    )
    parser.add_argument(
        "--rounds", metavar="N", type=positive, help="turns of each contender (5; quick: 2)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="small loads: to try it out, not to quote"
    )
    parser.add_argument(
        "--write", action="store_true", help="put the tables into docs/performance.md"
    )
    options = parser.parse_args(arguments)
    if options.write and (options.only or options.quick):
        parser.error("--write takes whole sections at full load: without --only and --quick")
    if options.rounds is None:
        options.rounds = 2 if options.quick else 5
    return options


def positive(text: str) -> int:
    """Read a whole number above zero.

    :raises argparse.ArgumentTypeError: where it isn't one.
    """
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError("a whole number above 0 is wanted")
    return int(text)


def show_progress(benchmark: Benchmark, contender: Contender, number: int, total: int) -> None:
    """Rewrite the progress line on a terminal; elsewhere, a line for each benchmark."""
    text = f"{benchmark.name}: round {number} of {total}, {contender.name}"
    if sys.stderr.isatty():
        print(f"\r{text[:100]:<100}", end="", file=sys.stderr, flush=True)
    elif number == 1 and contender is benchmark.ours:
        print(f"{benchmark.name}: {benchmark.title}, rounds: {total}", file=sys.stderr, flush=True)


def end_progress() -> None:
    """Clear the progress line."""
    if sys.stderr.isatty():
        print("\r" + " " * 100 + "\r", end="", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 where a contender broke, 2 where the page couldn't be written."""
    options = parse(arguments)
    chosen = [one for one in SECTIONS if not options.section or one.name in options.section]
    everything = {one.name: run_section(one, options) for one in chosen}
    broken = [
        series
        for found in everything.values()
        for results in found
        for series in results.series
        if series.failure is not None
    ]
    if broken:
        print("a contender broke; nothing is written", file=sys.stderr)
        return 1
    if options.write:
        try:
            for name, found in everything.items():
                write_page(name, markdown(found, section=name, rounds=options.rounds))
        except PageError as error:
            print(error, file=sys.stderr)
            return 2
        print(f"written: docs/{PAGE.name}")
    return 0


def run_section(section: Section, options: argparse.Namespace) -> list[Results]:
    """Run the benchmarks of a section that were asked for, and print each table."""
    everything: list[Results] = []
    for benchmark in section.benchmarks:
        if options.only and benchmark.name not in options.only:
            continue
        results = run_benchmark(
            benchmark, rounds=options.rounds, quick=options.quick, progress=show_progress
        )
        end_progress()
        print(plain(results), end="\n\n", flush=True)
        everything.append(results)
    return everything


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        end_progress()
        sys.exit(130)
