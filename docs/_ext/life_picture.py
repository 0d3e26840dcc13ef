"""Draws the life of a thread as an SVG, from the core's own table of states and events.

Only the places of the states are decided here. A state without a place is an error: whoever
changes the table is told to change the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Final

from task_thread.core.lifecycle import FINAL, TRANSITIONS, Event, State

# Column and row of each state; fractions are welcome.
PLACES: Final[dict[State, tuple[float, float]]] = {
    State.NEW: (0, 1),
    State.STARTING: (1, 1),
    State.RUNNING: (2, 1),
    State.STOPPING: (3, 1),
    State.STOPPED: (4, 1),
    State.CRASHED: (3.7, 2.6),
    State.ABANDONED: (1.6, 2.6),
}

STEP_X: Final = 170.0
STEP_Y: Final = 85.0
BOX: Final = (112.0, 36.0)
MARGIN: Final = 14.0
LABEL_SHARE: Final = 0.62  # of the way down a slanting arrow: where no two of them cross


@dataclass(frozen=True)
class Arrow:
    """One transition: an arrow from one state's box to another's."""

    start: State
    event: Event
    end: State

    def svg(self) -> str:
        """The arrow and its label. In one row, what skips a state arches over it."""
        x1, y1 = centre(self.start)
        x2, y2 = centre(self.end)
        width, height = BOX
        if y1 == y2 and abs(x2 - x1) > STEP_X:
            top = y1 - height / 2
            lift = 26.0 * (x2 - x1) / STEP_X
            path = (
                f"M {x1:g} {top:g} C {x1:g} {top - lift:g}, {x2:g} {top - lift:g}, {x2:g} {top:g}"
            )
            label = ((x1 + x2) / 2, top - 0.75 * lift - 4)
        elif y1 == y2:
            x1, x2 = x1 + width / 2, x2 - width / 2
            path = f"M {x1:g} {y1:g} L {x2:g} {y2:g}"
            label = ((x1 + x2) / 2, y1 - 6)
        else:
            y1, y2 = y1 + height / 2, y2 - height / 2
            path = f"M {x1:g} {y1:g} L {x2:g} {y2:g}"
            label = (x1 + LABEL_SHARE * (x2 - x1), y1 + LABEL_SHARE * (y2 - y1))
        x, y = label
        return (
            f'<path d="{path}" class="arrow" marker-end="url(#life-head)"/>'
            f'<text x="{x:g}" y="{y:g}" class="event">{escape(self.event.value)}</text>'
        )


def centre(state: State) -> tuple[float, float]:
    """The middle of a state's box, in pixels.

    :raises KeyError: the table has a state that no place was decided for.
    """
    column, row = PLACES[state]
    return MARGIN + BOX[0] / 2 + column * STEP_X, MARGIN + BOX[1] / 2 + row * STEP_Y


def arrows() -> Iterator[Arrow]:
    """All transitions of the table, in its order."""
    for start, exits in TRANSITIONS.items():
        for event, end in exits.items():
            yield Arrow(start, event, end)


def box(state: State) -> str:
    """A state's box; those that are never left have a double frame."""
    x, y = centre(state)
    width, height = BOX
    frames = [(width, height)] + ([(width - 6, height - 6)] if state in FINAL else [])
    drawn = "".join(
        f'<rect x="{x - w / 2:g}" y="{y - h / 2:g}" width="{w:g}" height="{h:g}" rx="6"/>'
        for w, h in frames
    )
    return f'{drawn}<text x="{x:g}" y="{y + 5:g}" class="state">{escape(state.value)}</text>'


def draw() -> str:
    """The whole picture, in the colours of the page around it."""
    width = 2 * MARGIN + BOX[0] + STEP_X * max(column for column, _ in PLACES.values())
    height = 2 * MARGIN + BOX[1] + STEP_Y * max(row for _, row in PLACES.values())
    parts = [arrow.svg() for arrow in arrows()] + [box(state) for state in State]
    body = "\n".join(parts)
    return f"""\
<svg viewBox="0 0 {width:g} {height:g}" role="img" xmlns="http://www.w3.org/2000/svg"
     style="max-width: 100%; height: auto" aria-label="The states of a thread's life">
<style>
.life rect, .life .arrow {{ fill: none; stroke: currentColor; stroke-width: 1.4; }}
.life text {{ fill: currentColor; text-anchor: middle; font-family: sans-serif; }}
.life .state {{ font-size: 15px; font-weight: 600; }}
.life .event {{ font-size: 12px; font-style: italic; paint-order: stroke;
  stroke: var(--color-background-primary, white); stroke-width: 5px; }}
</style>
<defs><marker id="life-head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8"
  orient="auto"><path d="M 0 0 L 8 4 L 0 8 z" fill="currentColor"/></marker></defs>
<g class="life">
{body}
</g>
</svg>"""
