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

// The letters of a URL that is only written down: it ends before text of another script, as that
// text is rarely meant. Scripts without spaces always end it.
const URL_START = /(https?:\/\/|www\.)([a-z\d-]+(?:\.[a-z\d-]+)*)(:\d{1,5}(?!\d))?/iy;
const NOT_LATIN = /[^\p{sc=Latin}\p{sc=Common}\p{sc=Inherited}]/u;
const UNSPACED =
  /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}\p{sc=Bopo}\p{sc=Yiii}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}\p{sc=Tibt}]/u;
const LETTER = /[\p{L}\p{M}\p{N}]/u;
const AFTER_MARK = /[/=_%?&+-]/;
const TRAILING = /[?!.,:;*_~'"]/;
const EMAIL = /[\w.+-]{1,64}@([a-z\d-]{1,63}(?:\.[a-z\d-]{1,63}){1,4})(?![\w-])/iy;

/**
 * The URL that begins here without any marks around it.
 *
 * @param {string} text
 * @param {number} at
 * @returns {{href: string, end: number} | null}
 */
export function bareUrl(text, at) {
  URL_START.lastIndex = at;
  const start = URL_START.exec(text);
  if (!start) return null;
  const host = URL_START.lastIndex;
  const next = charAt(text, host);
  // A name before the host hides it, and a host of mixed letters is not what it looks like.
  if (next === "@" || isSpaced(next === "." ? charAt(text, host + 1) : "")) return null;
  if (isSpaced(next) && !(start[2].includes(".") && NOT_LATIN.test(next))) return null;
  const isWww = start[1].toLowerCase() === "www.";
  if (isWww && !start[2].includes(".")) return null;
  const end = "/?#".includes(next || " ") ? trimUrl(text, host, urlEnd(text, host)) : host;
  const url = text.slice(at, end);
  return { href: isWww ? `http://${url}` : url, end: at + url.length };
}

// A letter of a script with spaces between words.
/** @param {string} char */
function isSpaced(char) {
  return char > "\x7f" && LETTER.test(char) && !UNSPACED.test(char);
}

/**
 * @param {string} text
 * @param {number} from
 */
function urlEnd(text, from) {
  let at = from;
  let open = 0;
  let before = "/";
  while (at < text.length) {
    const char = charAt(text, at);
    if (char <= " " || '<>"`|\\^{}\x7f'.includes(char)) break;
    if (char === "[") open += 1;
    if (char === "]" && --open < 0) break;
    if (char > "\x7f" && !continuesUrl(char, before)) break;
    before = char;
    at += char.length;
  }
  return at;
}

/**
 * @param {string} char
 * @param {string} before
 */
function continuesUrl(char, before) {
  if (!LETTER.test(char) || UNSPACED.test(char)) return false;
  if (!NOT_LATIN.test(char)) return true;
  return AFTER_MARK.test(before) || NOT_LATIN.test(before);
}

// Punctuation at the end belongs to the sentence, and so does a parenthesis that closes nothing.
/**
 * @param {string} text
 * @param {number} from
 * @param {number} to
 */
function trimUrl(text, from, to) {
  let open = 0;
  for (let at = from; at < to; at += 1) {
    if (text[at] === "(") open += 1;
    else if (text[at] === ")") open -= 1;
  }
  let end = to;
  for (; end > from; end -= 1) {
    const last = text[end - 1];
    if (last === ")" && open < 0) open += 1;
    else if (!TRAILING.test(last)) break;
  }
  return end;
}

/**
 * The email address that begins here.
 *
 * @param {string} text
 * @param {number} at
 * @returns {{href: string, end: number} | null}
 */
export function bareEmail(text, at) {
  EMAIL.lastIndex = at;
  const match = EMAIL.exec(text);
  return match && { href: `mailto:${match[0]}`, end: EMAIL.lastIndex };
}

/**
 * Whether the host that a browser opens is the one that is written.
 *
 * @param {string} written A URL or an email address.
 */
export function isHostShown(written) {
  if (!written.includes(":")) return true;
  if (/^mailto:/i.test(written)) return true;
  const host = /^https?:\/\/([^/?#]*)/i.exec(written)?.[1];
  if (host === undefined) return false;
  return host.replace(/:\d{1,5}$/, "").toLowerCase() === safeUrl(written)?.hostname;
}

/**
 * @param {string} text
 * @param {number} at
 */
function charAt(text, at) {
  const code = text.codePointAt(at);
  return code === undefined ? "" : String.fromCodePoint(code);
}
