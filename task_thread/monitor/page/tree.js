// The tree as rows that are made once and then updated in their places: thousands of them are
// fluid, since only those that can be seen are touched.

import {
  Chart, NOTHING, TONES, brief, count, describe, duration, mark, rate, say, show, style, utc,
} from "./draw.js";
import { Detail, ago } from "./detail.js";

const SCREENFUL = 60;  // rows

let made = 0;

class Row {
  constructor(tree, key) {
    this.tree = tree;
    this.key = key;
    this.number = made += 1;
    const template = document.getElementById("row-template");
    this.node = template.content.firstElementChild.cloneNode(true);
    this.node.row = this;
    const find = (selector) => this.node.querySelector(selector);
    this.fold = find(".fold");
    this.opener = find(".open");
    this.parts = {
      indent: find(".indent"), id: find(".id"), kind: find(".class"), oops: find(".oops"),
      chip: find(".chip"), rate: find(".rate .number"), inbox: find(".inbox .number"),
      bar: find(".bar"), fill: find(".fill"), mark: find(".mark"), tasks: find(".cell.tasks"),
      lag: find(".cell.lag"), type: find(".cell.type"), restarts: find(".cell.restarts"),
      uptime: find(".cell.uptime"),
    };
    this.chart = new Chart();
    find(".rate").prepend(this.chart.node);
    this.detail = null;  // made when it is first opened
    this.open = false;
    this.visible = false;
  }

  toggle() {
    this.open = !this.open;
    if (this.detail === null) {
      this.detail = new Detail(`detail-${this.number}`);
      this.opener.setAttribute("aria-controls", this.detail.node.id);
      this.node.after(this.detail.node);
    }
    show(this.detail.node, this.open);
    this.opener.setAttribute("aria-expanded", String(this.open));
    this.node.classList.toggle("opened", this.open);
    this.update();
  }

  place(thread) {
    this.thread = thread;
    const data = thread.data;
    describe(this.node, "aria-level", String(thread.level + 1));
    style(this.parts.indent, "--level", thread.level);
    say(this.parts.id, data.id);
    // "Server-1" says its class already.
    const told = data.id.startsWith(data.class) && /^-\d+$/.test(data.id.slice(data.class.length));
    say(this.parts.kind, told ? "" : data.class);
    this.node.dataset.path = data.path;
    const parent = data.children.length > 0;
    style(this.fold, "visibility", parent ? "visible" : "hidden");
    if (parent) {
      const folded = this.tree.folded.has(this.key);
      describe(this.node, "aria-expanded", String(!folded));
      describe(this.fold, "aria-label", `${folded ? "Show" : "Hide"} what is below ${data.id}`);
    } else {
      this.node.removeAttribute("aria-expanded");
    }
  }

  update() {
    const thread = this.thread, data = thread.data, inbox = data.inbox, parts = this.parts;
    const state = thread.state;
    say(parts.chip, state);
    mark(parts.chip, "tone", TONES[state] ?? "idle");
    this.chart.draw(thread.handled);
    say(parts.rate, rate(thread.handledRate));
    mark(parts.rate, "zero", String(!(thread.handledRate > 0)));
    this.updateInbox(inbox);
    const tasks = data.tasks.length;
    say(parts.tasks, tasks ? `${tasks} · ${rate(thread.runRate)}/s` : NOTHING);
    mark(parts.tasks, "zero", String(tasks === 0));
    say(parts.lag, brief(data.loop_lag));
    mark(parts.lag, "zero", String(data.loop_lag < 0.001));
    mark(parts.lag, "tone", data.loop_lag >= 0.25 ? "bad" : data.loop_lag >= 0.05 ? "warn" : "");
    say(parts.type, data.restart_type ?? NOTHING);
    const again = data.generation > 1 ? ` · gen ${count(data.generation)}` : "";
    say(parts.restarts, data.restart_type || again ? `${count(data.restarts)}${again}` : NOTHING);
    mark(parts.restarts, "zero", String(again === ""));
    mark(parts.restarts, "tone", data.restarts > 0 ? "warn" : "");
    say(parts.uptime, duration(data.uptime));
    const error = data.last_error;
    show(parts.oops, error !== null);
    if (error !== null) {
      say(parts.oops, `error ${ago(error.at, this.tree.at)}`);
      describe(parts.oops, "title", `${error.summary}, ${utc(error.at)}`);
    }
    if (this.open) this.detail.update(thread, this.tree.at);
  }

  updateInbox(inbox) {
    const parts = this.parts;
    // Without a limit the bar's length is the most that has waited there.
    const full = inbox.capacity || Math.max(inbox.high_water, 1);
    const share = Math.min(inbox.depth / full, 1);
    style(parts.fill, "width", `${(share * 100).toFixed(1)}%`);
    style(parts.mark, "left", `${(Math.min(inbox.high_water / full, 1) * 100).toFixed(1)}%`);
    mark(parts.bar, "tone", share >= 0.9 ? "bad" : share >= 0.5 ? "warn" : "good");
    mark(parts.inbox, "zero", String(inbox.depth === 0));
    say(parts.inbox, `${count(inbox.depth)} / ${inbox.capacity ? count(inbox.capacity) : "∞"}`);
    describe(parts.bar.parentElement, "title",
      `${count(inbox.depth)} wait, ${count(inbox.high_water)} at the most`);
  }

  remove() {
    this.node.remove();
    if (this.detail) this.detail.node.remove();
  }
}

export class Tree {
  constructor(model) {
    this.model = model;
    this.rows = new Map();
    this.folded = new Set();
    this.words = [];
    this.current = null;  // the row that the Tab key leads to
    this.at = "";
    this.grid = document.getElementById("tree");
    this.home = document.getElementById("rows");
    this.observer = new IntersectionObserver((entries) => this.seen(entries), {
      rootMargin: "200px",
    });
    this.home.addEventListener("click", (event) => this.clicked(event));
    this.home.addEventListener("keydown", (event) => this.pressed(event));
    this.home.addEventListener("focusin", (event) => this.focused(event));
  }

  // ---- from the model into the page ---------------------------------------------------------

  render(moved) {
    this.at = this.model.message.at;
    if (moved) this.arrange();
    if (moved || this.words.length) this.sift();
    for (const row of this.rows.values()) if (row.visible || row.open) row.update();
  }

  arrange() {
    const threads = this.model.threads;
    for (const [key, row] of this.rows) {
      if (threads.has(key)) continue;
      this.observer.unobserve(row.node);
      row.remove();
      this.rows.delete(key);
      this.folded.delete(key);
      if (this.current === row) this.current = null;
    }
    const fresh = [];
    let next = this.home.firstElementChild;
    for (const key of threads.keys()) {
      let row = this.rows.get(key);
      if (!row) {
        row = new Row(this, key);
        fresh.push(row);
        this.rows.set(key, row);
        this.observer.observe(row.node);
      }
      if (row.node === next) {
        next = (row.detail ? row.detail.node : row.node).nextElementSibling;
      } else {
        this.home.insertBefore(row.node, next);
        if (row.detail) this.home.insertBefore(row.detail.node, next);
      }
    }
    this.placeAll();
    // What may be seen at once is filled at once; the rest before it comes into sight.
    for (const row of fresh.slice(0, SCREENFUL)) row.update();
  }

  placeAll() {
    for (const [key, thread] of this.model.threads) this.rows.get(key).place(thread);
  }

  // Which rows are to be seen: those that match, those above them, and what is not folded away.
  sift() {
    const wanted = this.words.length ? this.matches() : null;
    let shown = 0;
    const hiddenBelow = new Set();
    for (const thread of this.model.threads.values()) {
      const row = this.rows.get(thread.key), parent = thread.parent;
      const away = wanted
        ? !wanted.has(thread)
        : parent !== null && (hiddenBelow.has(parent) || this.folded.has(parent.key));
      if (!wanted && away) hiddenBelow.add(thread);
      show(row.node, !away);
      row.node.classList.toggle("above", Boolean(wanted) && wanted.get(thread) === false);
      if (row.detail) show(row.detail.node, !away && row.open);
      if (!away) shown += 1;
    }
    const all = this.model.threads.size;
    const hits = wanted ? [...wanted.values()].filter(Boolean).length : all;
    say(document.getElementById("count"),
      wanted ? `${count(hits)} of ${count(all)} threads` : `${count(all)} threads`);
    show(document.getElementById("nothing"), shown === 0);
    if (!this.current || this.current.node.hidden) this.lead(this.shown()[0] ?? null);
  }

  // Thread -> whether it matches itself (true), or stands above one that does (false).
  matches() {
    const found = new Map();
    for (const thread of this.model.threads.values()) {
      const data = thread.data;
      const text = `${data.id}\n${data.class}\n${thread.state}`.toLowerCase();
      if (!this.words.every((word) => text.includes(word))) continue;
      found.set(thread, true);
      for (let up = thread.parent; up && !found.has(up); up = up.parent) found.set(up, false);
    }
    return found;
  }

  seen(entries) {
    for (const entry of entries) {
      const row = entry.target.row;
      row.visible = entry.isIntersecting;
      if (row.visible && row.thread) row.update();
    }
  }

  // ---- what a visitor does ------------------------------------------------------------------

  filter(text) {
    this.words = text.toLowerCase().split(/\s+/).filter(Boolean);
    if (this.model.message) this.sift();
  }

  foldAll(folded) {
    this.folded.clear();
    if (folded) {
      for (const [key, thread] of this.model.threads) {
        if (thread.data.children.length) this.folded.add(key);
      }
    }
    this.refold();
  }

  fold(row, folded) {
    if (!row.thread.data.children.length) return;
    if (folded) this.folded.add(row.key); else this.folded.delete(row.key);
    this.refold();
  }

  refold() {
    if (!this.model.message) return;
    this.placeAll();
    this.sift();
  }

  clicked(event) {
    const node = event.target.closest(".row");
    if (!node) return;
    const row = node.row;
    if (event.target.closest(".fold")) this.fold(row, !this.folded.has(row.key));
    else if (getSelection().isCollapsed) row.toggle();
  }

  focused(event) {
    const node = event.target.closest(".row");
    if (node) this.lead(node.row);
  }

  // One row at a time is reached by Tab; the arrows lead to the others.
  lead(row) {
    if (this.current) this.current.opener.tabIndex = -1;
    this.current = row;
    if (row) row.opener.tabIndex = 0;
  }

  shown() {
    return [...this.model.threads.keys()]
      .map((key) => this.rows.get(key))
      .filter((row) => !row.node.hidden);
  }

  pressed(event) {
    const node = event.target.closest(".row");
    if (!node || event.altKey || event.ctrlKey || event.metaKey) return;
    const row = node.row, shown = this.shown(), at = shown.indexOf(row);
    const folded = this.folded.has(row.key), parent = row.thread.parent;
    const up = parent && this.rows.get(parent.key);
    const go = {
      ArrowDown: () => shown[at + 1], ArrowUp: () => shown[at - 1],
      Home: () => shown[0], End: () => shown.at(-1),
      ArrowRight: () => (folded ? this.fold(row, false) : shown[at + 1]?.thread.parent === row.thread && shown[at + 1]),
      ArrowLeft: () => (!folded && row.thread.data.children.length ? this.fold(row, true) : up),
    }[event.key];
    if (!go) return;
    event.preventDefault();
    const target = go();
    if (target) target.opener.focus();
  }
}
