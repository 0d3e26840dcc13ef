"""The small examples: each runs to its end and says what it should."""

from __future__ import annotations

import re

import pytest

from .processes import ROOT, run

OUTPUT = {
    "hello": r"hello 1\nhello 2\nhello 3\nbye\n",
    "parent_child": (
        r"(counter 1 found 6 words\n|counter 1 found 5 words\n|counter 2 found 3 words\n){3}"
        r"counter 2 has ended: shutdown\ncounter 1 has ended: shutdown\n14 words in all\n"
    ),
    "tcp_handover": (
        r"worker 1: CLIENT 1\nworker 2: CLIENT 2\nworker 1: CLIENT 3\nworker 2: CLIENT 4\n"
    ),
    "serial_poller": (
        r"connected\nreading 20\.0\nreading 20\.1\nreading 20\.2\nline lost: \w+\n"
        r"connected\nreading 21\.0\nreading 21\.1\nreading 21\.2\nline lost: \w+\n"
        r"connected\nreading 22\.0\n"
    ),
    "supervised": (
        r"instance 1: 3 / 2 = 1\.5\n"
        r"(no answer about 'seven': asked once, handled once\n|worker ended: crash\n){2}"
        r"instance 2: 8 / 2 = 4\.0\nrestarts: 1\nworker ended: shutdown\n"
    ),
    "nightly_report": (
        r"a report is due soon\n(night 1: sold (something|nothing)\n)"
        r"night 2: sold something\nnight 3: sold something\n# Sales\n"
    ),
    "thumbnails": (r"shrink_all .* 24/24 .*\n24 thumbnails of 96 x 72, all smaller: True\n"),
    "sender": (r"12 of 12 letters sent\nmore attempts than letters: True\neach arrived: True\n"),
    "order": (
        r"it waits for 20 euros for tea\nit is at task 3 of 4: WAIT\n"
        r"parcel with tea, paid with 20\n"
    ),
    "offload": (
        r"wait for confirmation\nnot ready\nlong: \{'apples': True\}\n"
        r"download: \[\[\], \{'very_long': 0\.03\}\]\noffload: \{'offload': 'done'\}\n"
    ),
    "embedding": (
        r"too early: nothing was recorded yet\nmean of the last 3: 3\.0\nrecorded 4, ended: .+\n"
    ),
}


def test_every_example_is_here() -> None:
    modules = {path.stem for path in (ROOT / "examples").glob("[!_]*.py")}
    assert modules == set(OUTPUT)


@pytest.mark.parametrize("name", OUTPUT)
def test_as_a_module(name: str) -> None:
    done = run(["-m", f"examples.{name}"])
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(OUTPUT[name], done.stdout), done.stdout


@pytest.mark.parametrize("name", OUTPUT)
def test_as_a_script(name: str) -> None:
    done = run([f"examples/{name}.py"])
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(OUTPUT[name], done.stdout), done.stdout


def test_the_children_answer_each_in_its_own_order() -> None:
    done = run(["-m", "examples.parent_child"])
    found = [line for line in done.stdout.splitlines() if "found" in line]
    assert [line for line in found if "counter 1" in line] == [
        "counter 1 found 6 words",
        "counter 1 found 5 words",
    ]
    assert [line for line in found if "counter 2" in line] == ["counter 2 found 3 words"]
