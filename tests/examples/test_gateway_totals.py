"""The sums."""

from __future__ import annotations

from examples.gateway.totals import CrashReport, Summary, Totals, add_up


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
    assert good.healed
    assert good.good
    text = "\n".join(good.lines())
    assert "in = written, nothing lost" in text
    assert "\n  cut off 1\n" in text
    assert "crash" not in text
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


CRASH = CrashReport(
    part="database",
    at=5.04,
    when="rows taken over, not yet written",
    generation=2,
    seconds=0.1084,
    signals=1,
    rows=1550,
    pause=0.1,
)


def test_a_crash_that_was_healed() -> None:
    healed = summary(crashes=(CRASH,), crashes_ordered=1, restarts={"database": 1})
    assert healed.good
    lines = healed.lines()
    begin = lines.index("crash on purpose  database, at 5.0 s: rows taken over, not yet written")
    assert lines[begin - 1] == "restarts                    1  (database 1)"
    assert lines[begin + 1 : begin + 5] == [
        "  kept            1 signal and 1,550 rows, that were waiting or in its hands",
        "  back            after 108.4 ms, 100 ms of them a pause:",
        "                  instance 2 had handled its first signal",
        "  lost                      0  (frames in, less rows written)",
    ]
    assert max(map(len, lines)) <= 80


def test_a_crash_that_was_not_healed_or_cost_frames() -> None:
    missing = summary(crashes=(CRASH,), crashes_ordered=2)
    assert (missing.healed, missing.good) == (False, False)
    assert "crash on purpose   NOT HEALED  (1 of 2 that were ordered)" in missing.lines()
    lossy = summary(crashes=(CRASH,), crashes_ordered=1, rows=7)
    assert (lossy.healed, lossy.good) == (True, False)
    assert "  lost                      2  (frames in, less rows written)" in lossy.lines()


def test_a_client_that_crashed_is_no_clean_end() -> None:
    assert not summary(totals=Totals(received=9, children_failed=1)).clean
