"""From series to medians, ratios and verdicts. Pure: no clock, no process."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from .model import Results, Sense, Series, Target


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A target beside what was reached: the median of the rounds' ratios, or of our figures."""

    target: Target
    reached: float | None

    @property
    def met(self) -> bool | None:
        """None where nothing was measured."""
        return None if self.reached is None else self.target.is_met_by(self.reached)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One contender's line. `ratio` is ours / this one, None for ours itself."""

    name: str
    middle: float | None
    lowest: float | None
    highest: float | None
    ratio: float | None
    verdict: Verdict | None
    remark: str


def rows(results: Results) -> list[Row]:
    """A line for each contender, ours first."""
    ours = results.series[0]
    return [row(results, ours, one) for one in results.series]


def row(results: Results, ours: Series, one: Series) -> Row:
    """The line of one contender, with the target that speaks of it, if one does."""
    values = [value for value in one.figures if value is not None]
    ratio = None if one is ours else middle_ratio(ours, one)
    middle = median(values) if values else None
    against = None if one is ours else one.contender.name
    reached = middle if one is ours else ratio
    verdict = next(
        (
            Verdict(target=target, reached=reached)
            for target in results.benchmark.targets
            if target.against == against
        ),
        None,
    )
    return Row(
        name=one.contender.name,
        middle=middle,
        lowest=min(values, default=None),
        highest=max(values, default=None),
        ratio=ratio,
        verdict=verdict,
        remark=remark(one),
    )


def middle_ratio(ours: Series, other: Series) -> float | None:
    """The median of ours / other, each taken within one round; None where no round has both."""
    ratios = [
        mine / theirs
        for mine, theirs in zip(ours.figures, other.figures, strict=True)
        if mine is not None and theirs is not None and theirs > 0
    ]
    return median(ratios) if ratios else None


def remark(series: Series) -> str:
    """Why a contender has no figure; empty where it has."""
    if series.missing is not None:
        return f"not measured: {series.missing}"
    if series.failure is not None:
        return f"failed: {series.failure}"
    return ""


def number(value: float, unit: str) -> str:
    """A figure for people: three digits that count, rates in k and M."""
    if unit.endswith("/s") and abs(value) >= 1e6:
        return f"{value / 1e6:.2f}M"
    if unit.endswith("/s") and abs(value) >= 1e3:
        return f"{value / 1e3:.3g}k" if abs(value) < 999_500 else "1.00M"
    if value == int(value) or abs(value) >= 999.5:
        return f"{value:.0f}"
    return f"{value:.3g}"


def bound(target: Target, unit: str) -> str:
    """A target for people: "at least 0.5 x" for a ratio, "at most 60 KiB" for a figure."""
    sense = "at least" if target.sense is Sense.AT_LEAST else "at most"
    what = f"{target.bound:g} x" if target.against is not None else f"{target.bound:g} {unit}"
    return f"{sense} {what}"
