// The page's script: sends what is typed, shows answers as they come, and keeps what is typed until it is sent.

const $ = (id) => document.getElementById(id);
const box = $("messages");
const text = $("text");
const log = $("log");
let conversation = box?.dataset.conversation ?? "";
let live = "";
let source = null;
let queue = [];
let pictures = [];
let editing = "";

// --- calls of the server

async function post(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const value = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(value.error?.message ?? `The server answered ${answer.status}.`);
  return value;
}

async function piece(path) {
  const answer = await fetch(path);
  if (answer.status === 401) location.assign("/sign-in");
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error?.message ?? `The server answered ${answer.status}.`);
  return answer.text();
}

function tell(words, action, run) {
  const notice = $("notice");
  notice.textContent = words;
  if (action) {
    const button = document.createElement("button");
    button.textContent = action;
    button.addEventListener("click", () => { notice.hidden = true; run(); });
    notice.append(button);
  }
  notice.hidden = false;
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => { notice.hidden = true; }, 10_000);
}

const here = () => encodeURIComponent(conversation);

// --- drafts

const draft = () => `draft ${conversation || "new"}`;
const keep = () => { try { text.value ? localStorage.setItem(draft(), text.value) : localStorage.removeItem(draft()); } catch { /* private */ } };
const grow = () => { text.style.height = "auto"; text.style.height = `${text.scrollHeight}px`; };

// --- following an answer

const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 80;
const toEnd = () => { log.scrollTop = log.scrollHeight; };

function element(kind, name, words) {
  const made = document.createElement(kind);
  made.className = name;
  if (words !== undefined) made.textContent = words;
  return made;
}

function follow(run) {
  source?.close();
  live = run;
  $("send").hidden = false;
  $("stop").hidden = false;
  document.querySelectorAll("article.streaming").forEach((one) => one.remove());
  const article = element("article", "bot streaming");
  const said = element("div", "said");
  const tail = element("div", "tail");
  said.dir = tail.dir = "auto";
  tail.append(element("span", "caret"));
  article.append(said, tail);
  box.append(article);
  toEnd();
  let thinking = null;
  let spoken = "";
  source = new EventSource(`/page/runs/${run}`);
  source.addEventListener("open", () => { said.replaceChildren(); thinking?.remove(); thinking = null; });
  source.addEventListener("message", (event) => {
    const told = JSON.parse(event.data);
    const follows = atEnd();
    if (told.kind === "block") {
      said.insertAdjacentHTML("beforeend", told.html);
      spoken = said.lastElementChild?.textContent ?? "";
      $("said").textContent = spoken;
    } else if (told.kind === "tail") {
      tail.innerHTML = told.html;
      (tail.lastElementChild ?? tail).append(element("span", "caret"));
    } else if (told.kind === "thinking") {
      if (!thinking) {
        thinking = element("details", "thinking");
        thinking.append(element("summary", "", "Thinking"), element("div", ""));
        article.prepend(thinking);
      }
      thinking.lastElementChild.textContent += told.text;
    } else if (told.kind === "result") {
      const card = element("details", told.failed ? "tool failed" : "tool");
      card.append(element("summary", "", told.name), element("pre", "", told.text));
      said.append(card);
    } else if (told.kind === "confirm") {
      said.append(question(run, told));
    } else if (told.kind === "warning") {
      said.append(element("p", "state", told.text));
    } else if (told.kind === "end") {
      ended(run, told);
    }
    if (follows) toEnd();
  });
}

function question(run, told) {
  const card = element("div", "confirm");
  card.append(element("p", "", `${told.name} wants to act. Allow it?`), element("pre", "", told.arguments));
  for (const [words, allow] of [["Yes", true], ["No", false]]) {
    const button = element("button", "", words);
    button.type = "button";
    button.addEventListener("click", async () => {
      card.remove();
      await post(`/v1/responses/${run}/confirm`, { call_id: told.call, allow }).catch((error) => tell(error.message));
    });
    card.append(button);
  }
  return card;
}

async function ended(run, told) {
  source?.close();
  source = null;
  live = "";
  $("stop").hidden = true;
  await reload();
  $("said").textContent = box.querySelector("article:last-of-type .said")?.textContent ?? "";
  if (told.error && told.status !== "stopped") failed(told.error);
  await list();
  const next = queue.shift();
  showQueue();
  if (next) send(next);
}

function failed(words) {
  const card = element("p", "state", `${words} `);
  card.setAttribute("role", "alert");
  const button = element("button", "", "Retry");
  button.type = "button";
  button.dataset.do = "retry";
  card.append(button);
  box.append(card);
  toEnd();
}

async function reload() {
  if (!conversation) return;
  const page = new DOMParser().parseFromString(await piece(`/c/${here()}`), "text/html");
  const follows = atEnd();
  const fresh = page.getElementById("messages").innerHTML;
  // A selection and an opened part stay where nothing is new.
  if (fresh !== reload.shown || box.querySelector(".streaming, [role=alert]")) box.replaceChildren(...page.getElementById("messages").childNodes);
  reload.shown = fresh;
  $("bar").replaceChildren(...page.getElementById("bar").childNodes);
  if (!$("about").querySelector("[open]")) $("about").replaceChildren(...page.getElementById("about").childNodes);
  $("title").textContent = page.getElementById("title").textContent;
  document.title = page.title;
  if (page.body.dataset.version !== document.body.dataset.version) tell("The server was updated.", "Reload", () => location.reload());
  const running = page.getElementById("messages").dataset.live;
  if (running && running !== live) follow(running);
  if (follows) toEnd();
}

// --- sending

async function send(message) {
  try {
    const begun = await post("/page/say", { ...message, conversation, model: $("model").value });
    if (!conversation) {
      conversation = begun.conversation;
      box.dataset.conversation = conversation;
      history.replaceState(null, "", `/c/${here()}`);
      try { localStorage.removeItem("draft new"); } catch { /* private */ }
    }
    // It follows the answer, unless that has ended already.
    await reload();
    await list();
  } catch (error) {
    // What was typed is still there.
    if (message.text && !text.value) { text.value = message.text; grow(); keep(); }
    tell(navigator.onLine ? error.message : "There is no connection. What you typed is still here.");
    await reload().catch(() => {});
  }
}

function submit() {
  const words = text.value.trim();
  if (!words && !pictures.length) return;
  const message = editing ? { kind: "edit", message: editing, text: words } : { text: words, key: crypto.randomUUID?.() ?? `${Date.now()}` };
  if (pictures.length) message.pictures = pictures.map((url) => ({ type: "image_url", image_url: { url } }));
  text.value = "";
  pictures = [];
  editing = "";
  showPictures();
  keep();
  grow();
  document.querySelector(".empty")?.remove();
  if (live) {
    queue.push(message);
    showQueue();
  } else {
    send(message);
  }
}

function showQueue() {
  $("queue").replaceChildren(...queue.map((one) => element("li", "", `waits: ${one.text}`)));
}

function showPictures() {
  $("files").replaceChildren(...pictures.map((_, place) => {
    const line = element("li", "", `picture ${place + 1} `);
    const button = element("button", "", "remove");
    button.type = "button";
    button.addEventListener("click", () => { pictures.splice(place, 1); showPictures(); });
    line.append(button);
    return line;
  }));
}

function attach(files) {
  for (const file of files) {
    if (!file.type.startsWith("image/")) { tell(`${file.name} is no picture.`); continue; }
    if (file.size > 5_000_000) { tell(`${file.name} has more than 5 MB.`); continue; }
    const reader = new FileReader();
    reader.addEventListener("load", () => { pictures.push(reader.result); showPictures(); });
    reader.readAsDataURL(file);
  }
}

// --- what buttons do

const article = (button) => button.closest("article");
const doing = {
  "copy-code": (button) => copy(button, button.closest(".code").querySelector("code").textContent),
  copy: (button) => copy(button, article(button).dataset.text),
  retry: () => !live && send({ kind: "retry" }),
  continue: () => !live && send({ kind: "continue" }),
  stop: () => live && post(`/v1/responses/${live}/cancel`, {}).catch((error) => tell(error.message)),
  edit: (button) => edit(article(button)),
  goto: async (button) => { await post(`/page/goto/${here()}`, { message: button.dataset.message }); await reload(); },
  report: async (button) => dialog(await piece(`/page/report/${button.dataset.run}`)),
  earlier: async (button) => {
    const first = box.querySelector("article");
    const html = await piece(`/page/messages/${here()}?before=${button.dataset.before}`);
    button.closest("p").remove();
    const height = log.scrollHeight;
    box.insertAdjacentHTML("afterbegin", html);
    log.scrollTop += log.scrollHeight - height;
    first?.focus?.();
  },
  forget: async (button) => {
    if (!confirm("Forget this message for good? Summaries and facts that came from it go too.")) return;
    const answer = await fetch(`/v1/conversations/${here()}/items/${article(button).id}`, { method: "DELETE" });
    if (!answer.ok) tell((await answer.json()).error.message);
    await reload();
  },
  rename: async () => {
    const title = prompt("What is it to be called?", $("title").textContent);
    if (title?.trim()) { await post(`/page/change/${here()}`, { title }); await reload(); await list(); }
  },
  delete: async () => {
    const gone = conversation;
    await post(`/page/change/${here()}`, { deleted: true });
    sessionStorage.setItem("deleted", gone);
    location.assign("/");
  },
  "edit-fact": async (button) => {
    const line = button.closest("li");
    const words = prompt("What holds?", line.querySelector(".fact").textContent);
    if (words?.trim()) { await post(`/page/facts/${line.dataset.fact}`, { text: words }); line.querySelector(".fact").textContent = words; }
  },
  "forget-fact": async (button) => {
    const line = button.closest("li");
    if (!confirm("Forget this for good?")) return;
    await post(`/page/facts/${line.dataset.fact}`, {});
    line.remove();
  },
  try: (button) => { text.value = button.textContent; submit(); },
  menu: () => document.body.classList.toggle("open"),
  theme: () => {
    const dark = getComputedStyle(document.documentElement).colorScheme.includes("dark")
      && (document.documentElement.dataset.theme === "dark" || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches));
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("theme", document.documentElement.dataset.theme); } catch { /* private */ }
  },
  keys: () => dialog($("keys").innerHTML),
};

function dialog(html) {
  $("dialog-body").innerHTML = html;
  $("dialog").showModal();
}

async function copy(button, words) {
  await navigator.clipboard.writeText(words);
  const before = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 1_500);
}

function edit(message) {
  if (!message) return;
  editing = message.id;
  text.value = message.dataset.text;
  grow();
  text.focus();
  tell("You edit an earlier message; the old one stays beside it.", "Leave it", () => { editing = ""; text.value = ""; grow(); });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (!button) {
    if (!event.target.closest("nav")) document.body.classList.remove("open");
    return;
  }
  Promise.resolve(doing[button.dataset.do]?.(button)).catch((error) => tell(error.message));
});

async function list() {
  const query = $("search").value.trim();
  $("list").innerHTML = await piece(`/page/list?q=${encodeURIComponent(query)}`).catch(() => $("list").innerHTML);
  for (const link of $("list").querySelectorAll("a")) if (link.pathname === location.pathname && !query) link.setAttribute("aria-current", "page");
}

$("search")?.addEventListener("input", () => { clearTimeout(list.timer); list.timer = setTimeout(list, 150); });

document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (event.key === "Escape" && live && !$("dialog").open) doing.stop();
  else if (event.key === "?" && !typing) doing.keys();
  else if (event.key === "/" && !typing) { event.preventDefault(); $("search").focus(); }
});

try { const theme = localStorage.getItem("theme"); if (theme) document.documentElement.dataset.theme = theme; } catch { /* private */ }

if (text) {
  try { text.value = localStorage.getItem(draft()) ?? ""; } catch { /* private */ }
  grow();
  text.addEventListener("input", () => { grow(); keep(); });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); submit(); }
    else if (event.key === "ArrowUp" && !text.value) { event.preventDefault(); edit([...box.querySelectorAll("article.you")].pop()); }
  });
  text.addEventListener("paste", (event) => attach(event.clipboardData.files));
  $("form").addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  $("file").addEventListener("change", (event) => { attach(event.target.files); event.target.value = ""; });
  const zone = document.querySelector(".box");
  document.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("drop"); });
  document.addEventListener("dragleave", () => zone.classList.remove("drop"));
  document.addEventListener("drop", (event) => { event.preventDefault(); zone.classList.remove("drop"); attach(event.dataTransfer.files); });
  if (box.dataset.live) follow(box.dataset.live);
  toEnd();
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView({ block: "center" });
  // Another tab, or the terminal, may go on with the same conversation.
  document.addEventListener("visibilitychange", () => { if (!document.hidden && !live) reload().catch(() => {}); });
  setInterval(() => { if (conversation && !live && !document.hidden) reload().catch(() => {}); }, 5_000);
  text.focus();
}

const deleted = sessionStorage.getItem("deleted");
if (deleted) {
  sessionStorage.removeItem("deleted");
  tell("The conversation is deleted.", "Undo", async () => {
    await post(`/page/change/${encodeURIComponent(deleted)}`, { deleted: false });
    location.assign(`/c/${encodeURIComponent(deleted)}`);
  });
}
