// @ts-check
// Printing prints the whole conversation. A page holds a part of a long one: the rest is read from
// the server when the browser is about to print, and is gone afterwards.

import { createPartView } from "../markdown/part_views.jsx";
import { mountPlain } from "../markdown/plain_text.jsx";

const AT_ONCE = 100; // messages of a request: the most that the server gives

/**
 * @typedef {{
 *   id: string,
 *   role: string,
 *   status: string,
 *   error: string | null,
 *   parts: {type: string, text?: string}[],
 *   metadata?: {finishReason?: string},
 * }} StoredMessage As `/api/threads/{id}/messages` has it.
 */

/**
 * @param {{
 *   above: HTMLElement,
 *   below: HTMLElement,
 *   rows: () => HTMLElement[],
 *   missing: () => {older: boolean, newer: boolean},
 *   source: string,
 *   endings: Record<string, string>,
 * }} options `above` and `below`: elements around the conversation, empty and not shown on a screen;
 *   `rows`: the messages on the page; `missing`: whether there are more before and after them;
 *   `source`: where the thread's messages are read; `endings`: what is said of an answer by its
 *   status, or by the reason why it ended.
 * @returns {() => void} Stops it.
 */
export function watchPrint({ above, below, rows, missing, source, endings }) {
  function fill() {
    const { older, newer } = missing();
    const shown = rows();
    if (!(older || newer) || shown.length === 0) return;
    try {
      const [first, last] = [shown[0], shown[shown.length - 1]].map((row) => row.dataset.message);
      const before = older ? readUp(source, { before: first }) : [];
      const after = newer ? readUp(source, { until: last }) : [];
      above.append(...before.map((message) => printed(message, endings)));
      below.append(...after.map((message) => printed(message, endings)));
    } catch {
      above.append(element("p", "ending", "The rest of this chat could not be read for printing."));
    }
  }

  function empty() {
    above.replaceChildren();
    below.replaceChildren();
  }

  addEventListener("beforeprint", fill);
  addEventListener("afterprint", empty);
  return () => {
    removeEventListener("beforeprint", fill);
    removeEventListener("afterprint", empty);
    empty();
  };
}

/**
 * Messages of a thread, oldest first. The browser prints as soon as `beforeprint` has been handled,
 * so that this can't wait for anything: these are the only requests that hold up the page.
 *
 * @param {string} source
 * @param {{before?: string, until?: string}} ids `before`: the message after them, none for the end
 *   of the thread; `until`: the one before them, none for its beginning.
 * @returns {StoredMessage[]}
 */
function readUp(source, { before, until }) {
  /** @type {StoredMessage[]} */
  let messages = [];
  for (let goesOn = true; goesOn; before = messages[0]?.id) {
    const request = new XMLHttpRequest();
    const from = before ? `&before=${before}` : "";
    request.open("GET", `${source}?limit=${AT_ONCE}${from}`, false);
    request.withCredentials = true;
    request.send();
    if (request.status !== 200) throw new Error(`HTTP ${request.status}`);
    const page = JSON.parse(request.responseText);
    messages = [...page.messages, ...messages];
    const isThere = messages.some(({ id }) => id === until);
    goesOn = page.hasOlder && page.messages.length > 0 && !isThere;
  }
  const at = messages.findIndex(({ id }) => id === until);
  if (until && at < 0) throw new Error("The thread has changed.");
  return messages.slice(at + 1);
}

/**
 * @param {StoredMessage} message
 * @param {Record<string, string>} endings
 */
function printed({ role, status, error, parts, metadata }, endings) {
  const row = element("div", "message");
  if (role === "user") {
    const text = element("div", "ct-text ct-plain");
    mountPlain(text).show({ parts });
    const bubble = element("div", "bubble");
    bubble.append(text);
    row.append(bubble);
    return row;
  }
  const text = element("div", "ct-text");
  row.append(text);
  for (const part of parts) {
    if (part.type !== "text") continue;
    const view = createPartView("text");
    const whole = { isDone: true, isAtOnce: true, key: "", isLoading: false, requestPart() {} };
    view.update({ type: "text", text: part.text ?? "" }, whole);
    text.append(view.node);
  }
  const ending = error || (endings[status] ?? endings[metadata?.finishReason ?? ""]);
  if (ending) row.append(element("p", "ending", ending));
  return row;
}

/**
 * @param {string} name
 * @param {string} className
 */
function element(name, className, words = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = words;
  return made;
}
