// Lets a seat's page open while the server or the network is away, so that a viewer who reloads it
// can go on voting. Keeps that page and the files it is made of, and nothing of what was voted: the
// page itself does that. With a server that answers, pages are always those of the server.

const CACHE = `midgrey-seat-${VERSION}`; // another page or another file: another version
const SHELL = {{ shell|safe }};
const FIXED = {{ fixed|yesno:"true,false" }}; // a name of these files stands for one content for ever
const PATIENCE = 3000; // ms that a server may take while there is a page to fall back on

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("message", (event) => {
  if (event.data?.over) event.waitUntil(forget(event.data.over));
});
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (request.mode === "navigate") event.respondWith(page(event, pathname));
  else if (SHELL.includes(pathname)) event.respondWith(file(request, pathname));
});

async function install() {
  const cache = await caches.open(CACHE);
  await cache.addAll(SHELL.map((url) => new Request(url, { cache: FIXED ? "default" : "reload" })));
  await self.skipWaiting();
}

/** From here on the pages that are open are looked after too. */
async function activate() {
  for (const name of await caches.keys()) {
    if (name.startsWith("midgrey-seat-") && name !== CACHE) await caches.delete(name);
  }
  await self.clients.claim();
  const cache = await caches.open(CACHE);
  for (const { url } of await self.clients.matchAll({ type: "window" })) {
    await cache.add(new URL(url).pathname).catch(() => null); // next time, then
  }
}

/** A slow server is waited for where there is nothing else. */
async function ask(request, kept) {
  if (!kept) return fetch(request);
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE);
  return fetch(request, { signal: patience.signal }).finally(() => clearTimeout(timer));
}

async function page(event, path) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(path);
  try {
    const answer = await ask(event.request, kept);
    if (answer.status >= 500 && kept) return kept;
    if (answer.ok) event.waitUntil(cache.put(path, answer.clone()));
    else await cache.delete(path); // a seat that was closed
    return answer;
  } catch (error) {
    if (kept) return kept;
    throw error;
  }
}

async function file(request, path) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(path);
  if (kept && FIXED) return kept;
  return ask(request, kept).catch((error) => {
    if (kept) return kept;
    throw error;
  });
}

/** The session of a page is over. With its last page the worker itself goes. */
async function forget(path) {
  const cache = await caches.open(CACHE);
  await cache.delete(path);
  const left = (await cache.keys()).map(({ url }) => new URL(url).pathname);
  if (left.some((one) => !SHELL.includes(one))) return;
  await caches.delete(CACHE);
  await self.registration.unregister();
}
