// A routine as a line of its tasks, with how many flows are at each of them.

import { count, describe, element, fit, mark, say, show } from "./draw.js";
import { STATES, cut, setState, stateWord } from "./flowparts.js";

// So many flows of one state at one task: a button where something can be chosen.
class Count {
  constructor(place, choose) {
    this.node = element(choose ? "button" : "span", "state");
    if (!choose) return;
    this.node.type = "button";
    this.node.addEventListener("click", () => choose(place.position, this.state));
  }

  update([state, number, where]) {
    this.state = state;
    setState(this.node, state);
    say(this.node, `${count(number)} ${stateWord(state)}`);
    if (this.node.type === "button") {
      describe(this.node, "aria-label", `${count(number)} ${stateWord(state)} at ${where}: list them`);
    }
  }
}

class Place {
  constructor(choose) {
    this.choose = choose;
    this.node = element("li", "place");
    this.name = this.node.appendChild(element("span", "place-name said"));
    this.key = this.node.appendChild(element("span", "place-key said"));
    this.counts = this.node.appendChild(element("span", "counts"));
    this.here = this.node.appendChild(element("span", "here", "the flow is here"));
  }

  update(place) {
    this.position = place.position;
    const marked = place.marked === true;
    const states = Object.keys(STATES).filter((state) => place.states?.[state]);
    const kind = place.skipped ? "skipped" : place.end ? "end" : "task";
    mark(this.node, "kind", kind);
    mark(this.node, "busy", String(states.length > 0));
    mark(this.node, "marked", String(marked));
    if (marked) describe(this.node, "aria-current", "step");
    else this.node.removeAttribute("aria-current");
    show(this.here, marked);
    const where = kind === "end" ? "the end" : `task ${count(place.position + 1)}, ${place.name}`;
    say(this.name, {
      skipped: `${count(place.skipped ?? 0)} ${place.skipped === 1 ? "task" : "tasks"}`,
      end: "end",
      task: `${count(place.position + 1)} · ${cut(place.name ?? "", 80)}`,
    }[kind]);
    const left = place.flows ? `${count(place.flows)} ${place.flows === 1 ? "flow" : "flows"} there` : "";
    say(this.key, kind === "skipped" ? left : place.key && place.key !== place.name ? place.key : "");
    fit(this.counts, marked ? [] : states.map((state) => [state, place.states[state], where]),
      () => new Count(this, this.choose));
  }
}

export class Line {
  // `choose`: called with a position and a state that somebody has pressed.
  constructor(choose = null) {
    this.node = element("ol", "line");
    this.choose = choose;
  }

  // `marked`: the position of the flow that is shown; undefined: it is the line of many.
  update({ places, done, length, marked }) {
    const all = places.map((place) => ({ ...place, marked: place.position === marked && !place.skipped }));
    all.push({
      end: true, position: length, states: done ? { DONE: done } : {}, marked: marked === length,
    });
    fit(this.node, all, () => new Place(this.choose));
  }
}
