"""The sums."""

from __future__ import annotations

from examples.gateway.totals import Summary, Totals, add_up


def test_reports_are_added_up() -> None:
    totals = add_up(
        [
            {"received": 10, "connections": 2},
            {"rejected not JSON": 1, "rejected after a bad frame": 2, "passed": 7},
            {"written": 7, "batches": 1, "of no interest": 5},
            {"rejected not JSON": 1},
        ]
    )
    assert totals == Totals(
        received=10,
        rejected={"not JSON": 2, "after a bad frame": 2},
        passed=7,
        written=7,
        batches=1,
        connections=2,
    )
    assert totals.frames_rejected == 4
    assert totals.frames_in == 6


def summary(**changes: object) -> Summary:
    given: dict[str, object] = {
        "totals": Totals(received=10, rejected={"cut off": 1}),
        "rows": 9,
        "dead_letters": 0,
        "seconds": 3.0,
        "stop_seconds": 0.25,
        "failures": (),
    }
    return Summary(**given | changes)  # type: ignore[arg-type]


def test_a_good_end() -> None:
    good = summary()
    assert good.complete
    assert good.clean
    text = "\n".join(good.lines())
    assert "in = written, nothing lost" in text
    assert "(cut off 1)" in text
    assert "(3/s)" in text
    assert "clean  (0.25 s)" in text


def test_bad_ends() -> None:
    for rows in (8, 10):
        assert not summary(rows=rows).complete
        assert "IN AND WRITTEN DIFFER" in "\n".join(summary(rows=rows).lines())
    assert not summary(dead_letters=1).clean
    failed = summary(failures=("database: crash: disk full",))
    assert not failed.clean
    assert "NOT CLEAN" in "\n".join(failed.lines())
    assert "  database: crash: disk full" in failed.lines()
