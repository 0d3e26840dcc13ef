"""Random plans for flows. Not drawn from hypothesis: what there is to choose from depends on how
far threads have come, and hypothesis wants each of its draws to come again."""

from __future__ import annotations

from itertools import count
from random import Random
from typing import Any

from tests.flows.acts import BAD, CLASSES

_TAGS = count()
_WORDS = ("", "a", "clip.mp4", "\u00e9\u2028\U0001f600", "k0", '"', "\\u0000\0", "\ud800")


def value(luck: Random, depth: int = 2) -> Any:
    """Something that JSON has a word for."""
    kind = luck.randrange(8 if depth else 6)
    if kind == 6:
        return [value(luck, depth - 1) for _ in range(luck.randrange(3))]
    if kind == 7:
        return {luck.choice(_WORDS): value(luck, depth - 1) for _ in range(luck.randrange(3))}
    return (None, luck.random() < 0.5, luck.randrange(-9, 10**20), luck.gauss(0, 1e9))[kind % 4]


def letters(luck: Random, most: int) -> str:
    """The classes of a routine's tasks."""
    return "".join(luck.choices(sorted(CLASSES), k=luck.randint(1, most)))


def plan(luck: Random, length: int, depth: int = 2) -> dict[str, Any]:
    """What the tasks of a routine of that length do; some spawn, `depth` levels deep."""
    kinds = ["give"] * 4 + ["wait"] * 4 + ["tries", "mend", "poll", "poll"]
    kinds.append(luck.choice(["raise", "bad", "give", "give"]))
    if depth:
        kinds += ["spawn"] * 4 + ["wait and spawn"] * 2
    do = [_action(luck, luck.choice(kinds), depth) for _ in range(length)]
    return {"tag": f"t{next(_TAGS)}", "do": do}


def _action(luck: Random, kind: str, depth: int) -> dict[str, Any]:
    if kind == "give":
        return {"give": value(luck)}
    if kind == "wait":
        return {"wait": luck.randint(1, 3), "reason": "for you"}
    if kind == "spawn":
        name = luck.choice([None, letters(luck, 3)])
        inner = plan(luck, 1 if name is None else len(name), depth - 1)
        return {"spawn": inner, "routine": name}
    if kind == "wait and spawn":
        return _action(luck, "wait", depth) | _action(luck, "spawn", depth)
    others: dict[str, dict[str, Any]] = {
        "tries": {"tries": luck.choice([0, 0, 0, 1, 3, 4])},
        "mend": {"mend": 1},
        "poll": {"poll": 1},
        "raise": {"raise": "as planned"},
        "bad": {"bad": luck.choice(sorted(BAD))},
    }
    return others[kind]


def routines_of(plan: Any) -> set[str]:
    """The names of the routines that flows of that plan spawn."""
    found: set[str] = set()
    for do in plan["do"]:
        if "spawn" in do:
            found |= routines_of(do["spawn"]) | ({do["routine"]} - {None})
    return found
