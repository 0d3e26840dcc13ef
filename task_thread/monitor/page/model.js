// What the page knows: the newest picture of the tree, and the last two minutes of each thread.
// Rates come from the differences of two pictures; nothing here touches the page.

import { POINTS } from "./draw.js";

const GAP = 2.5;  // seconds between two pictures from which on there is a hole in the charts

function push(values, value, missing) {
  for (let n = 0; n < missing; n += 1) values.push(NaN);
  values.push(value);
  if (values.length > POINTS) values.splice(0, values.length - POINTS);
}

const sum = (items, pick) => items.reduce((total, item) => total + pick(item), 0);
const all = (ended) => sum(Object.values(ended), (each) => each);

class Thread {
  constructor(key) {
    this.key = key;
    this.handled = [];  // signals a second
    this.depths = [];
    this.lags = [];
    this.ended = [];  // runs a second, of a TaskApp
    this.failed = [];  // runs
    this.data = null;
  }

  // `seconds` since the last picture; undefined where there was none.
  take(data, level, parent, seconds, missing) {
    const before = this.data ?? (seconds !== undefined && data.uptime < seconds + 0.5 ? NEW : null);
    this.data = data;
    this.level = level;
    this.parent = parent;
    this.handledRate = this.rateOf(before, seconds, (inbox) => inbox.handled);
    this.acceptedRate = this.rateOf(before, seconds, (inbox) => inbox.accepted);
    this.runRate = sum(data.tasks, (task) => task.rate);
    this.restarted = before && before !== NEW ? Math.max(0, data.restarts - before.restarts) : 0;
    push(this.handled, this.handledRate, missing);
    push(this.depths, data.inbox.depth, missing);
    push(this.lags, data.loop_lag, missing);
    if (data.app) this.takeApp(data.app, before?.app, seconds, missing);
  }

  takeApp(app, before, seconds, missing) {
    this.endedCount = all(app.ended);
    const grown = before ? this.endedCount - all(before.ended) : NaN;
    // As with signals: fewer than before are another thread's.
    this.endedRate = grown >= 0 && seconds > 0 ? grown / seconds : NaN;
    push(this.ended, this.endedRate, missing);
    const failed = before ? app.ended.failed - before.ended.failed : 0;
    push(this.failed, Math.max(0, failed), missing);
    this.failedLately = sum(this.failed, (each) => each || 0);
  }

  rateOf(before, seconds, pick) {
    if (before === null || !(seconds > 0)) return NaN;
    const grown = pick(this.data.inbox) - pick(before.inbox);
    return grown < 0 ? NaN : grown / seconds;  // fewer than before: another thread in its place
  }

  get state() {
    return this.stuck ? "stuck" : this.data.restarting ? "restarting" : this.data.state;
  }
}

const NEW = {
  inbox: { handled: 0, accepted: 0 }, restarts: 0, app: { ended: { failed: 0 } },
};

export class Model {
  constructor() {
    this.forget();
  }

  forget() {
    this.threads = new Map();  // in the order of the tree, by key
    this.totals = { handled: [], accepted: [], runs: [], restarts: [] };
    this.message = null;
  }

  // Take the next picture. Returns whether threads have come, gone or moved.
  take(message) {
    const last = this.message;
    if (last && (last.pid !== message.pid || message.clock < last.clock)) this.forget();
    const seconds = this.message ? message.clock - this.message.clock : undefined;
    const missing = seconds > GAP ? Math.min(POINTS, Math.round(seconds) - 1) : 0;
    const old = this.threads;
    this.threads = new Map();
    this.message = message;
    const stuck = new Map(message.health.stuck.map((each) => [each.path, each]));
    const waiting = [[message.tree, 0, null]];
    while (waiting.length) {
      const [data, level, parent] = waiting.pop();
      const key = this.keyFor(data.path);
      const thread = old.get(key) ?? new Thread(key);
      thread.take(data, level, parent, seconds, missing);
      thread.stuck = stuck.get(data.path) ?? null;
      stuck.delete(data.path);
      this.threads.set(key, thread);
      for (let n = data.children.length - 1; n >= 0; n -= 1) {
        waiting.push([data.children[n], level + 1, thread]);
      }
    }
    this.total(missing);
    return !sameOrder(old, this.threads);
  }

  // Ids are the user's and may repeat.
  keyFor(path) {
    let key = path;
    for (let n = 2; this.threads.has(key); n += 1) key = `${path}#${n}`;
    return key;
  }

  total(missing) {
    const all = [...this.threads.values()];
    const known = all.filter((thread) => Number.isFinite(thread.handledRate));
    const none = known.length === 0;
    this.handledRate = none ? NaN : sum(known, (thread) => thread.handledRate);
    this.acceptedRate = none ? NaN : sum(known, (thread) => thread.acceptedRate);
    this.runRate = sum(all, (thread) => thread.runRate);
    this.handled = sum(all, (thread) => thread.data.inbox.handled);
    this.accepted = sum(all, (thread) => thread.data.inbox.accepted);
    this.restarts = sum(all, (thread) => thread.data.restarts);
    this.running = all.filter((thread) => thread.data.state === "running").length;
    push(this.totals.handled, this.handledRate, missing);
    push(this.totals.accepted, this.acceptedRate, missing);
    push(this.totals.runs, this.runRate, missing);
    push(this.totals.restarts, sum(all, (thread) => thread.restarted), missing);
  }
}

function sameOrder(one, other) {
  if (one.size !== other.size) return false;
  const keys = other.keys();
  for (const key of one.keys()) if (key !== keys.next().value) return false;
  return true;
}
