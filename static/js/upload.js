/**
 * Uploads the files of any form with data-begin, in pieces and with progress; its other fields go
 * along as options. The server knows a file again by its fingerprint, so choosing the same file
 * later goes on where it stopped.
 */
const PIECE = 8 * 1024 * 1024;
const RETRY_MS = [1000, 2000, 5000, 10000];

const list = document.getElementById("uploads");

// The cookie's, since signing in again in another tab makes a new one and this page keeps the old.
const csrf = () =>
  document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ??
  JSON.parse(document.body.getAttribute("hx-headers"))["x-csrftoken"];

/** @param {string} url @param {RequestInit} init */
async function ask(url, init) {
  const headers = { ...init.headers, "X-CSRFToken": csrf() };
  const response = await fetch(url, { ...init, headers, redirect: "manual" });
  if (response.type === "opaqueredirect") throw new Error("Sign in again in another tab.");
  const answer = await response.json().catch(() => ({ error: `The server answered ${response.status}.` }));
  return { status: response.status, answer };
}

/** A card that shows one upload; returns functions to update it. @param {string} name */
function showUpload(name) {
  const card = document.createElement("div");
  card.className = "card";
  const head = document.createElement("div");
  head.className = "row row--apart";
  const title = document.createElement("span");
  title.className = "strong";
  title.textContent = `Uploading ${name}`;
  const stop = document.createElement("button");
  stop.type = "button";
  stop.className = "button button--small";
  stop.textContent = "Cancel";
  head.append(title, stop);
  const bar = document.createElement("progress");
  bar.setAttribute("aria-label", `Upload of ${name}`);
  const text = document.createElement("span");
  text.className = "small muted";
  card.append(head, bar, text);
  list.append(card);
  return { card, bar, text, stop };
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`;

/** @param {string} begin address @param {File} file @param {Record<string, string>} options */
async function upload(begin, file, options) {
  const view = showUpload(file.name);
  const fingerprint = `${file.name}/${file.size}/${file.lastModified}`;
  const fail = (reason) => {
    view.text.textContent = reason;
    view.text.className = "error";
    view.stop.textContent = "Dismiss";
    view.stop.onclick = () => view.card.remove();
  };
  let begun;
  try {
    begun = await ask(begin, {
      method: "POST",
      body: JSON.stringify({ file_name: file.name, size: file.size, fingerprint, options }),
    });
  } catch (error) {
    return fail(`${file.name} could not be sent: ${error.message} Then choose it again.`);
  }
  if (begun.status !== 200) return fail(begun.answer.error);
  const url = `${begin}${begun.answer.id}/`;
  let { received } = begun.answer;
  let cancelled = false;
  view.stop.onclick = async () => {
    cancelled = true;
    await ask(url, { method: "DELETE" });
    view.card.remove();
  };
  const started = performance.now();
  const before = received;
  view.bar.max = file.size;
  let failures = 0;
  while (received < file.size && !cancelled) {
    view.bar.value = received;
    const rate = (received - before) / Math.max(1, performance.now() - started);
    const left = rate > 0 ? ` · ${Math.ceil((file.size - received) / rate / 1000)} s left` : "";
    view.text.textContent = `${megabytes(received)} of ${megabytes(file.size)}${left}`;
    try {
      const piece = file.slice(received, received + PIECE);
      const { status, answer } = await ask(url, { method: "PATCH", body: piece, headers: { "Upload-Offset": String(received) } });
      if (status === 200 || status === 409) {
        received = answer.received;
        failures = 0;
      } else if (status < 500) {
        if (!cancelled) fail(answer.error);
        return;
      } else throw new Error(answer.error);
    } catch (error) {
      const wait = RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)];
      view.text.textContent = `Stopped at ${megabytes(received)}: ${error.message} Trying again…`;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
  if (!cancelled) {
    view.card.remove();
    document.body.dispatchEvent(new Event("ingest-begun"));
  }
}

for (const form of document.querySelectorAll("form[data-begin]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const data = new FormData(form);
    const files = data.getAll("files");
    data.delete("files");
    const options = Object.fromEntries([...data].filter(([, value]) => value !== ""));
    form.closest("dialog").close();
    form.reset();
    for (const file of files) await upload(form.dataset.begin, file, options);
  });
}
