// The page: it follows /events, and says honestly when it cannot.

import { Apps } from "./apps.js";
import { Chart, count, describe, duration, element, mark, rate, say, show } from "./draw.js";
import { Flows } from "./flows.js";
import { Model } from "./model.js";
import { Tree } from "./tree.js";

const LATE = 3500;  // milliseconds without a picture from which on what is shown is old
const RETRY = 1000, RETRY_MOST = 10000;

const byId = (id) => document.getElementById(id);
const model = new Model();
const tree = new Tree(model);
const apps = new Apps(model);
const flows = new Flows(model);

// ---- the totals -----------------------------------------------------------------------------

class Tile {
  constructor(id, title, options) {
    const head = element("div", "tile-head");
    this.value = element("b", "value", "–");
    this.below = element("span", "below", "\u00a0");
    this.top = element("span", "top");
    this.chart = new Chart(options);
    head.append(element("h2", "", title), this.top, this.value, this.below);
    byId(id).append(head, this.chart.node);
  }

  update(value, below, values) {
    this.chart.draw(values);
    say(this.value, value);
    say(this.below, below);
    say(this.top, this.chart.bars ? "2 min" : `top ${rate(this.chart.top)}`);
  }
}

const tiles = {
  handled: new Tile("tile-handled", "Signals handled /s", {}),
  accepted: new Tile("tile-accepted", "Signals accepted /s", {}),
  runs: new Tile("tile-runs", "Task runs /s", {}),
  restarts: new Tile("tile-restarts", "Restarts", { bars: true }),
};

function renderTotals() {
  const { totals } = model, all = model.message.tree;
  tiles.handled.update(rate(model.handledRate), `${count(model.handled)} in all`, totals.handled);
  tiles.accepted.update(rate(model.acceptedRate), `${count(model.accepted)} in all`, totals.accepted);
  const tasks = [...model.threads.values()].reduce((sum, each) => sum + each.data.tasks.length, 0);
  tiles.runs.update(rate(model.runRate), `${count(tasks)} tasks now`, totals.runs);
  const recent = totals.restarts.reduce((sum, each) => sum + (each || 0), 0);
  tiles.restarts.update(count(model.restarts), `${count(recent)} in the last 2 minutes`,
    totals.restarts);
  const size = model.threads.size;
  say(byId("facts"), `${count(model.running)} of ${count(size)} threads running · `
    + `up ${duration(all.uptime)} · pid ${model.message.pid}`);
  say(byId("title"), model.message.title);
}

// ---- how the tree is ------------------------------------------------------------------------

const ICONS = { good: "%231a8f55", warn: "%23c77700", bad: "%23cf3a34", idle: "%23929cab" };

function trouble() {
  const { health, down, tree: root } = model.message;
  const stuck = health.stuck.length;
  if (stuck) return ["bad", stuck === 1 ? "1 loop held up" : `${count(stuck)} loops held up`];
  if (root.state !== "running") {
    return [root.state === "crashed" || root.state === "abandoned" ? "bad" : "warn", root.state];
  }
  if (down.length) return ["warn", down.length === 1 ? "1 thread down" : `${count(down.length)} threads down`];
  return ["good", "healthy"];
}

function renderHealth() {
  const [tone, words] = trouble();
  mark(byId("health"), "tone", tone);
  say(byId("health"), words);
}

function renderTitle() {
  const connection = document.body.dataset.connection;
  const [tone, words] = model.message ? trouble() : ["idle", "connecting"];
  const name = model.message ? model.message.title : location.host;
  const live = connection === "live";
  const prefix = !live ? "⚠ not connected" : tone === "good" ? "" : `⚠ ${words}`;
  const title = prefix ? `${prefix} · ${name}` : name;
  if (document.title !== title) document.title = title;
  const color = ICONS[live ? tone : "idle"];
  describe(byId("icon"), "href", "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' "
    + `viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='6' fill='${color}'/%3E%3C/svg%3E`);
}

// ---- the connection -------------------------------------------------------------------------

const SAID = {
  connecting: ["idle", "connecting", ""],
  live: ["good", "live", ""],
  late: ["warn", "no news", "No news from the server."],
  lost: ["bad", "not connected", "Connection lost; trying again."],
  ended: ["bad", "ended", "The dashboard has ended; waiting for it to come back."],
};

let heard = performance.now();  // when the last picture came
let source = null, retry = RETRY, dirty = false, moved = false;

function connection(state) {
  const [tone, words, notice] = SAID[state];
  document.body.dataset.connection = state;
  mark(byId("connection"), "tone", tone);
  say(byId("connection"), words);
  say(byId("notice-text"), notice);
  show(byId("notice"), notice !== "");
  renderAge();
  renderTitle();
}

function renderAge() {
  if (byId("notice").hidden) return;
  const age = duration((performance.now() - heard) / 1000);
  say(byId("notice-age"), model.message ? `What you see is ${age} old.` : `For ${age} now.`);
}

function connect() {
  source = new EventSource("events");
  source.onmessage = (event) => {
    heard = performance.now();
    retry = RETRY;
    moved = model.take(JSON.parse(event.data)) || moved;
    if (document.body.dataset.connection !== "live") connection("live");
    renderTitle();  // it is read while the page is hidden, too
    if (!dirty) { dirty = true; requestAnimationFrame(render); }
  };
  source.addEventListener("bye", () => again("ended"));
  source.onerror = () => again(document.body.dataset.connection === "ended" ? "ended" : "lost");
}

// The browser's own way to reconnect gives up on an error's answer. Ours does not.
function again(state) {
  source.close();
  connection(state);
  setTimeout(connect, retry);
  retry = Math.min(retry * 2, RETRY_MOST);
}

setInterval(() => {
  if (document.body.dataset.connection === "live" && performance.now() - heard > LATE) {
    connection("late");
  }
  renderAge();
}, 500);

function render() {
  dirty = false;
  renderTotals();
  renderHealth();
  apps.render();
  flows.render();
  tree.render(moved);
  moved = false;
}

// ---- what a visitor does --------------------------------------------------------------------

const filter = byId("filter");
filter.addEventListener("input", () => tree.filter(filter.value));
byId("expand").addEventListener("click", () => tree.foldAll(false));
byId("collapse").addEventListener("click", () => tree.foldAll(true));
addEventListener("keydown", (event) => {
  if (event.key === "/" && !document.activeElement.matches("input, textarea, select")) {
    event.preventDefault();
    filter.focus();
  } else if (event.key === "Escape" && document.activeElement === filter) {
    filter.value = "";
    tree.filter("");
  }
});

connect();
