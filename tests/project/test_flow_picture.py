"""The picture of a flow's states shows the moves that the rules allow, and no others."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

from task_thread.flows.history import MOVES
from task_thread.flows.words import FlowState
from tests.project.places import DOCS, read

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def picture(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("flow_picture", DOCS / "_ext" / "flow_picture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "flow_picture", module)  # its dataclass looks itself up
    spec.loader.exec_module(module)
    return module


def test_page_shows_the_picture() -> None:
    assert "```{flow-picture}\n```" in read("docs/explanation/flows.md")


def test_arrows_are_the_moves_that_there_are(picture: ModuleType) -> None:
    drawn = [move for arrow in picture.ARROWS for move in arrow.moves()]
    assert len(drawn) == len(set(drawn))
    assert set(drawn).isdisjoint(picture.POLLED)
    allowed = {(start, end) for start, ends in MOVES.items() for end in ends}
    assert set(drawn) | picture.POLLED == allowed


def test_every_state_has_a_box_and_final_ones_a_double_frame(picture: ModuleType) -> None:
    svg = ET.fromstring(picture.draw())
    states = [text.text for text in svg.iter(f"{SVG}text") if text.get("class") == "state"]
    assert states == [state.value for state in FlowState]
    final = [state for state in FlowState if state.is_final]
    assert len(list(svg.iter(f"{SVG}rect"))) == len(FlowState) + len(final) + 1
