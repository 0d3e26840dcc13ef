"""The picture of a thread's life is drawn from the table of its states."""

from __future__ import annotations

import importlib.util
import re
import sys
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

from task_thread.core.lifecycle import FINAL, TRANSITIONS, Event, State, diagram
from tests.project.places import DOCS, read

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def picture(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("life_picture", DOCS / "_ext" / "life_picture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "life_picture", module)  # its dataclass looks itself up
    spec.loader.exec_module(module)
    return module


def labels(svg: str, kind: str) -> list[str]:
    """The texts of one class in a drawing."""
    texts = ET.fromstring(svg).iter(f"{SVG}text")
    return sorted(text.text or "" for text in texts if text.get("class") == kind)


def test_page_shows_the_picture() -> None:
    assert "```{life-picture}\n```" in read("docs/explanation/life.md")


def test_drawing_shows_the_table(picture: ModuleType) -> None:
    svg = picture.draw()
    assert labels(svg, "state") == sorted(state.value for state in State)
    told = [event.value for exits in TRANSITIONS.values() for event in exits]
    assert labels(svg, "event") == sorted(told)


def test_final_states_have_a_double_frame(picture: ModuleType) -> None:
    frames = len(list(ET.fromstring(picture.draw()).iter(f"{SVG}rect")))
    assert frames == len(State) + len(FINAL)


def test_drawing_follows_the_table(picture: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {state: dict(exits) for state, exits in TRANSITIONS.items()}
    changed[State.STOPPED][Event.RUN] = State.NEW
    monkeypatch.setattr(picture, "TRANSITIONS", changed)
    runs = labels(picture.draw(), "event").count(Event.RUN.value)
    assert runs == 1 + sum(Event.RUN in exits for exits in TRANSITIONS.values())


def test_state_without_a_place_is_an_error(
    picture: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {state: place for state, place in picture.PLACES.items() if state is not State.NEW}
    monkeypatch.setattr(picture, "PLACES", places)
    with pytest.raises(KeyError):
        picture.draw()


def test_mermaid_text_has_each_transition_once() -> None:
    drawn = re.findall(r"^ +(\w+) --> (\w+): (.+)$", diagram(), re.MULTILINE)
    table = [
        (start.value, end.value, event.value)
        for start, exits in TRANSITIONS.items()
        for event, end in exits.items()
    ]
    assert sorted(drawn) == sorted(table)
