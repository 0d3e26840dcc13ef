"""The vocabulary of the suite: a benchmark, its contenders, its targets, and what came of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class UnmeasurableError(Exception):
    """Raised by a contender that can't run here; its text says what is missing."""


class Python(Enum):
    """Which interpreter, with which import path, a contender runs in."""

    OURS = "this interpreter"
    PEER = "this interpreter, the original library first on its path"
    FREE = "a free-threaded interpreter"


class Sense(Enum):
    """On which side of its bound a target lies."""

    AT_LEAST = "at least"
    AT_MOST = "at most"


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way to do the work.

    `call` is "module:function" below `tests.benchmarks.contenders`. The function takes the
    benchmark's size, then `arguments`, and returns one figure in the benchmark's unit.
    """

    name: str
    call: str
    arguments: tuple[int, ...] = ()
    python: Python = Python.OURS


@dataclass(frozen=True, kw_only=True)
class Target:
    """What the first contender (ours) has to reach.

    The bound is one of ours / `against` where `against` names a contender, and of our
    figure itself, in the benchmark's unit, where it is None.
    """

    sense: Sense
    bound: float
    against: str | None = None

    def is_met_by(self, value: float) -> bool:
        """Tell whether the value lies on the right side of the bound, or on it."""
        if self.sense is Sense.AT_LEAST:
            return value >= self.bound
        return value <= self.bound


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What is measured. The first contender is ours; every other is compared with it.

    `size` is the load of one measurement (how many signals, threads, seconds; the contenders know)
    and `quick_size` that of a trial run. `weight` multiplies the number of rounds: cheap and noisy
    measurements want more of them, long and steady ones fewer.
    """

    name: str
    title: str
    unit: str
    size: int
    quick_size: int
    contenders: tuple[Contender, ...]
    targets: tuple[Target, ...]
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a target against a contender that doesn't take part.

        :raises ValueError: naming the target's contender.
        """
        names = {contender.name for contender in self.contenders}
        for target in self.targets:
            if target.against is not None and target.against not in names:
                raise ValueError(f"{self.name}: no contender named {target.against!r}")

    @property
    def ours(self) -> Contender:
        """The contender that the targets speak of."""
        return self.contenders[0]

    def rounds(self, asked: int) -> int:
        """How many rounds to run where `asked` were asked for: at least one."""
        return max(1, round(asked * self.weight))


@dataclass(frozen=True, kw_only=True)
class Section:
    """Benchmarks that stand in one table of the page, between the marker lines of that name."""

    name: str
    benchmarks: tuple[Benchmark, ...]


@dataclass
class Series:
    """One contender's figures, a slot for each round; None where that round gave none."""

    contender: Contender
    figures: list[float | None] = field(default_factory=list)
    missing: str | None = None  # what it lacks here
    failure: str | None = None  # how it broke

    @property
    def is_out(self) -> bool:
        """Whether further rounds make no sense."""
        return self.missing is not None or self.failure is not None


@dataclass(frozen=True)
class Results:
    """All series of one benchmark, in the order of its contenders."""

    benchmark: Benchmark
    series: tuple[Series, ...]
