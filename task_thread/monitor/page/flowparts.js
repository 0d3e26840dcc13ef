// Words and small parts that all that shows flows has in common. A state is said with a word and a
// shape: its colour only comes on top.

import { count, element, mark, say } from "./draw.js";

export const STATES = {
  INIT: "made", RUNNING: "running", CHECK: "checking", WAIT: "waiting", SPAWN: "spawned",
  FAIL: "failed", DONE: "done", CANCELLED: "cancelled",
};

export const stateWord = (state) => STATES[state] ?? state;

export function setState(node, state) {
  mark(node, "state", state);
}

export function cut(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

export function placeOf(flow) {
  if (flow.state === "DONE") return `all ${count(flow.length)}`;
  return `${count(flow.position + 1)} of ${count(flow.length)} · ${flow.task}`;
}

export function relativesOf(flow) {
  const found = [];
  if (flow.parent) found.push(["parent", flow.parent]);
  if (flow.child) found.push(["child", flow.child]);
  return found;
}

// A link to the flow that spawned another one, or was spawned.
export class Relative {
  constructor(panel) {
    this.node = element("div");
    this.word = this.node.appendChild(element("span", "soft"));
    this.link = this.node.appendChild(element("button", "link mono"));
    this.link.type = "button";
    this.link.addEventListener("click", () => panel.select(this.id));
  }

  update([word, id]) {
    this.id = id;
    say(this.word, `${word} `);
    say(this.link, id);
  }
}

export function button(className, text) {
  const made = element("button", className, text);
  made.type = "button";
  return made;
}

export function heads(table, names) {
  const row = table.createTHead().insertRow();
  for (const name of names) row.appendChild(element("th", "", name)).scope = "col";
}
