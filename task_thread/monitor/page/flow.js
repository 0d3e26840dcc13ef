// One flow: where it is in its routine, what can be done with it, and its history, which is fetched
// when it is opened and when the flow has moved.

import { ago } from "./detail.js";
import { count, describe, element, fit, fitKeyed, say, show, utc } from "./draw.js";
import { Relative, button, heads, placeOf, relativesOf, setState, stateWord } from "./flowparts.js";
import { Line } from "./routine.js";
import { actions, ask, order } from "./server.js";

const RESUMABLE = ["WAIT", "FAIL"], FINAL = ["DONE", "CANCELLED"];

class StepRow {
  constructor(panel) {
    this.panel = panel;
    this.node = element("tr");
  }

  // A row of a history never changes: it is made once.
  update(step) {
    if (this.node.cells.length > 0) return;
    const [number, time, state, task, what] =
      Array.from({ length: 5 }, () => this.node.insertCell());
    number.className = time.className = state.className = "narrow";
    number.textContent = count(step.number + 1);
    time.textContent = utc(step.time);
    const word = state.appendChild(element("span", "state", stateWord(step.state)));
    setState(word, step.state);
    task.append(element("span", "said", `${count(step.position + 1)} · ${step.task}`));
    if (step.reason) what.append(element("div", "", step.reason));
    if (step.arguments) what.append(labelled("with", step.arguments));
    if (step.result !== null) what.append(labelled("gave", step.result));
    if (step.child) {
      const child = new Relative(this.panel);
      child.update(["child", step.child]);
      what.append(child.node);
    }
    if (step.error) what.append(element("div", "wrong", step.error));
    if (step.traceback) what.append(folded("Traceback", step.traceback));
  }
}

function labelled(word, text) {
  const made = element("div");
  made.append(element("span", "soft", `${word} `), element("span", "mono", text));
  return made;
}

function folded(title, text) {
  const made = element("details");
  const body = element("pre", "", text);
  body.tabIndex = 0;
  body.setAttribute("aria-label", title);
  made.append(element("summary", "", title), body);
  return made;
}

// What can be done with a flow: on the page, or where that is off with the command line.
class Doing {
  constructor(detail) {
    this.detail = detail;
    this.node = element("div", "act");
    this.form = this.node.appendChild(element("form", "act"));
    this.field = this.form.appendChild(element("label", "field"));
    this.field.append("Keywords: lines of key=value, or a JSON object");
    this.words = this.field.appendChild(element("textarea", "keywords"));
    this.words.rows = 2;
    this.words.spellcheck = false;
    this.words.placeholder = "confirmed=true";
    this.resume = this.form.appendChild(element("button", "tool primary resume", "Resume"));
    this.resume.type = "submit";
    this.cancel = this.node.appendChild(button("tool danger cancel", "Cancel…"));
    this.answer = this.node.appendChild(element("div", "answer"));
    this.answer.setAttribute("role", "status");
    this.hint = this.node.appendChild(element("div", "answer hint"));
    this.hint.append(element("span", "soft", "Actions are off on this page. On the command line:"));
    this.command = this.hint.appendChild(element("pre", "command"));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.act("resume", { keywords: this.field.hidden ? "" : this.words.value }, "Resumed.");
    });
    this.cancel.addEventListener("click", () => this.confirm());
    this.allowed = null;
  }

  open() {
    this.words.value = "";
    say(this.answer, "");
    this.answer.classList.remove("wrong");
    actions().then((allowed) => { this.allowed = allowed; this.detail.render(); }, (error) => {
      this.tell(error.message, true);
    });
  }

  update(flow) {
    const can = RESUMABLE.includes(flow.state), ended = FINAL.includes(flow.state);
    show(this.form, this.allowed === true && can);
    show(this.field, flow.state === "WAIT");
    say(this.resume, flow.state === "FAIL" ? "Resume: run it again" : "Resume");
    show(this.cancel, this.allowed === true && !ended);
    show(this.hint, this.allowed === false && !ended);
    const words = flow.state === "WAIT" ? " key=value" : "";
    const at = flow.place ?? "PLACE";
    const lines = [`task-thread flows cancel ${at} ${flow.id}`];
    if (can) lines.unshift(`task-thread flows resume ${at} ${flow.id}${words}`);
    say(this.command, lines.join("\n"));
  }

  confirm() {
    const { flow } = this.detail;
    const dialog = document.getElementById("cancel");
    const form = document.getElementById("cancel-form");
    const reason = document.getElementById("cancel-reason");
    document.getElementById("cancel-what").textContent =
      `${flow.routine}, run ${flow.id}, ${stateWord(flow.state)} at ${placeOf(flow)}`;
    reason.value = "";
    document.getElementById("cancel-keep").onclick = () => dialog.close();
    form.onsubmit = (event) => {
      event.preventDefault();
      dialog.close();
      this.act("cancel", { reason: reason.value }, "Cancelled.", flow.id);
    };
    dialog.showModal();
    document.getElementById("cancel-keep").focus();
  }

  async act(what, data, done, id = this.detail.id) {
    const { panel } = this.detail;
    this.resume.disabled = this.cancel.disabled = true;
    this.tell("…", false);
    try {
      await order(`api/flows/${what}`, { app: panel.app, id, ...data });
      if (what === "resume") this.words.value = "";
      if (id === this.detail.id) this.tell(done, false);
    } catch (error) {
      if (id === this.detail.id) this.tell(error.message, true);
    }
    this.resume.disabled = this.cancel.disabled = false;
    panel.listed = this.detail.fetched = null;
    panel.refresh();
    this.detail.refresh();
  }

  tell(text, wrong) {
    this.answer.classList.toggle("wrong", wrong);
    say(this.answer, text);
  }
}

export class FlowDetail {
  constructor(panel) {
    this.panel = panel;
    this.id = null;
    this.flow = null;
    this.fetched = null;  // the stamp with which it was
    this.loading = null;  // the flow that is being fetched
    this.node = element("section", "flow-detail");
    const head = this.node.appendChild(element("div", "detail-head"));
    this.title = head.appendChild(element("h3"));
    this.title.tabIndex = -1;
    this.title.append("Flow ", (this.name = element("span", "mono")));
    this.state = head.appendChild(element("span", "state"));
    this.where = head.appendChild(element("span", "said"));
    this.shut = head.appendChild(button("tool shut", "Close"));
    this.shut.addEventListener("click", () => panel.close());
    this.problem = this.node.appendChild(element("p", "wrong"));
    this.problem.setAttribute("role", "alert");
    this.facts = this.node.appendChild(element("dl", "facts"));
    this.relatives = this.node.appendChild(element("div"));
    this.line = new Line();
    this.node.append(this.line.node);
    this.doing = new Doing(this);
    this.node.append(this.doing.node);
    this.makeHistory();
    show(this.node, false);
  }

  makeHistory() {
    this.history = this.node.appendChild(element("div", "history"));
    this.history.tabIndex = 0;
    this.history.setAttribute("role", "group");
    this.history.setAttribute("aria-label", "History");
    this.history.append(element("h3", "", "History"));
    this.earlier = this.history.appendChild(button("tool earlier", ""));
    this.earlier.addEventListener("click", () => this.fetchEarlier());
    const table = this.history.appendChild(element("table"));
    heads(table, ["Row", "Time", "State", "Task", "What"]);
    this.body = table.createTBody();
  }

  open(id) {
    this.id = id;
    this.flow = null;
    this.fetched = this.loading = null;
    this.steps = new Map();
    this.left = 0;
    fitKeyed(this.body, [], null, null);
    say(this.name, id);
    describe(this.node, "aria-label", `Flow ${id}`);
    say(this.problem, "");
    this.doing.open();
    show(this.node, true);
    this.render();
    this.refresh();
    this.title.focus({ preventScroll: true });
    this.node.scrollIntoView({ block: "nearest" });
  }

  close() {
    this.id = null;
    show(this.node, false);
  }

  refresh() {
    const stamp = this.panel.stamp;
    if (this.id === null || this.fetched === stamp || document.hidden) return;
    if (this.loading !== this.id) this.fetch({}, stamp);  // else the next picture asks again
  }

  fetchEarlier() {
    if (this.loading !== this.id) {
      this.fetch({ before: Math.min(...this.steps.keys()) }, this.fetched);
    }
  }

  async fetch(query, stamp) {
    const id = this.loading = this.id;
    this.fetched = stamp;
    try {
      const answer = await ask("api/flow", { app: this.panel.app, id, ...query });
      if (id === this.id) this.take(answer, query.before !== undefined);
    } catch (error) {
      if (id !== this.id) return;
      say(this.problem, error.message);
      this.fetched = null;
    } finally {
      if (this.loading === id) this.loading = null;
    }
  }

  take(answer, earlier) {
    say(this.problem, "");
    const lost = this.steps.size > 0 && !earlier
      && answer.steps[0]?.number > Math.max(...this.steps.keys()) + 1;
    if (lost) this.steps.clear();  // so many are new that there would be a hole
    if (earlier || this.steps.size === 0) this.left = answer.earlier;
    for (const step of answer.steps) this.steps.set(step.number, step);
    this.flow = answer.flow;
    this.path = answer.path;
    const steps = [...this.steps.values()].sort((one, other) => one.number - other.number);
    fitKeyed(this.body, steps, (step) => step.number, () => new StepRow(this.panel));
    show(this.earlier, this.left > 0);
    say(this.earlier, `Show earlier rows (${count(this.left)})`);
    this.render();
  }

  render() {
    if (this.id === null) return;
    const { flow } = this;
    for (const part of [this.facts, this.line.node, this.doing.node, this.history, this.state]) {
      show(part, flow !== null);
    }
    say(this.where, flow === null ? "…" : placeOf(flow));
    if (flow === null) return;
    setState(this.state, flow.state);
    say(this.state, stateWord(flow.state));
    this.renderFacts(flow);
    fit(this.relatives, relativesOf(flow), () => new Relative(this.panel));
    show(this.line.node, this.path !== null);
    if (this.path) {
      this.line.update({ places: this.path, length: flow.length, marked: flow.position });
    }
    this.doing.update(flow);
    this.refresh();
  }

  renderFacts(flow) {
    const { at } = this.panel;
    const facts = [
      ["Routine", `${flow.routine}, version ${flow.version}`],
      ["Made", `${utc(flow.made)} · ${ago(flow.made, at)}`],
      ["Changed", `${utc(flow.changed)} · ${ago(flow.changed, at)}`],
    ];
    if (flow.reason) facts.push(["Reason", flow.reason]);
    if (flow.error) facts.push(["Error", flow.error]);
    if (flow.idempotency_key) facts.push(["Submitted under", flow.idempotency_key]);
    fitKeyed(this.facts, facts.flatMap(([name, text]) => [["dt", name, name], ["dd", name, text]]),
      ([tag, name]) => `${tag} ${name}`, (item) => new Fact(item));
  }
}

class Fact {
  constructor([tag]) {
    this.node = element(tag);
  }

  update([, , text]) {
    say(this.node, text);
  }
}
