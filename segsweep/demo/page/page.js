"use strict";

const get = (id) => document.getElementById(id);
const percent = (share) => (share > 0 && share < 0.001 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`);
const MOST_CLASSES = 12;
let facts = null;
let latest = null;
let asked = 0;

function make(tag, text = "", name = "") {
  const element = document.createElement(tag);
  // As text, whatever a file says its classes are called.
  if (text !== "") element.textContent = text;
  if (name) element.className = name;
  return element;
}

function size(bytes) {
  const [value, unit] = bytes < 2 ** 20 ? [bytes / 2 ** 10, "KiB"] : [bytes / 2 ** 20, "MiB"];
  return `${value.toFixed(value < 16 ? 1 : 0)} ${unit}`;
}

function milliseconds(value) {
  if (value >= 999.5) return `${(value / 1000).toFixed(2)} s`;
  return `${value < 0.1 ? value.toFixed(3) : value.toPrecision(3)} ms`;
}

function fact(list, name, value) {
  const pair = make("div");
  pair.append(make("dt", name), make("dd", value));
  list.append(pair);
}

function swatch(colour) {
  const square = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  square.setAttribute("class", "swatch");
  square.setAttribute("aria-hidden", "true");
  square.style.backgroundColor = colour;
  return square;
}

function table(model, rows, caption, coloured) {
  const element = make("table");
  element.append(make("caption", caption));
  const body = make("tbody");
  for (const [number, share] of rows) {
    const row = make("tr", "", share === 0 ? "absent" : "");
    const head = make("th");
    head.scope = "row";
    if (coloured) head.append(swatch(model.colours[number]));
    head.append(model.classes[number]);
    row.append(head);
    if (share !== null) {
      const cell = make("td", percent(share));
      const bar = make("td");
      const line = make("div", "", "bar");
      const part = make("div");
      part.style.width = `${100 * share}%`;
      line.setAttribute("aria-hidden", "true");
      line.append(part);
      bar.append(line);
      row.append(bar, cell);
    }
    body.append(row);
  }
  element.append(body);
  return element;
}

function legend(model, result) {
  const parts = make("div");
  if (!model.by_pixel) {
    if (result) parts.append(table(model, result.likeliest, "Likeliest classes", false));
    else parts.append(make("p", `One class for the whole image, of ${model.classes.length}.`, "quiet"));
    return parts;
  }
  let rows = model.classes.map((_, number) => [number, result ? result.shares[number] : null]);
  let rest = [];
  if (rows.length > MOST_CLASSES && result) {
    rest = rows.filter(([, share]) => share === 0);
    rows = rows.filter(([, share]) => share > 0).sort((one, other) => other[1] - one[1]);
  }
  parts.append(table(model, rows, result ? "Share of the image" : "Classes", true));
  if (rest.length) {
    const others = make("details");
    others.append(make("summary", `${rest.length} classes that it does not see here`), table(model, rest, "", true));
    parts.append(others);
  }
  return parts;
}

function card(model, result) {
  const element = make("article", "", "card");
  element.append(make("h2", model.label));
  const takes = `${model.input[1]} × ${model.input[0]} × ${model.input[2]}`;
  if (model.file !== model.label) element.append(make("p", model.file, "quiet"));
  const list = make("dl", "", "facts");
  fact(list, "latency", milliseconds(model.milliseconds));
  fact(list, "size", size(model.bytes));
  fact(list, "input", takes);
  if (result) {
    const tiles = result.tiles === 1 ? "this image" : `this image, ${result.tiles} tiles`;
    fact(list, tiles, milliseconds(result.milliseconds));
  }
  element.append(list, legend(model, result));
  return element;
}

function showModels() {
  get("models").replaceChildren(...facts.models.map((model, number) => card(model, latest && latest.results[number])));
}

function showDivider() {
  const divider = get("divider");
  const share = divider.value / 100;
  // A range's thumb stays within it.
  get("stage").style.setProperty("--cut", `calc((100% - var(--thumb)) * ${share} + var(--thumb) / 2)`);
  const [first, second] = facts.models.map((model) => model.label);
  divider.setAttribute("aria-valuetext", `${divider.value} % ${first}, ${100 - divider.value} % ${second}`);
}

function showImage() {
  const stage = get("stage");
  stage.style.setProperty("--ratio", latest.width / latest.height);
  stage.classList.toggle("small", Math.max(latest.width, latest.height) < 400);
  get("image").src = latest.image;
  get("image").alt = latest.name;
  const masks = latest.results.map((result, number) => [result.mask, facts.models[number]]).filter(([mask]) => mask);
  stage.classList.toggle("two", masks.length === 2);
  for (const [number, name] of ["first", "second"].entries()) {
    const [mask, model] = masks[number] || [];
    get(name).hidden = !mask;
    get(name).alt = mask ? `Map by ${model.label}` : "";
    if (mask) get(name).src = mask;
    get(`${name}-label`).hidden = !mask || facts.models.length < 2;
    get(`${name}-label`).textContent = model ? model.label : "";
  }
  get("divider").hidden = masks.length < 2;
  get("strength-control").hidden = masks.length === 0;
  const same = latest.agreement;
  get("agreement").textContent = same === null ? "" : `the same class on ${percent(same)} of the pixels`;
  get("result").hidden = false;
  document.querySelector("main").classList.add("seen");
  if (masks.length === 2) showDivider();
}

function complain(line) {
  get("status").textContent = "";
  get("error").textContent = line;
  get("error").hidden = false;
}

let chosen = null;

async function predict(file) {
  if (!facts || !file) return;
  chosen = file;
  const number = ++asked;
  get("error").hidden = true;
  if (file.size > facts.most_bytes) {
    complain(`${file.name}: ${size(file.size)} are more than this page takes, which is ${size(facts.most_bytes)}`);
    return;
  }
  get("status").textContent = `Looking at ${file.name} …`;
  const how = document.querySelector("input[name=how]:checked").value;
  let answer;
  try {
    const response = await fetch(`/predict?how=${how}`, {
      method: "POST",
      body: file,
      headers: { "Content-Type": "application/octet-stream", "X-Name": encodeURIComponent(file.name) },
    });
    answer = await response.json();
  } catch {
    answer = { error: "no answer from segsweep demo-page; is it still running? and is the file still there?" };
  }
  // An answer to what was asked before comes too late.
  if (number !== asked) return;
  if (answer.error) {
    complain(answer.error);
    return;
  }
  latest = answer;
  showImage();
  showModels();
  get("status").textContent = `${latest.name}: ${latest.width} × ${latest.height} pixels`;
}

function listen() {
  get("ask").addEventListener("submit", (event) => event.preventDefault());
  get("file").addEventListener("change", (event) => {
    predict(event.target.files[0]);
    // So that the same file may be chosen again.
    event.target.value = "";
  });
  get("how").addEventListener("change", () => predict(chosen));
  get("divider").addEventListener("input", showDivider);
  get("strength").addEventListener("input", (event) => {
    get("stage").style.setProperty("--strength", event.target.value / 100);
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("over");
    predict(event.dataTransfer.files[0]);
  });
  document.addEventListener("paste", (event) => predict(event.clipboardData.files[0]));
}

async function start() {
  try {
    facts = await (await fetch("/models.json")).json();
  } catch {
    complain("no answer from segsweep demo-page; is it still running?");
    return;
  }
  const names = facts.models.map((model) => model.label);
  get("what").textContent = names.join(" beside ");
  document.title = `segsweep: ${names.join(", ")}`;
  get("cpu").textContent = facts.cpu || "this host";
  get("most").textContent = `, up to ${size(facts.most_bytes)}`;
  const mappers = facts.models.filter((model) => model.by_pixel);
  get("how").hidden = mappers.length === 0;
  const tiles = new Set(mappers.map((model) => `${model.input[1]} × ${model.input[0]}`));
  get("tiles").textContent = `in tiles of ${[...tiles].join(" and ")} pixels`;
  get("divider").setAttribute("aria-label", `Divider: left ${names[0]}, right ${names[1]}`);
  showModels();
  listen();
}

start();
