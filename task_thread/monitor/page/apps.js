// A panel for each TaskApp: its queues, what has ended, and how far the runs under way are. Its
// size does not follow what is in it: so runs that come and go move nothing else on the page.

import {
  Chart, NOTHING, TONES, count, describe, duration, element, fit, mark, rate, say, show, style,
} from "./draw.js";

const FACTS = ["Delayed", "Scheduled", "Failed", "Missed", "Skipped", "Cancelled"];

class Lane {
  constructor() {
    this.node = element("div", "lane");
    this.name = this.node.appendChild(element("span", "lane-name"));
    const bar = this.node.appendChild(element("span", "bar"));
    bar.setAttribute("aria-hidden", "true");  // the numbers stand beside it
    this.bar = bar;
    this.fill = bar.appendChild(element("span", "fill"));
    this.mark = bar.appendChild(element("span", "mark"));
    this.running = this.node.appendChild(element("span", "number"));
    this.queued = this.node.appendChild(element("span", "queued"));
  }

  update(lane) {
    say(this.name, lane.executor);
    // The mark is the size; what is right of it are the reserves.
    const full = Math.max(lane.most, lane.running, 1);
    style(this.fill, "width", `${(lane.running / full * 100).toFixed(1)}%`);
    style(this.mark, "left", `${(Math.min(lane.size / full, 1) * 100).toFixed(1)}%`);
    mark(this.bar, "tone", lane.queued ? "warn" : "good");
    say(this.running, `${count(lane.running)} / ${count(lane.size)}`);
    mark(this.running, "zero", String(lane.running === 0));
    const lost = lane.abandoned ? ` · ${count(lane.abandoned)} abandoned` : "";
    say(this.queued, `${count(lane.queued)} queued${lost}`);
    mark(this.queued, "tone", lost ? "bad" : lane.queued ? "warn" : "");
    mark(this.queued, "zero", String(lane.queued === 0 && !lost));
    describe(this.node, "title", `${count(lane.running)} under way; room for ${count(lane.size)}, `
      + `with the reserves for ${count(lane.most)}; ${count(lane.queued)} queued${lost}`);
  }
}

class Run {
  constructor() {
    this.node = element("li", "run");
    const who = this.node.appendChild(element("span", "run-name"));
    this.task = who.appendChild(element("span", "run-task"));
    this.note = who.appendChild(element("span", "run-note"));
    this.bar = this.node.appendChild(element("span", "bar"));
    this.bar.setAttribute("role", "progressbar");
    this.fill = this.bar.appendChild(element("span", "fill"));
    this.share = this.node.appendChild(element("span", "run-share"));
    this.done = this.node.appendChild(element("span", "run-done"));
    this.time = this.node.appendChild(element("span", "run-time"));
    mark(this.bar, "tone", "busy");
  }

  update(run) {
    const known = run.share !== null;
    const share = known ? `${Math.floor(run.share * 100)}%` : NOTHING;
    const again = run.attempt > 1 ? `attempt ${count(run.attempt)}` : "";
    say(this.task, run.name);
    say(this.note, [again, run.note].filter(Boolean).join(", "));
    describe(this.node, "title", [run.name, run.note, `run ${run.id}`].filter(Boolean).join("\n"));
    describe(this.bar, "aria-label", run.name);
    mark(this.bar, "known", String(known));
    if (known) describe(this.bar, "aria-valuenow", String(Math.floor(run.share * 100)));
    else this.bar.removeAttribute("aria-valuenow");
    style(this.fill, "width", known ? `${(run.share * 100).toFixed(1)}%` : "0");
    say(this.share, share);
    say(this.done, amount(run));
    say(this.time, duration(run.seconds));
  }
}

function amount(run) {
  if (run.done === null || (run.total === null && run.done === 0)) return "";
  return run.total === null ? count(run.done) : `${count(run.done)} / ${count(run.total)}`;
}

class Panel {
  constructor() {
    this.node = element("article", "app");
    const inside = this.node.appendChild(element("div", "app-inside"));
    inside.append(this.makeHead(), this.makeQueues(), this.makeRuns());
  }

  makeHead() {
    const head = element("div", "app-head");
    const title = element("h2");
    this.name = title.appendChild(element("span", "app-name"));
    this.chip = title.appendChild(element("span", "chip"));
    this.value = element("b", "value");
    const unit = element("span", "unit", "runs ended /s");
    this.below = element("span", "below");
    this.top = element("span", "top");
    this.chart = new Chart();
    const line = element("div", "app-rate");
    line.append(this.value, unit, this.top);
    head.append(title, line, this.below, this.chart.node);
    return head;
  }

  makeQueues() {
    const queues = element("div", "app-queues");
    this.lanes = queues.appendChild(element("div", "lanes"));
    const facts = queues.appendChild(element("dl", "app-facts"));
    this.facts = FACTS.map((name) => {
      const pair = facts.appendChild(element("div"));
      pair.append(element("dt", "", name));
      return pair.appendChild(element("dd"));
    });
    return queues;
  }

  makeRuns() {
    const runs = element("div", "app-runs");
    const title = runs.appendChild(element("h3", "", "Under way"));
    this.many = title.appendChild(element("span", "many"));
    this.scroll = runs.appendChild(element("div", "run-scroll"));
    this.scroll.tabIndex = 0;  // it may be longer than its place, and is scrolled by keys then
    this.scroll.setAttribute("role", "group");
    this.list = this.scroll.appendChild(element("ul"));
    this.none = this.scroll.appendChild(element("p", "none", "No run is under way."));
    this.rest = this.scroll.appendChild(element("p", "none"));
    this.runs = [];
    return runs;
  }

  update(thread) {
    const app = thread.data.app;
    this.node.dataset.path = thread.data.path;
    describe(this.node, "aria-label", `App ${thread.data.id}`);
    describe(this.scroll, "aria-label", `Runs of ${thread.data.id} that are under way`);
    say(this.name, thread.data.id);
    describe(this.name, "title", thread.data.path);
    say(this.chip, thread.state);
    mark(this.chip, "tone", TONES[thread.state] ?? "idle");
    this.chart.draw(thread.ended);
    say(this.value, rate(thread.endedRate));
    say(this.top, `top ${rate(this.chart.top)}`);
    say(this.below, `${count(thread.endedCount)} in all · ${count(app.tasks)} `
      + (app.tasks === 1 ? "task" : "tasks") + (app.durable ? " · durable" : ""));
    this.updateQueues(thread, app);
    this.updateRuns(app);
  }

  updateQueues(thread, app) {
    fit(this.lanes, app.lanes, () => new Lane());
    const { failed, missed, skipped, cancelled } = app.ended;
    const values = [app.delayed, app.scheduled, failed, missed, skipped, cancelled];
    const tones = ["", "", failed && "bad", missed && "warn", skipped && "warn", ""];
    this.facts.forEach((node, n) => {
      say(node, count(values[n]));
      mark(node, "zero", String(values[n] === 0));
      mark(node, "tone", tones[n] || "");
    });
    describe(this.facts[2].parentElement, "title",
      `${count(thread.failedLately)} failed in the last 2 minutes`);
  }

  updateRuns(app) {
    const running = app.lanes.reduce((sum, lane) => sum + lane.running, 0);
    const rest = running - app.runs.length;
    fit(this.list, app.runs, () => new Run());
    say(this.many, ` ${count(Math.max(running, app.runs.length))}`);
    show(this.none, app.runs.length === 0);
    show(this.rest, app.runs.length > 0 && rest > 0);
    say(this.rest, `and ${count(Math.max(rest, 0))} more`);
  }
}

export class Apps {
  constructor(model) {
    this.model = model;
    this.home = document.getElementById("apps");
    this.panels = new Map();
  }

  render() {
    const old = this.panels;
    this.panels = new Map();
    let next = this.home.firstElementChild;
    for (const thread of this.model.threads.values()) {
      if (!thread.data.app) continue;
      const panel = old.get(thread.key) ?? new Panel();
      old.delete(thread.key);
      this.panels.set(thread.key, panel);
      if (panel.node === next) next = next.nextElementSibling;
      else this.home.insertBefore(panel.node, next);
      panel.update(thread);
    }
    for (const panel of old.values()) panel.node.remove();
    show(this.home, this.panels.size > 0);
  }
}
