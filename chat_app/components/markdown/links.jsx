// @ts-check
// Which URLs an answer may link to: absolute http, https and mailto, nothing else.

const SCHEMES = new Set(["http:", "https:", "mailto:"]);
const ENTITY = /&(?:#\d{1,7}|#[xX][\da-fA-F]{1,6}|[a-zA-Z][a-zA-Z\d]{1,31});/g;

const MOST_KNOWN = 500;

/** @type {Map<string, string>} */
const known = new Map();
/** @type {HTMLTextAreaElement | null} */
let reader = null;

/**
 * Turn `&amp;` and its kind into characters. A textarea holds text only, so nothing can run.
 *
 * @param {string} text
 */
export function decodeEntities(text) {
  if (!text.includes("&")) return text;
  return text.replace(ENTITY, (entity) => known.get(entity) ?? decode(entity));
}

/** @param {string} entity */
function decode(entity) {
  reader ??= document.createElement("textarea");
  reader.innerHTML = entity;
  if (known.size === MOST_KNOWN) known.clear();
  known.set(entity, reader.value);
  return reader.value;
}

/**
 * @param {string | undefined} raw The URL as the Markdown has it.
 * @returns {URL | null} The URL without user name and password, or null when it is refused. A
 *   relative URL would point into this application, so it is refused too.
 */
export function safeUrl(raw) {
  let url;
  try {
    url = new URL(decodeEntities(raw ?? ""));
  } catch {
    return null;
  }
  if (!SCHEMES.has(url.protocol)) return null;
  if (url.protocol !== "mailto:") url.username = url.password = "";
  return url;
}

/**
 * What a user should know before clicking: the host, or the email address.
 *
 * @param {URL} url
 */
export function destination(url) {
  return url.protocol === "mailto:" ? url.pathname : url.host;
}
