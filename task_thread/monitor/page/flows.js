// A panel for each FlowApp: its routines as lines of tasks with the flows that are at each, a list
// of flows, and one of them with its history. Where flows are comes with each picture; the list is
// fetched when a flow has moved, and only while somebody sees it.

import { ago } from "./detail.js";
import { count, describe, element, fit, fitKeyed, mark, say, show } from "./draw.js";
import { FlowDetail } from "./flow.js";
import {
  Relative, STATES, button, cut, heads, placeOf, relativesOf, setState, stateWord,
} from "./flowparts.js";
import { Line } from "./routine.js";
import { ask } from "./server.js";

const PAGE = 100;  // flows
const TYPING = 250;  // milliseconds that a search waits for the next letter

class Total {
  constructor() {
    this.node = element("span", "state");
  }

  update([state, number]) {
    setState(this.node, state);
    say(this.node, `${count(number)} ${stateWord(state)}`);
  }
}

class RoutinePart {
  constructor(panel) {
    this.node = element("article", "routine");
    const head = this.node.appendChild(element("div", "routine-head"));
    this.name = head.appendChild(element("h3", "said"));
    this.version = head.appendChild(element("span", "mono soft"));
    this.which = head.appendChild(element("span", "soft"));
    this.many = head.appendChild(element("span", "soft"));
    this.line = new Line((position, state) => panel.choose(this.routine.id, position, state));
    this.node.append(this.line.node);
  }

  update(routine) {
    this.routine = routine;
    describe(this.node, "aria-label", `Routine ${routine.name}, version ${routine.version}`);
    say(this.name, routine.name);
    say(this.version, routine.version);
    say(this.which, routine.current ? "the one of today" : "not the one of today");
    say(this.many, `${count(routine.length)} ${routine.length === 1 ? "task" : "tasks"} · `
      + `${count(routine.flows)} ${routine.flows === 1 ? "flow" : "flows"}`);
    this.line.update({ places: routine.places, done: routine.done, length: routine.length });
  }
}

class FlowRow {
  constructor(panel) {
    this.panel = panel;
    this.node = element("tr");
    const [id, routine, state, place, why, age, relatives] =
      Array.from({ length: 7 }, () => this.node.insertCell());
    for (const cell of [state, age]) cell.className = "narrow";
    this.open = id.appendChild(element("button", "link mono"));
    this.open.type = "button";
    this.open.addEventListener("click", () => panel.toggle(this.flow.id));
    this.routine = routine.appendChild(element("span", "said"));
    this.version = routine.appendChild(element("span", "mono soft"));
    this.state = state.appendChild(element("span", "state"));
    this.place = place.appendChild(element("span", "said"));
    this.why = why.appendChild(element("span", "said"));
    this.age = age;
    this.relatives = relatives;
  }

  update(flow) {
    this.flow = flow;
    const { panel } = this;
    say(this.open, flow.id);
    describe(this.open, "aria-expanded", String(panel.selected === flow.id));
    mark(this.node, "selected", String(panel.selected === flow.id));
    mark(this.node, "id", flow.id);
    say(this.routine, flow.routine);
    say(this.version, ` ${flow.version}`);
    setState(this.state, flow.state);
    say(this.state, stateWord(flow.state));
    say(this.place, placeOf(flow));
    say(this.why, cut(flow.error || flow.reason, 200));
    this.why.classList.toggle("wrong", flow.error !== "");
    say(this.age, ago(flow.changed, panel.at));
    fit(this.relatives, relativesOf(flow), () => new Relative(panel));
  }
}

class FlowPanel {
  constructor() {
    this.node = element("article", "flow-app");
    this.at = "";
    this.stamp = null;  // of the picture
    this.listed = null;  // the stamp with which the list was fetched
    this.selected = null;
    this.offset = 0;
    this.place = null;  // position in a routine, when one was chosen
    this.busy = false;
    this.asked = 0;  // how often the list was asked for: an answer to an earlier question is dropped
    this.rows = [];
    this.visible = false;
    this.makeHead();
    this.makeTools();
    this.makeList();
    this.detail = new FlowDetail(this);
    this.node.append(this.detail.node);
    this.observer = new IntersectionObserver((entries) => {
      this.visible = entries.at(-1).isIntersecting;
      this.refresh();
    });
    this.observer.observe(this.node);
  }

  makeHead() {
    const head = this.node.appendChild(element("div", "flow-head"));
    this.title = head.appendChild(element("h2", "said"));
    this.totals = head.appendChild(element("div", "counts"));
    this.routines = this.node.appendChild(element("div", "routines"));
    this.routines.tabIndex = 0;  // it may be longer than its place, and is scrolled by keys then
    this.routines.setAttribute("role", "group");
    this.more = this.node.appendChild(element("p", "none"));
  }

  makeTools() {
    const tools = this.node.appendChild(element("div", "flow-tools"));
    this.state = tools.appendChild(element("select", "by-state"));
    this.state.setAttribute("aria-label", "Which flows");
    option(this.state, "", "all states");
    for (const state of Object.keys(STATES)) option(this.state, state, stateWord(state));
    option(this.state, "ended", "ended, in the store");
    this.routine = tools.appendChild(element("select", "by-routine"));
    this.routine.setAttribute("aria-label", "Of which routine");
    option(this.routine, "", "all routines");
    this.search = tools.appendChild(element("input", "by-id"));
    this.search.type = "search";
    this.search.maxLength = 200;
    this.search.spellcheck = false;
    this.search.autocomplete = "off";
    this.search.placeholder = "Run id";
    this.search.setAttribute("aria-label", "Search by run id");
    this.placed = tools.appendChild(button("tool placed", ""));
    this.status = tools.appendChild(element("span", "status"));
    this.status.setAttribute("role", "status");
    this.newer = tools.appendChild(button("tool newer", "Newer"));
    this.older = tools.appendChild(button("tool older", "Older"));
    this.state.addEventListener("change", () => this.again());
    this.routine.addEventListener("change", () => { this.place = null; this.again(); });
    this.search.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.again(), TYPING);
    });
    this.placed.addEventListener("click", () => {
      this.place = null;
      this.again();
      this.state.focus();  // the button has gone
    });
    this.newer.addEventListener("click", () => this.turn(-PAGE));
    this.older.addEventListener("click", () => this.turn(PAGE));
    show(this.placed, false);
  }

  makeList() {
    this.list = this.node.appendChild(element("div", "flow-list"));
    this.list.tabIndex = 0;
    this.list.setAttribute("role", "group");
    this.table = this.list.appendChild(element("table"));
    heads(this.table, ["Flow", "Routine", "State", "Place", "Why", "Since", "Relatives"]);
    this.body = this.table.createTBody();
    this.none = this.list.appendChild(element("p", "none"));
    this.none.textContent = "No flow is like that.";
    show(this.none, false);
  }

  // ---- from the picture ---------------------------------------------------------------------

  update(app, at) {
    this.app = app.app;
    this.at = at;
    this.stamp = app.stamp;
    mark(this.node, "app", app.app);
    describe(this.node, "aria-label", `Flows of ${app.name}`);
    describe(this.list, "aria-label", `List of the flows of ${app.name}`);
    describe(this.routines, "aria-label", `Routines of ${app.name}`);
    say(this.title, `Flows of ${app.name}`);
    const states = Object.keys(STATES).filter((state) => app.states[state]);
    fit(this.totals, states.map((state) => [state, app.states[state]]), () => new Total());
    fitKeyed(this.routines, app.routines, (each) => each.id, () => new RoutinePart(this));
    show(this.routines, app.routines.length > 0);
    show(this.more, app.more_routines > 0);
    say(this.more, `and ${count(app.more_routines)} more routines`);
    this.updateChoice(app.routines);
    for (const row of this.body.partsByKey?.values() ?? []) row.update(row.flow);
    this.refresh();
    this.detail.render();
  }

  updateChoice(routines) {
    const wanted = routines.map((each) => each.id).join("\n");
    if (wanted === this.choices) return;
    this.choices = wanted;
    const chosen = this.routine.value;
    while (this.routine.options.length > 1) this.routine.remove(1);
    for (const each of routines) {
      option(this.routine, each.id, cut(`${each.name} ${each.version}`, 60));
    }
    if (chosen && !routines.some((each) => each.id === chosen)) option(this.routine, chosen, chosen);
    this.routine.value = chosen;
  }

  // ---- the list -----------------------------------------------------------------------------

  again() {
    this.offset = 0;
    this.listed = null;
    show(this.placed, this.place !== null);
    say(this.placed, this.place === null ? "" : `at task ${count(this.place + 1)} ✕`);
    describe(this.placed, "aria-label",
      this.place === null ? "" : `At task ${count(this.place + 1)} only: show all tasks`);
    this.refresh();
  }

  turn(by) {
    this.offset = Math.max(0, this.offset + by);
    this.listed = null;
    this.refresh();
  }

  choose(routine, position, state) {
    this.routine.value = routine;
    this.state.value = state;
    this.place = position;
    this.again();
    this.list.focus({ preventScroll: true });
    this.list.scrollIntoView({ block: "nearest" });
  }

  // Fetch the list, if what is shown is old and somebody sees it.
  async refresh() {
    if (!this.visible || !this.app || this.listed === this.stamp) return;
    if (this.busy && this.listed !== null) return;  // the next picture asks again
    this.busy = true;
    const number = this.asked += 1;
    const stamp = this.listed = this.stamp;
    const query = { app: this.app, offset: this.offset, limit: PAGE, id: this.search.value.trim() };
    if (this.state.value === "ended") query.ended = 1; else query.state = this.state.value;
    query.routine = this.routine.value;
    if (this.place !== null) query.position = this.place;
    try {
      const answer = await ask("api/flows", query);
      if (number === this.asked) this.showList(answer);
    } catch (error) {
      if (number !== this.asked) return;
      say(this.status, error.message);
      if (this.listed === stamp) this.listed = null;
    } finally {
      if (number === this.asked) this.busy = false;
    }
  }

  showList(answer) {
    const { total, offset, flows } = answer;
    if (flows.length === 0 && offset > 0) {  // there are fewer by now
      this.offset = Math.max(0, Math.ceil(total / PAGE) - 1) * PAGE;
      this.listed = null;
      return;
    }
    fitKeyed(this.body, flows, (flow) => flow.id, () => new FlowRow(this));
    show(this.none, flows.length === 0);
    show(this.table, flows.length > 0);
    say(this.status, flows.length === 0 ? "no flows"
      : `${count(offset + 1)} to ${count(offset + flows.length)} of ${count(total)} flows`);
    this.newer.disabled = offset === 0;
    this.older.disabled = offset + flows.length >= total;
  }

  // ---- one of them --------------------------------------------------------------------------

  toggle(id) {
    if (this.selected === id) this.close(); else this.select(id);
  }

  select(id) {
    this.selected = id;
    this.detail.open(id);
    this.markSelected();
  }

  close() {
    const row = this.body.partsByKey?.get(this.selected);
    this.selected = null;
    this.detail.close();
    this.markSelected();
    (row ? row.open : this.list).focus();
  }

  markSelected() {
    for (const row of this.body.partsByKey?.values() ?? []) row.update(row.flow);
  }

  remove() {
    this.observer.disconnect();
    this.node.remove();
  }
}

function option(select, value, text) {
  const made = element("option", "", text);
  made.value = value;
  select.add(made);
}

export class Flows {
  constructor(model) {
    this.model = model;
    this.home = document.getElementById("flows");
    this.panels = new Map();
  }

  render() {
    const { flows = [], at } = this.model.message;
    const old = this.panels;
    this.panels = new Map();
    let next = this.home.firstElementChild;
    for (const app of flows) {
      const panel = old.get(app.app) ?? new FlowPanel();
      old.delete(app.app);
      this.panels.set(app.app, panel);
      if (panel.node === next) next = next.nextElementSibling;
      else this.home.insertBefore(panel.node, next);
      panel.update(app, at);
    }
    for (const panel of old.values()) panel.remove();
    show(this.home, this.panels.size > 0);
  }
}
