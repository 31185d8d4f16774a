// @ts-check
// Markdown to DOM. Elements are made one by one from tokens, so raw HTML in an answer can only ever
// become text, or one of a few elements without attributes; DOMPurify is a second check behind it.
//
// What it makes, inside the element it is given:
//   p h1–h6 ul ol li blockquote hr br strong em del code input[type=checkbox][disabled]
//   kbd, sub and the other TAGS       HTML that is shown as what it means
//   details > summary                 the answer's own; opened and closed by the reader
//   p.ct-raw                          other HTML in the answer, shown as text
//   p.ct-raw.ct-rest                  a piece of what comes after too many elements; see blocks.jsx
//   a[href][title=host]               a.ct-image-link for an image ("Image: alt — host")
//   div.ct-table[role=group][aria-label] > table > thead, tbody (th/td.ct-left|ct-center|ct-right)
//   div.ct-code > div.ct-code-head > span.ct-code-lang + button.ct-copy
//               > pre.ct-pre[role=group][aria-label] > code.hljs[data-language]
//   li.ct-task                        an item with a checkbox
//   span or div.ct-math[.ct-display] > span.ct-tex   a formula's source; see math.jsx
//   sup > button.ct-note-ref[data-note]   leads to the footnote div.ct-note[data-note]
//
// What scrolls gets a tabindex where it does; see scroll_stops.jsx. Every block takes the direction of
// its own text (dir="auto"). The first block inside another one has none of its own, so that an item's
// marker and a quote's bar stand where its text begins.

import DOMPurify from "dompurify";
import { DEEPEST, TAGS } from "./inline.jsx";
import { decodeEntities, destination, safeUrl } from "./links.jsx";

const WIDE_NUMBER = 100; // numbers of items from here on get more room
const LONGEST_LABEL = 200; // characters of a name that is read aloud
const ALIGNS = new Set(["left", "center", "right"]);
const SHOWN = new Set("strong em del codespan br link image checkbox element math note".split(" ")); // inline tokens that become more than text
const HEADINGS = /** @type {const} */ (["h1", "h2", "h3", "h4", "h5", "h6"]);
// Code is always written from left to right: it says nothing about the text around it.
const NEUTRAL = new Set(["checkbox", "code", "hr"]);

const CLEAN = {
  IN_PLACE: true,
  ALLOWED_TAGS: (
    "p div h1 h2 h3 h4 h5 h6 ul ol li blockquote hr br strong em del code pre a span input " +
    `table thead tbody tr th td details summary ${[...TAGS].join(" ")} #text`
  ).split(" "),
  ALLOWED_ATTR: "href title rel target start class type checked disabled dir".split(" "),
  ADD_URI_SAFE_ATTR: ["rel", "target", "start", "type", "checked", "disabled", "dir"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
};

/**
 * @typedef {import("./lexer.jsx").Token} Token
 * @typedef {import("./lexer.jsx").Cell} Cell
 */

/**
 * Render one block token.
 *
 * @param {Token} token
 * @param {number} depth How many levels of nesting it stands in.
 * @param {boolean} isFirst Whether it begins a block, whose direction it then has.
 * @returns {HTMLElement | null} null for blank lines, and for definitions that the text uses.
 */
export function renderBlock(token, depth = 0, isFirst = false) {
  const made = block(token, depth, isFirst);
  return made && finish(made);
}

/**
 * Render one item of a list.
 *
 * @param {Token} item
 * @param {number} depth Of the list.
 * @param {boolean} isFirst
 */
export function renderItem(item, depth, isFirst) {
  return finish(listItem(item, depth, isFirst));
}

/**
 * Render one row of a table's body.
 *
 * @param {Cell[]} row
 * @param {number} depth Of the table.
 */
export function renderRow(row, depth) {
  return finish(tableRow(row, "td", depth));
}

/**
 * Render a piece of the text in a block.
 *
 * @param {Element} node What the block was rendered to.
 * @param {Token[]} tokens
 * @param {number} depth Of the block.
 * @returns {HTMLElement} An element of the same kind, with this piece alone.
 */
export function renderInlines(node, tokens, depth) {
  const name = /** @type {keyof HTMLElementTagNameMap} */ (node.nodeName.toLowerCase());
  return finish(inlines(element(name), tokens, depth));
}

// Elements without attributes are harmless by construction, so the sanitizer runs only where an
// attribute's value came out of the answer.
const FROM_ANSWER = "[href], [start]";

/** @param {HTMLElement} node */
function finish(node) {
  // Most blocks are text alone, or a heading.
  if (!node.firstElementChild) {
    if (/^H[1-6]$/.test(node.nodeName)) nameLevel(node);
    return node;
  }
  if (node.matches(FROM_ANSWER) || node.querySelector(FROM_ANSWER)) DOMPurify.sanitize(node, CLEAN);
  return dress(node);
}

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} name
 * @returns {HTMLElementTagNameMap[K]}
 */
function element(name, className = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  return made;
}

/**
 * @param {HTMLElement} parent
 * @param {string} text
 */
function addText(parent, text) {
  if (!text) return;
  if (parent.lastChild instanceof Text) parent.lastChild.appendData(text);
  else parent.append(text);
}

/**
 * @param {Token} token
 * @param {number} depth
 * @param {boolean} isFirst Whether it begins a block, whose direction it then has.
 * @returns {HTMLElement | null}
 */
function block(token, depth, isFirst = false) {
  switch (token.type) {
    case "space":
      return null;
    case "def":
      return token.isUsed ? null : definition(token, isFirst);
    case "hr":
      return element("hr");
    case "heading":
      return directed(
        inlines(element(HEADINGS[(token.depth ?? 1) - 1]), token.tokens, depth),
        isFirst,
      );
    case "code":
      return code(token);
    case "math":
      return token.isClosed ? math(element("div"), token) : rawText(token);
    case "blockquote":
      return directed(blocks(element("blockquote"), token.tokens, depth), isFirst);
    case "details":
      return details(token, depth, isFirst);
    case "note":
      return note(token, depth, isFirst);
    case "list":
      return list(token, depth, isFirst);
    case "table":
      return table(token, depth, isFirst);
    case "paragraph":
    case "text":
      return directed(inlines(element("p"), token.tokens, depth), isFirst);
    case "rest":
      return rawText(token, "ct-raw ct-rest");
    default:
      return rawText(token);
  }
}

// Set once its content is there: a browser looks for the direction again with each child.
/**
 * @template {HTMLElement} T
 * @param {T} made
 * @param {boolean} isFirst
 * @returns {T}
 */
function directed(made, isFirst) {
  if (!isFirst) made.dir = "auto";
  return made;
}

/** @param {Token} token */
function rawText(token, className = "ct-raw") {
  const made = element("p", className);
  addText(made, token.text.replace(/\n+$/, ""));
  return directed(made, false);
}

// A definition that nothing uses was meant to be read.
/**
 * @param {Token} token
 * @param {boolean} isFirst
 */
function definition(token, isFirst) {
  const made = element("p");
  const at = token.text.indexOf(token.href ?? "", token.text.indexOf("]:"));
  const url = at < 0 ? null : safeUrl(token.href);
  if (url === null) {
    addText(made, token.text);
    return directed(made, isFirst);
  }
  const end = at + (token.href ?? "").length;
  const link = anchorElement(url);
  addText(link, token.text.slice(at, end));
  addText(made, token.text.slice(0, at));
  made.append(link);
  addText(made, token.text.slice(end));
  return directed(made, isFirst);
}

/**
 * @param {Token} token
 * @param {number} depth
 * @param {boolean} isFirst
 */
function details(token, depth, isFirst) {
  const made = element("details", "ct-details");
  made.append(inlines(element("summary"), token.summary, depth));
  return directed(blocks(made, token.tokens, depth), isFirst);
}

/** @type {WeakMap<Element, string>} The labels of footnotes and of what leads to them. */
const labels = new WeakMap();

/**
 * @param {Token} token
 * @param {number} depth
 * @param {boolean} isFirst
 */
function note(token, depth, isFirst) {
  const made = element("div", "ct-note");
  labels.set(made, token.label ?? "");
  return directed(blocks(made, token.tokens, depth), isFirst);
}

/**
 * @param {HTMLElement} parent
 * @param {Token[] | undefined} tokens
 * @param {number} depth
 */
function blocks(parent, tokens = [], depth) {
  if (depth >= DEEPEST) {
    addText(parent, tokens.map((token) => token.raw).join(""));
    return parent;
  }
  for (const { token, isFirst } of drawn(tokens, parent.nodeName !== "DETAILS")) {
    // In a tight list the text stands in the item itself.
    if (token.type === "text" && parent.nodeName === "LI") inlines(parent, [token], depth);
    else if (token.type === "checkbox") inlines(parent, [token], depth);
    else parent.append(block(token, depth + 1, isFirst) ?? "");
  }
  return parent;
}

/**
 * The blocks in another one that become elements, or text in an item.
 *
 * @param {Token[] | undefined} tokens
 * @param {boolean} begins Whether the first of them has the direction of what holds it.
 */
export function drawn(tokens = [], begins) {
  /** @type {{token: Token, isFirst: boolean}[]} */
  const found = [];
  let isFirst = begins;
  for (const token of tokens) {
    if (token.type !== "def" || !token.isUsed) found.push({ token, isFirst });
    if (!NEUTRAL.has(token.type)) isFirst = false;
  }
  return found;
}

/**
 * @param {Token} token
 * @param {number} depth
 * @param {boolean} isFirst
 */
function list(token, depth, isFirst) {
  const isWide = Number(token.start) >= WIDE_NUMBER;
  const made = element(token.ordered ? "ol" : "ul", isWide ? "ct-wide" : "");
  if (token.ordered && token.start !== 1) made.setAttribute("start", String(token.start));
  token.items?.forEach((item, index) => {
    made.append(listItem(item, depth, isFirst && index === 0));
  });
  return made;
}

/**
 * @param {Token} item
 * @param {number} depth
 * @param {boolean} isFirst
 */
function listItem(item, depth, isFirst = false) {
  const made = element("li", item.task ? "ct-task" : "");
  return directed(blocks(made, item.tokens, depth + 1), isFirst);
}

/**
 * @param {Token} token
 * @param {number} depth
 * @param {boolean} isFirst
 */
function table(token, depth, isFirst) {
  const made = element("table");
  const head = element("thead");
  head.append(tableRow(token.header ?? [], "th", depth));
  // The columns run as the words of the first head do.
  head.querySelector("th")?.removeAttribute("dir");
  const body = element("tbody");
  for (const row of token.rows ?? []) body.append(tableRow(row, "td", depth));
  made.append(head, body);
  const box = element("div", "ct-table");
  box.append(directed(made, isFirst));
  return box;
}

/**
 * @param {Cell[]} cells
 * @param {"td" | "th"} name
 * @param {number} depth
 */
function tableRow(cells, name, depth) {
  const row = element("tr");
  for (const cell of cells) {
    const align = cell.align && ALIGNS.has(cell.align) ? `ct-${cell.align}` : "";
    row.append(directed(inlines(element(name, align), cell.tokens, depth), false));
  }
  return row;
}

/** @type {WeakMap<Element, string>} By `code` element, while it is made. */
const languages = new WeakMap();

/** @param {Token} token */
function code(token) {
  const pre = element("pre");
  const made = element("code", "hljs");
  addText(made, codeText(token));
  pre.append(made);
  languages.set(made, languageOf(token));
  const box = element("div", "ct-code");
  box.dir = "ltr";
  box.append(pre);
  return box;
}

/**
 * The text of a code block as it is shown: without the line ends at its end.
 *
 * @param {Token} token
 */
export function codeText(token) {
  return token.text.replace(/\n+$/, "");
}

/**
 * The language of a fence, or nothing when it is not a plain word.
 *
 * @param {Token} token
 */
export function languageOf(token) {
  return /^[\w+#.-]{1,24}(?=\s|$)/.exec(token.lang ?? "")?.[0].toLowerCase() ?? "";
}

/**
 * The language of a `code` element that stands in a code block.
 *
 * @param {Element} made
 */
export function languageOfElement(made) {
  return made instanceof HTMLElement ? (made.dataset.language ?? "") : "";
}

/**
 * @param {HTMLElement} parent
 * @param {Token[] | undefined} tokens
 * @param {number} depth
 */
function inlines(parent, tokens = [], depth) {
  if (depth >= DEEPEST) {
    addText(parent, tokens.map((token) => token.raw).join(""));
    return parent;
  }
  // A browser copies a text each time it grows, so neighbours are joined first.
  let text = "";
  for (const token of tokens) {
    const plain = textOf(token);
    if (plain === null) {
      addText(parent, text);
      text = "";
      inline(parent, token, depth + 1);
    } else text += plain;
  }
  addText(parent, text);
  return parent;
}

/**
 * The text of an inline token that shows nothing else; null for the others.
 *
 * @param {Token} token
 */
function textOf(token) {
  if (token.type === "escape") return token.text;
  return SHOWN.has(token.type) || token.tokens ? null : decodeEntities(token.text ?? token.raw);
}

/**
 * How many elements stand for an inline token; null where the tokens in it decide.
 *
 * @param {Token} token
 */
export function elementsOf({ type, href, tag, tokens }) {
  if (!SHOWN.has(type)) return tokens ? null : 0;
  if (type === "link") return safeUrl(href) ? 1 : null;
  if (type === "image") return isShownAsLink(safeUrl(href)) ? 1 : 0;
  return type !== "element" || TAGS.has(tag ?? "") ? 1 : 0;
}

/**
 * @param {URL | null} url An image's.
 * @returns {url is URL}
 */
function isShownAsLink(url) {
  return url !== null && url.protocol !== "mailto:";
}

/**
 * @param {HTMLElement} parent
 * @param {Token} token
 * @param {number} depth
 */
function inline(parent, token, depth) {
  switch (token.type) {
    case "strong":
    case "em":
    case "del":
      parent.append(inlines(element(token.type), token.tokens, depth));
      break;
    case "codespan":
      parent.append(codespan(token));
      break;
    case "br":
      parent.append(element("br"));
      break;
    case "link":
      link(parent, token, depth);
      break;
    case "image":
      image(parent, token);
      break;
    case "checkbox":
      parent.append(checkbox(token));
      break;
    case "element":
      if (TAGS.has(token.tag ?? "")) parent.append(htmlElement(token, depth));
      break;
    case "math":
      parent.append(math(element("span"), token));
      break;
    case "note":
      parent.append(noteReference(token));
      break;
    default:
      inlines(parent, token.tokens, depth);
  }
}

/**
 * @param {Token} token
 * @param {number} depth
 */
function htmlElement(token, depth) {
  const name = /** @type {keyof HTMLElementTagNameMap} */ (token.tag);
  return inlines(element(name), token.tokens, depth);
}

// The source is shown until it is typeset, and stays where it is not.
/**
 * @param {HTMLElement} made
 * @param {Token} token
 */
function math(made, token) {
  made.className = token.display ? "ct-math ct-display" : "ct-math";
  made.dir = "ltr";
  const source = element("span", "ct-tex");
  addText(source, (token.type === "math" && token.isClosed ? token.text : token.raw).trim());
  made.append(source);
  return made;
}

/** @param {Token} token */
function noteReference(token) {
  const made = element("sup");
  addText(made, token.text);
  labels.set(made, token.text);
  return made;
}

/** @param {Token} token */
function codespan(token) {
  const made = element("code");
  made.dir = "ltr";
  addText(made, token.text);
  return made;
}

/**
 * @param {HTMLElement} parent
 * @param {Token} token
 * @param {number} depth
 */
function link(parent, token, depth) {
  const url = safeUrl(token.href);
  if (url === null) {
    inlines(parent, token.tokens, depth);
    return;
  }
  const made = anchorElement(url);
  inlines(made, token.tokens, depth);
  // A link inside a link is none: the outer one would hide where the inner one leads.
  for (const inner of made.querySelectorAll("a")) inner.replaceWith(inner.textContent);
  if (!made.hasChildNodes()) addText(made, destination(url));
  parent.append(made);
}

/** @param {URL} url */
function anchorElement(url, className = "") {
  const made = element("a", className);
  made.href = url.href;
  made.title = destination(url);
  made.rel = "noopener noreferrer nofollow";
  made.target = "_blank";
  return made;
}

// Loading an image would tell its host, and whatever its URL carries, that the user reads this: so
// it is a link that the user may follow.
/**
 * @param {HTMLElement} parent
 * @param {Token} token
 */
function image(parent, token) {
  const alt = decodeEntities(token.text ?? "").trim();
  const url = safeUrl(token.href);
  if (!isShownAsLink(url)) {
    addText(parent, alt ? `Image: ${alt}` : "Image");
    return;
  }
  const made = anchorElement(url, "ct-image-link");
  addText(made, `${alt ? `Image: ${alt}` : "Image"} — ${destination(url)}`);
  parent.append(made);
}

/** @param {Token} token */
function checkbox(token) {
  const made = element("input");
  made.type = "checkbox";
  made.disabled = true;
  if (token.checked) made.setAttribute("checked", "");
  return made;
}

// Until the answer is over: then headings.jsx gives each its level.
/** @param {Element} heading */
function nameLevel(heading) {
  heading.setAttribute("aria-level", "3");
}

// What is ours in code and tables is put on after the sanitiser has passed. Nothing is moved then: in
// a block that takes the direction of its text, a browser reads that text again with each child.
/**
 * @param {HTMLElement} node
 * @returns {HTMLElement}
 */
function dress(node) {
  for (const pre of withRoot(node, "pre")) dressCode(pre);
  for (const made of withRoot(node, "table")) dressTable(made);
  for (const made of withRoot(node, "sup, .ct-note")) dressNote(made);
  for (const heading of withRoot(node, "h1, h2, h3, h4, h5, h6")) nameLevel(heading);
  for (const box of withRoot(node, "input")) {
    box.setAttribute("aria-label", box.hasAttribute("checked") ? "Done" : "To do");
  }
  return node;
}

/**
 * An element and those inside it that a selector names.
 *
 * @param {HTMLElement} node
 * @param {string} selector
 * @returns {Element[]}
 */
function withRoot(node, selector) {
  const inside = [...node.querySelectorAll(selector)];
  return node.matches(selector) ? [node, ...inside] : inside;
}

/** @param {Element} pre */
function dressCode(pre) {
  const code = pre.querySelector("code");
  const language = (code && languages.get(code)) ?? "";
  if (code && language) code.dataset.language = language;
  const head = element("div", "ct-code-head");
  const label = element("span", "ct-code-lang");
  label.textContent = language || "text";
  const copy = element("button", "ct-copy");
  copy.type = "button";
  copy.textContent = "Copy";
  copy.setAttribute("aria-label", "Copy code");
  head.append(label, copy);
  pre.className = "ct-pre";
  pre.setAttribute("role", "group");
  pre.setAttribute("aria-label", language ? `Code: ${language}` : "Code");
  pre.before(head);
}

// A reference leads to its footnote, and the footnote back; message_view.jsx does it.
/** @param {Element} made */
function dressNote(made) {
  const label = labels.get(made);
  if (label === undefined) return;
  const isNote = made.classList.contains("ct-note");
  const button = element("button", isNote ? "ct-note-back" : "ct-note-ref");
  button.type = "button";
  button.dir = "auto";
  button.dataset.note = label;
  button.textContent = label;
  button.setAttribute("aria-label", isNote ? `Back to reference ${label}` : `Footnote ${label}`);
  if (isNote) made.prepend(button);
  else made.replaceChildren(button);
}

/** @param {Element} made */
function dressTable(made) {
  const heads = [...made.querySelectorAll("th")].map((head) => head.textContent.trim());
  const name = heads.filter(Boolean).join(", ").slice(0, LONGEST_LABEL);
  made.parentElement?.setAttribute("role", "group");
  made.parentElement?.setAttribute("aria-label", `Table: ${name}`);
}
