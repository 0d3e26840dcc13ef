// What an opened row shows: one thread, all that is known of it.

import {
  Chart, NOTHING, brief, count, duration, element, rate, say, show, utc,
} from "./draw.js";

const CHARTS = [
  ["Handled", 1, (thread) => thread.handled, (thread) => `${rate(thread.handledRate)} /s`, rate],
  ["Waiting", 5, (thread) => thread.depths, (thread) => count(thread.data.inbox.depth), rate],
  ["Loop lag", 0.005, (thread) => thread.lags, (thread) => brief(thread.data.loop_lag), brief],
];

export class Detail {
  constructor(id) {
    this.node = element("div", "detail");
    this.node.id = id;
    this.node.setAttribute("role", "row");
    const cell = this.node.appendChild(element("div", "inside"));
    cell.setAttribute("role", "gridcell");
    this.facts = new Facts();
    this.inbox = new Facts();
    this.charts = CHARTS.map(([name, floor]) => new Labelled(name, floor));
    this.tasks = new Tasks();
    this.stuck = new Trouble();
    this.error = new Trouble();
    const plots = element("div", "plots");
    plots.append(...this.charts.map((chart) => chart.node));
    cell.append(
      this.stuck.node, this.error.node,
      section("Thread", this.facts.node), section("Inbox", this.inbox.node),
      section("Last two minutes", plots), section("Tasks", this.tasks.node),
    );
  }

  update(thread, at) {
    const data = thread.data, inbox = data.inbox;
    this.facts.update([
      ["Path", data.path],
      ["Class", data.class],
      ["Lives on", data.virtual ? "its parent's loop" : "a loop of its own"],
      ["State", thread.state],
      ["Uptime", duration(data.uptime)],
      ["Restart", data.restart_type ?? "not supervised"],
      ["Generation", count(data.generation)],
      ["Restarts", count(data.restarts)],
      ["Exit reason", data.exit_reason ?? NOTHING],
    ]);
    this.inbox.update([
      ["Waiting", count(inbox.depth)],
      ["At the most", count(inbox.high_water)],
      ["Capacity", inbox.capacity ? count(inbox.capacity) : "no limit"],
      ["Accepted", count(inbox.accepted)],
      ["Handled", count(inbox.handled)],
      ["Dead", count(inbox.dead)],
    ]);
    this.charts.forEach((chart, n) => {
      const [, , values, now, unit] = CHARTS[n];
      chart.update(values(thread), now(thread), unit);
    });
    this.tasks.update(data.tasks);
    const stuck = thread.stuck, error = data.last_error;
    this.stuck.update(stuck && {
      title: `Its loop is held up, for ${brief(stuck.since)} now`, where: "", body: stuck.stack,
    });
    this.error.update(error && {
      title: error.summary,
      where: `in ${error.where} · ${utc(error.at)} · ${ago(error.at, at)}`,
      body: error.traceback,
    });
  }
}

// `at`: now, by the clock of the tree. That of the visitor may be wrong.
export function ago(iso, at) {
  const seconds = (Date.parse(at) - Date.parse(iso)) / 1000;
  return Number.isNaN(seconds) ? "" : `${duration(seconds)} ago`;
}

function section(title, body) {
  const made = element("section");
  made.append(element("h2", "", title), body);
  return made;
}

class Facts {
  constructor() {
    this.node = element("dl");
    this.values = new Map();
  }

  update(pairs) {
    for (const [name, value] of pairs) {
      let shown = this.values.get(name);
      if (!shown) {
        shown = element("dd");
        this.values.set(name, shown);
        this.node.append(element("dt", "", name), shown);
      }
      say(shown, value);
    }
  }
}

class Labelled {
  constructor(name, floor) {
    this.node = element("div", "plot");
    this.now = element("b");
    this.top = element("span", "top");
    this.chart = new Chart({ floor });
    const caption = element("div", "caption");
    caption.append(element("span", "", name), this.now, this.top);
    this.node.append(caption, this.chart.node);
  }

  update(values, now, unit) {
    this.chart.draw(values);
    say(this.now, now);
    say(this.top, `top ${unit(this.chart.top)}`);
  }
}

class Tasks {
  constructor() {
    this.node = element("div", "scroll");
    this.table = this.node.appendChild(element("table"));
    const head = this.table.createTHead().insertRow();
    for (const name of ["Name", "Runs", "Runs/s", "Restarts"]) {
      const cell = head.appendChild(element("th", "", name));
      cell.scope = "col";
    }
    this.body = this.table.createTBody();
    this.none = this.node.appendChild(element("p", "none", "It has no task just now."));
  }

  update(tasks) {
    show(this.none, tasks.length === 0);
    show(this.table, tasks.length > 0);
    while (this.body.rows.length > tasks.length) this.body.deleteRow(-1);
    while (this.body.rows.length < tasks.length) {
      const row = this.body.insertRow();
      for (let n = 0; n < 4; n += 1) row.insertCell();
      row.cells[0].append(element("span", "task"), element("span", "task-error"));
    }
    tasks.forEach((task, n) => {
      const [name, runs, speed, restarts] = this.body.rows[n].cells;
      say(name.firstChild, task.name);
      say(name.lastChild, task.last_error ?? "");
      say(runs, count(task.runs));
      say(speed, rate(task.rate));
      say(restarts, count(task.restarts));
    });
  }
}

// An error with its traceback, or the stack of a call that holds a loop up.
class Trouble {
  constructor() {
    this.node = element("div", "trouble");
    this.title = element("h2");
    this.where = element("p");
    this.body = element("pre");
    this.body.tabIndex = 0;  // it may be longer than its place, and is scrolled by keys then
    this.body.setAttribute("aria-label", "Traceback");
    this.node.append(this.title, this.where, this.body);
  }

  update(what) {
    show(this.node, Boolean(what));
    if (!what) return;
    say(this.title, what.title);
    say(this.where, what.where);
    show(this.where, what.where !== "");
    say(this.body, what.body);
  }
}
