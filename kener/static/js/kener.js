/* What pages do beyond plain HTML: times in the visitor's zone, quiet live updates, a word when the server is away,
   tooltips on day bars, and small helps in forms. Everything can be read and changed without it. */
(() => {
  "use strict";

  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const on = (name, act) => document.addEventListener(name, act);

  /* ── times ── */

  const language = root.lang === "en" ? "en-GB" : root.lang || undefined;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const precise = { ...clock, second: "2-digit" };
  const day = { day: "numeric", month: "short" };
  const date = { weekday: "long", day: "numeric", month: "long" };
  const STYLES = { time: clock, clock, seconds: precise, day, date, datetime: { ...day, ...clock }, precise: { ...day, ...precise } };
  const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

  const written = (at, style) => {
    const options = STYLES[style] || STYLES.datetime;
    const dated = "day" in options && at.getFullYear() !== new Date().getFullYear();
    return new Intl.DateTimeFormat(language, dated ? { ...options, year: "numeric" } : options).format(at);
  };

  const ago = (at) => {
    const seconds = (Date.now() - at) / 1000;
    const size = Math.abs(seconds);
    if (size < 5) return "just now";
    const [unit, length] = UNITS.find(([, length]) => size >= length) || UNITS[3];
    const text = `${Math.floor(size / length)} ${unit}`;
    return seconds > 0 ? `${text} ago` : `in ${text}`;
  };

  const short = (seconds) => {
    if (seconds < 60) return `${seconds} s`;
    const parts = [];
    for (const [unit, length] of UNITS.slice(0, 3)) {
      const count = Math.floor(seconds / length);
      seconds -= count * length;
      if (count) parts.push(`${count} ${unit}`);
    }
    return parts.slice(0, 2).join(" ");
  };

  const localise = (within) => {
    for (const time of all("time[data-local]", within)) {
      const at = new Date(time.dateTime);
      if (isNaN(at)) continue;
      time.title ||= at.toISOString().slice(0, 19).replace("T", " ") + " UTC";
      time.textContent = time.dataset.local === "relative" ? ago(at) : written(at, time.dataset.local);
    }
    for (const place of all("[data-zone]", within)) place.textContent = place.dataset.zone.replace("{zone}", zone.replace(/_/g, " "));
    // Drawings keep the site's clock; where the visitor's shows another time, they say so.
    const now = new Date();
    const wall = (timeZone) => now.toLocaleString("en", { timeZone });
    for (const note of all("[data-elsewhere]", within)) note.hidden = wall(note.dataset.elsewhere) === wall(zone);
  };

  const age = () => all('time[data-local="relative"]').forEach((time) => (time.textContent = ago(new Date(time.dateTime))));

  /* ── said once, politely ── */

  const say = (text) => {
    const said = document.getElementById("said");
    if (!said || !text) return;
    said.textContent = "";
    setTimeout(() => (said.textContent = text), 60);
  };

  const sayings = () => new Map(all("[data-says][id]").map((thing) => [thing.id, thing.dataset.says]));

  const sayChanges = (before) => {
    const changes = [];
    for (const thing of all("[data-says][id]")) {
      const { name, says } = thing.dataset;
      const was = before.get(thing.id);
      if (was === undefined) changes.push(`${name}: ${says}`);
      else if (was !== says) changes.push(`${name}: ${was} → ${says}`);
    }
    say(changes.join(". "));
  };

  /* ── what a reader has open and where they are survives a swap ── */

  const keyOf = (thing) => {
    if (thing.id) return [thing.id];
    const home = thing.parentElement.closest("[id]");
    return home && [home.id, thing.localName, all(thing.localName, home).indexOf(thing)];
  };

  const byKey = ([id, name, index]) => {
    const home = document.getElementById(id);
    return name && home ? all(name, home)[index] : home;
  };

  const remember = (target) => {
    const focused = target.contains(document.activeElement) && keyOf(document.activeElement);
    const folds = all("details", target).map((fold) => [keyOf(fold), fold.open]);
    return { focused, folds: folds.filter(([key]) => key), says: sayings() };
  };

  const restore = ({ focused, folds, says }) => {
    for (const [key, open] of folds) {
      const fold = byKey(key);
      if (fold) fold.open = open;
    }
    const again = focused && document.activeElement === document.body && byKey(focused);
    if (again) again.focus({ preventScroll: true });
    sayChanges(says);
  };

  /* ── a server that does not answer ── */

  let answered = new Date();
  let silentSince = null;

  const serverAnswers = () => {
    answered = new Date();
    silentSince = null;
    const line = document.getElementById("away");
    if (line) line.hidden = true;
  };

  const serverAway = (polling) => {
    const line = document.getElementById("away");
    if (!line) return;
    silentSince ||= new Date();
    const text = polling ? line.dataset.away : line.dataset.lost;
    line.textContent = text.replace("{since}", written(silentSince, "time")).replace("{shown}", written(answered, "seconds"));
    line.hidden = false;
  };

  /* ── htmx ── */

  const HIDDEN_PAUSE_MS = 60_000;
  const asked = new WeakMap();
  let memory = null;

  const isPoll = (element) => element.hasAttribute("data-live");
  const isFilling = (within) => within.contains(document.activeElement) && document.activeElement.matches("input, textarea, select");

  on("htmx:configRequest", ({ detail }) => {
    const token = document.querySelector('meta[name="csrf-token"]');
    if (token && detail.verb !== "get") detail.headers["X-CSRFToken"] = token.content;
  });

  on("htmx:beforeRequest", (event) => {
    const { elt } = event.detail;
    if (!isPoll(elt)) return busy(event.detail.requestConfig.triggeringEvent?.submitter || elt);
    const tooSoon = document.hidden && Date.now() - (asked.get(elt) || 0) < HIDDEN_PAUSE_MS;
    if (tooSoon || isFilling(elt)) event.preventDefault();
    else asked.set(elt, Date.now());
  });

  on("htmx:beforeSwap", ({ detail }) => {
    const { status } = detail.xhr;
    const ours = status < 400 || status === 422 || detail.xhr.getResponseHeader("HX-Retarget");
    if (!ours || (isPoll(detail.elt) && status >= 400)) detail.shouldSwap = false;
    if (detail.shouldSwap) memory = remember(detail.target);
  });

  on("htmx:afterSwap", ({ detail }) => {
    if (memory) restore(memory);
    memory = null;
    localise(document);
    enhance(document);
    if (detail.target.id === "dialog" && !detail.target.open) detail.target.showModal();
    const flash = document.querySelector(".flash:not([data-said])");
    if (flash) {
      flash.dataset.said = "";
      say(flash.querySelector("p")?.textContent);
    }
  });

  on("htmx:afterRequest", ({ detail }) => {
    if (!isPoll(detail.elt)) ready();
    if (detail.xhr.status && detail.xhr.status < 500) serverAnswers();
    else if (detail.xhr.status) serverAway(isPoll(detail.elt));
  });
  on("htmx:sendError", ({ detail }) => serverAway(isPoll(detail.elt)));
  on("htmx:timeout", ({ detail }) => serverAway(isPoll(detail.elt)));
  on("visibilitychange", () => document.hidden || document.dispatchEvent(new Event("kener:back")));

  /* ── forms ── */

  const busy = (button) => {
    if (!button?.dataset?.busy || button.ariaBusy === "true") return;
    button.style.minInlineSize = `${button.offsetWidth}px`;
    button.dataset.ready = button.textContent;
    button.textContent = button.dataset.busy;
    button.ariaBusy = "true";
  };

  const ready = () => {
    for (const button of all('[data-ready][aria-busy="true"]')) {
      button.textContent = button.dataset.ready;
      button.ariaBusy = null;
    }
  };

  const addRow = (button) => {
    const rows = all(".pair", button.parentElement);
    const last = rows[rows.length - 1];
    const fresh = (rows.find((row) => row.matches("[data-blank]")) ?? last).cloneNode(true);
    for (const input of all("input, select", fresh)) {
      const options = [...(input.options ?? [])];
      input.value = options.length ? (options.find((one) => one.defaultSelected) ?? options[0]).value : fresh.matches("[data-blank]") ? input.defaultValue : "";
    }
    last.after(fresh);
    number(button.parentElement);
    fresh.querySelector("input, select").focus();
  };

  /* Labels of rows end with their number. */
  const number = (list) => {
    all(".pair", list).forEach((row, index) => {
      for (const named of all("[aria-label]", row)) named.ariaLabel = named.ariaLabel.replace(/\d+$/, index + 1);
    });
  };

  const move = (button) => {
    const row = button.closest(".pair");
    const up = button.dataset.move === "up";
    const other = up ? row.previousElementSibling : row.nextElementSibling;
    if (!other?.matches(".pair")) return;
    if (up) other.before(row);
    else other.after(row);
    number(row.parentElement);
    button.focus();
  };

  const copy = async (button) => {
    const source = document.querySelector(button.dataset.copy);
    await navigator.clipboard.writeText(source.value ?? source.textContent.trim());
    say("Copied");
    button.textContent = button.dataset.copied || "Copied";
  };

  /* Controls that only script can serve are hidden in the page and shown here; the reverse for what script makes needless. */
  const enhance = (within) => {
    for (const control of all("[data-add-row], [data-scripted], [data-check-all]", within)) control.hidden = false;
    for (const button of all("[data-copy]", within)) button.hidden = !navigator.clipboard;
    for (const button of all("form[data-submit-on-change] button", within)) button.hidden = true;
    for (const field of all("[data-filter]", within)) field.hidden = false;
  };

  const checkAll = (box) => {
    for (const one of all(`input[name="${box.dataset.checkAll}"]`, box.closest("table"))) one.checked = box.checked;
  };

  /* Typing narrows a long list of choices to those that hold every word; what is ticked stays in sight. */
  const narrow = (input) => {
    const words = input.value.toLowerCase().split(/\s+/);
    for (const row of all("li", document.getElementById(input.dataset.filter))) {
      const text = row.textContent.toLowerCase();
      row.hidden = !row.querySelector(":checked") && !words.every((word) => text.includes(word));
    }
  };

  on("change", ({ target }) => target.matches?.("[data-check-all]") && checkAll(target));
  on("change", ({ target }) => target.form?.matches("[data-submit-on-change]") && target.form.requestSubmit());
  on("input", ({ target }) => target.matches?.("[data-filter]") && narrow(target));
  on("submit", (event) => event.defaultPrevented || busy(event.submitter));
  on("click", (event) => {
    const pressed = event.target.closest?.("[data-close], [data-add-row], [data-move], [data-copy]");
    if (!pressed) return;
    const dialog = pressed.closest("dialog");
    if (pressed.matches("[data-add-row]")) addRow(pressed);
    else if (pressed.matches("[data-move]")) move(pressed);
    else if (pressed.matches("[data-copy]")) copy(pressed);
    else if (dialog) {
      event.preventDefault();
      dialog.close();
    }
  });
  on("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable]")) return;
    const search = all('input[type="search"]').find((input) => input.checkVisibility?.() ?? true);
    if (!search) return;
    event.preventDefault();
    search.focus();
    search.select();
  });

  /* ── a day under the pointer, or under the arrow keys ── */

  const TROUBLES = [["degraded", "Degraded", 1], ["down", "Down", 2], ["maintenance", "Maintenance", 3], ["nodata", "Excluded", 4]];
  const PITCH = 7;
  let tip = null;
  let waiting = 0;

  const barsAt = (event) => {
    const drawing = event.target.closest?.(".bars")?.querySelector("svg[data-days]");
    if (!drawing) return null;
    const box = drawing.getBoundingClientRect();
    const count = drawing.viewBox.baseVal.width / PITCH;
    const index = Math.floor(((event.clientX - box.left) / box.width) * count);
    return { drawing, index: Math.max(0, Math.min(count - 1, index)) };
  };

  /* The seconds by status of a day that is not plainly good, else null. "0-48 52:86340,0,60,0": nothing measured until 48, trouble on 52. */
  const secondsOf = (days, index) => {
    for (const part of days.split(" ")) {
      const [span, seconds] = part.split(":");
      const [first, last = first] = span.split("-").map(Number);
      if (span && index >= first && index <= last) return (seconds || "0,0,0,0").split(",").map(Number);
    }
    return null;
  };

  const dayOf = (drawing, index) => {
    const at = new Date(`${drawing.dataset.from}T00:00:00Z`);
    at.setUTCDate(at.getUTCDate() + index);
    const seconds = secondsOf(drawing.dataset.days, index);
    const total = seconds ? seconds.reduce((sum, part) => sum + part, 0) : 1;
    const measured = seconds ? seconds[0] + seconds[1] + seconds[2] : 1;
    const share = seconds ? (measured - seconds[2]) / measured : 1;
    const options = { weekday: "short", day: "numeric", month: "long", timeZone: "UTC" };
    const rows = TROUBLES.filter(([, , part]) => seconds?.[part]).map(([tone, word, part]) => [tone, word, short(seconds[part])]);
    return {
      date: new Intl.DateTimeFormat(language, options).format(at).replace(",", ""),
      uptime: measured ? `${Math.floor(share * 10_000 + 1e-9) / 100}\u202f%` : "–",
      rows,
      plain: seconds ? (total ? "" : "Not monitored") : "Operational all day",
    };
  };

  const show = (drawing, index, { spoken }) => {
    hide();
    const bars = drawing.closest(".bars");
    const home = bars.closest("li") || bars.parentElement;
    const { date, uptime, rows, plain } = dayOf(drawing, index);
    const icon = (tone) => `<svg class="ico i-${tone}" aria-hidden="true"><use href="#i-${tone}"/></svg>`;
    const list = rows.map(([tone, word, text]) => `<dt><span class="mark">${icon(tone)}${word}</span></dt><dd>${text}</dd>`);
    tip = document.createElement("div");
    tip.className = "tip";
    tip.innerHTML = `<h4><span>${date}</span> <span>${uptime}</span></h4>` + (plain ? `<p>${plain}</p>` : `<dl>${list.join("")}</dl>`);
    home.append(tip);
    place(tip, home, bars, drawing, index);
    if (spoken) say([date, uptime, plain, ...rows.map((row) => `${row[1]} ${row[2]}`)].filter(Boolean).join(", "));
    Object.assign(tip, { bars, drawing, index });
  };

  const place = (box, home, bars, drawing, index) => {
    const around = home.getBoundingClientRect();
    const strip = bars.getBoundingClientRect();
    const whole = drawing.getBoundingClientRect();
    const pitch = (whole.width / drawing.viewBox.baseVal.width) * PITCH;
    const middle = whole.left + pitch * index + pitch / 2;
    const left = Math.max(8, Math.min(document.documentElement.clientWidth - box.offsetWidth - 8, middle - box.offsetWidth / 2));
    box.style.left = `${left - around.left - home.clientLeft}px`;
    box.style.bottom = `${around.bottom - strip.top + 8}px`;
    box.style.setProperty("--at", `${middle - left}px`);
    const frame = document.createElement("span");
    frame.className = "cursor";
    frame.ariaHidden = "true";
    Object.assign(frame.style, {
      left: `${middle - around.left - home.clientLeft - pitch / 2 - 1}px`,
      top: `${strip.top - around.top - home.clientTop}px`,
      width: `${pitch + 2}px`,
      height: `${strip.height}px`,
    });
    home.append(frame);
    box.frame = frame;
  };

  const hide = () => {
    clearTimeout(waiting);
    tip?.frame?.remove();
    tip?.remove();
    tip = null;
  };

  on("pointermove", (event) => {
    if (event.pointerType === "touch") return;
    if (event.target.closest?.(".tip")) return clearTimeout(waiting);
    const found = barsAt(event);
    if (!found) {
      clearTimeout(waiting);
      if (tip && !tip.byKey) waiting = setTimeout(hide, 120);
      return;
    }
    if (tip?.drawing === found.drawing && tip.index === found.index) return;
    clearTimeout(waiting);
    if (tip && tip.isConnected) show(found.drawing, found.index, { spoken: false });
    else waiting = setTimeout(() => show(found.drawing, found.index, { spoken: false }), 80);
  });
  on("click", (event) => {
    const found = event.pointerType === "touch" && barsAt(event);
    if (!found) return;
    if (tip?.drawing === found.drawing && tip.index === found.index) return;
    if (event.target.closest("a.bars")) event.preventDefault();
    show(found.drawing, found.index, { spoken: false });
  });
  on("keydown", (event) => {
    if (event.key === "Escape") return hide();
    const bars = document.activeElement?.matches?.("a.bars") && document.activeElement;
    const drawing = bars && bars.querySelector("svg[data-days]");
    if (!drawing) return;
    const last = drawing.viewBox.baseVal.width / PITCH - 1;
    const here = tip?.drawing === drawing ? tip.index : last + 1;
    const step = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: last }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    show(drawing, Math.max(0, Math.min(last, step)), { spoken: true });
    tip.byKey = true;
  });
  on("focusout", ({ target }) => target.matches?.("a.bars") && hide());

  localise(document);
  enhance(document);
  setInterval(age, 30_000);
})();
