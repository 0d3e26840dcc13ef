"""Draws the states of a flow as an SVG. Places are decided by hand; a test holds it against the
rules: that each arrow is a move that a flow can make, and that no move is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Final

from task_thread.flows.words import FlowState

INIT, RUNNING, CHECK = FlowState.INIT, FlowState.RUNNING, FlowState.CHECK
WAIT, SPAWN, DONE = FlowState.WAIT, FlowState.SPAWN, FlowState.DONE
FAIL, CANCELLED = FlowState.FAIL, FlowState.CANCELLED

UNDER_WAY: Final = (RUNNING, CHECK, WAIT, SPAWN)
"""In one frame: an arrow from the frame is one from each of them."""

BOX: Final = (104.0, 34.0)
FRAME: Final = (160.0, 14.0, 410.0, 250.0)  # left, top, width, height
PLACES: Final[dict[FlowState, tuple[float, float]]] = {
    INIT: (62, 130),
    RUNNING: (232, 130),
    SPAWN: (490, 50),
    WAIT: (232, 226),
    CHECK: (490, 226),
    DONE: (710, 50),
    FAIL: (710, 138),
    CANCELLED: (710, 226),
}


@dataclass(frozen=True)
class Arrow:
    """One or more moves, drawn as one line through some points; a label with its place."""

    starts: tuple[FlowState, ...]
    label: str
    ends: tuple[FlowState, ...]
    points: tuple[tuple[float, float], ...]
    text: tuple[float, float]

    def moves(self) -> set[tuple[FlowState, FlowState]]:
        """Which moves it stands for."""
        return {(start, end) for start in self.starts for end in self.ends}

    def svg(self) -> str:
        """The line and its label."""
        path = "M " + " L ".join(f"{x:g} {y:g}" for x, y in self.points)
        x, y = self.text
        return (
            f'<path d="{path}" class="arrow" marker-end="url(#flow-head)"/>'
            f'<text x="{x:g}" y="{y:g}" class="event">{escape(self.label)}</text>'
        )


ARROWS: Final = (
    Arrow((INIT,), "submit", (RUNNING,), ((114, 130), (180, 130)), (138, 122)),
    Arrow(
        (RUNNING,), "a result: the next task", (RUNNING,),
        ((212, 113), (212, 80), (252, 80), (252, 113)), (250, 70),
    ),
    Arrow((RUNNING,), "spawn(...)", (SPAWN,), ((284, 116), (438, 46)), (366, 72)),
    Arrow((SPAWN,), "the child is done", (RUNNING,), ((438, 62), (284, 130)), (392, 110)),
    Arrow((RUNNING,), "wait(...)", (WAIT,), ((212, 147), (212, 209)), (212, 184)),
    Arrow((WAIT,), "resume", (CHECK,), ((284, 232), (438, 232)), (361, 247)),
    Arrow((CHECK,), "not yet", (WAIT,), ((438, 218), (284, 218)), (330, 212)),
    Arrow((CHECK,), "passed", (RUNNING,), ((452, 209), (284, 142)), (392, 172)),
    Arrow((CHECK,), "spawn(...)", (SPAWN,), ((500, 209), (500, 67)), (512, 150)),
    Arrow(UNDER_WAY, "no task left", (DONE,), ((570, 50), (658, 50)), (612, 42)),
    Arrow(UNDER_WAY, "raised", (FAIL,), ((570, 130), (658, 130)), (612, 122)),
    Arrow((FAIL,), "resume", (RUNNING, CHECK, SPAWN), ((658, 146), (570, 146)), (616, 162)),
    Arrow(UNDER_WAY, "cancel", (CANCELLED,), ((570, 226), (658, 226)), (612, 218)),
    Arrow((FAIL,), "cancel", (CANCELLED,), ((710, 155), (710, 209)), (710, 187)),
    Arrow(
        (INIT,), "cancel", (CANCELLED,),
        ((62, 147), (62, 284), (710, 284), (710, 243)), (112, 276),
    ),
)  # fmt: skip

POLLED: Final = frozenset({(WAIT, RUNNING), (WAIT, WAIT), (WAIT, SPAWN)})
"""Moves that the page tells of in words: a check that is asked by itself leads straight from
WAIT to where CHECK would."""


def box(state: FlowState) -> str:
    """A state's box; those that are never left have a double frame."""
    x, y = PLACES[state]
    width, height = BOX
    frames = [(width, height)] + ([(width - 6, height - 6)] if state.is_final else [])
    drawn = "".join(
        f'<rect x="{x - w / 2:g}" y="{y - h / 2:g}" width="{w:g}" height="{h:g}" rx="6"/>'
        for w, h in frames
    )
    return f'{drawn}<text x="{x:g}" y="{y + 5:g}" class="state">{escape(state.value)}</text>'


def draw() -> str:
    """The whole picture, in the colours of the page around it."""
    left, top, width, height = FRAME
    frame = (
        f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" rx="12" '
        'class="frame"/>'
    )
    body = "\n".join([frame, *(arrow.svg() for arrow in ARROWS), *map(box, FlowState)])
    return f"""\
<svg viewBox="0 0 772 296" role="img" xmlns="http://www.w3.org/2000/svg"
     style="max-width: 100%; height: auto" aria-label="The states of a flow">
<style>
.flow rect, .flow .arrow {{ fill: none; stroke: currentColor; stroke-width: 1.4; }}
.flow .frame {{ stroke-dasharray: 5 5; stroke-width: 1; }}
.flow text {{ fill: currentColor; text-anchor: middle; font-family: sans-serif; }}
.flow .state {{ font-size: 14px; font-weight: 600; }}
.flow .event {{ font-size: 12px; font-style: italic; paint-order: stroke;
  stroke: var(--color-background-primary, white); stroke-width: 5px; }}
</style>
<defs><marker id="flow-head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8"
  orient="auto"><path d="M 0 0 L 8 4 L 0 8 z" fill="currentColor"/></marker></defs>
<g class="flow">
{body}
</g>
</svg>
"""
