// @ts-check
// Markdown to DOM. Elements are made one by one from marked's tokens, so raw HTML in an answer can
// only ever become text; DOMPurify is the second wall behind it.
//
// What it makes, inside the element it is given:
//   p h1–h6 ul ol li blockquote hr br strong em del code input[type=checkbox][disabled]
//   p.ct-raw                          HTML in the answer, shown as text
//   a[href][title=host]               a.ct-image-link for an image ("Image: alt — host")
//   div.ct-table[role=group][aria-label] > table > thead, tbody (th/td.ct-left|ct-center|ct-right)
//   div.ct-code > div.ct-code-head > span.ct-code-lang + button.ct-copy
//               > pre.ct-pre[role=group][aria-label] > code.hljs
//   li.ct-task                        an item with a checkbox
// What scrolls gets a tabindex where it does; see scroll_stops.jsx.

import DOMPurify from "dompurify";
import { DEEPEST } from "./lexer.jsx";
import { decodeEntities, destination, safeUrl } from "./links.jsx";

const ALIGNS = new Set(["left", "center", "right"]);
const HEADINGS = /** @type {const} */ (["h1", "h2", "h3", "h4", "h5", "h6"]);
const BREAK = /^<br\s*\/?>$/i;

const CLEAN = {
  IN_PLACE: true,
  ALLOWED_TAGS: (
    "p h1 h2 h3 h4 h5 h6 ul ol li blockquote hr br strong em del code pre a span input " +
    "table thead tbody tr th td #text"
  ).split(" "),
  ALLOWED_ATTR: ["href", "title", "rel", "target", "start", "class", "type", "checked", "disabled"],
  ADD_URI_SAFE_ATTR: ["rel", "target", "start", "type", "checked", "disabled"],
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
 * @returns {HTMLElement | null} null for blank lines and definitions.
 */
export function renderBlock(token) {
  const made = block(token, 0);
  return made && finish(made);
}

/**
 * Render one item of a list.
 *
 * @param {Token} item
 */
export function renderItem(item) {
  return finish(listItem(item, 0));
}

/**
 * Render one row of a table's body.
 *
 * @param {Cell[]} row
 */
export function renderRow(row) {
  return finish(tableRow(row, "td", 0));
}

// Elements without attributes are harmless by construction, so the second wall stands where an
// attribute's value came out of the answer.
const FROM_ANSWER = "[href], [start]";

/** @param {HTMLElement} node */
function finish(node) {
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
 * @returns {HTMLElement | null}
 */
function block(token, depth) {
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "hr":
      return element("hr");
    case "heading":
      return inlines(element(HEADINGS[(token.depth ?? 1) - 1]), token.tokens, depth);
    case "code":
      return code(token);
    case "blockquote":
      return blocks(element("blockquote"), token.tokens, depth);
    case "list":
      return list(token, depth);
    case "table":
      return table(token, depth);
    case "paragraph":
    case "text":
      return inlines(element("p"), token.tokens ?? [{ ...token, type: "text" }], depth);
    default:
      return rawText(token);
  }
}

/** @param {Token} token */
function rawText(token) {
  const made = element("p", "ct-raw");
  addText(made, token.raw.replace(/\n+$/, ""));
  return made;
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
  for (const token of tokens) {
    // In a tight list the text stands in the item itself.
    if (token.type === "text" && parent.nodeName === "LI") inlines(parent, [token], depth);
    else if (token.type === "checkbox") inlines(parent, [token], depth);
    else parent.append(block(token, depth + 1) ?? "");
  }
  return parent;
}

/**
 * @param {Token} token
 * @param {number} depth
 */
function list(token, depth) {
  const made = element(token.ordered ? "ol" : "ul");
  if (token.ordered && token.start !== 1) made.setAttribute("start", String(token.start));
  for (const item of token.items ?? []) made.append(listItem(item, depth));
  return made;
}

/**
 * @param {Token} item
 * @param {number} depth
 */
function listItem(item, depth) {
  return blocks(element("li", item.task ? "ct-task" : ""), item.tokens, depth + 1);
}

/**
 * @param {Token} token
 * @param {number} depth
 */
function table(token, depth) {
  const made = element("table");
  const head = element("thead");
  head.append(tableRow(token.header ?? [], "th", depth));
  const body = element("tbody");
  for (const row of token.rows ?? []) body.append(tableRow(row, "td", depth));
  made.append(head, body);
  return made;
}

/**
 * @param {Cell[]} cells
 * @param {"td" | "th"} name
 * @param {number} depth
 */
function tableRow(cells, name, depth) {
  const row = element("tr");
  for (const cell of cells) {
    const made = element(name, cell.align && ALIGNS.has(cell.align) ? `ct-${cell.align}` : "");
    row.append(inlines(made, cell.tokens, depth));
  }
  return row;
}

/** @type {WeakMap<Element, string>} By `code` element. */
const languages = new WeakMap();

/** @param {Token} token */
function code(token) {
  const pre = element("pre");
  const made = element("code", "hljs");
  addText(made, codeText(token));
  pre.append(made);
  languages.set(made, languageOf(token));
  return pre;
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
  return languages.get(made) ?? "";
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
  for (const token of tokens) inline(parent, token, depth + 1);
  return parent;
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
    case "html":
      if (BREAK.test(token.raw)) parent.append(element("br"));
      else addText(parent, token.raw);
      break;
    case "escape":
      addText(parent, token.text);
      break;
    default:
      if (token.tokens) inlines(parent, token.tokens, depth);
      else addText(parent, decodeEntities(token.text ?? token.raw));
  }
}

/** @param {Token} token */
function codespan(token) {
  const made = element("code");
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
  if (url === null || url.protocol === "mailto:") {
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

// What surrounds code and tables is ours, so it is put on after the sanitiser has passed.
/**
 * @param {HTMLElement} node
 * @returns {HTMLElement}
 */
function dress(node) {
  const holder = element("div");
  holder.append(node);
  for (const pre of holder.querySelectorAll("pre")) dressCode(pre);
  for (const made of holder.querySelectorAll("table")) dressTable(made);
  // Until the answer is over: then headings.jsx gives each its level.
  for (const heading of holder.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    heading.setAttribute("aria-level", "3");
  }
  for (const box of holder.querySelectorAll("input")) {
    box.setAttribute("aria-label", box.checked ? "Done" : "To do");
  }
  const dressed = /** @type {HTMLElement} */ (holder.firstElementChild);
  dressed.remove();
  return dressed;
}

/** @param {HTMLPreElement} pre */
function dressCode(pre) {
  const language = pre.firstElementChild ? languageOfElement(pre.firstElementChild) : "";
  const box = element("div", "ct-code");
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
  pre.replaceWith(box);
  box.append(head, pre);
}

/** @param {HTMLTableElement} made */
function dressTable(made) {
  const box = element("div", "ct-table");
  box.setAttribute("role", "group");
  const heads = [...made.querySelectorAll("th")].map((head) => head.textContent.trim());
  box.setAttribute("aria-label", `Table: ${heads.filter(Boolean).join(", ")}`);
  made.replaceWith(box);
  box.append(made);
}
