// @ts-check
// The elements of a block whose text has grown. What has stayed the same is left alone, at any depth:
// a block costs what is new in it, however much it holds.

import { patchChildren, patchDom, withoutDirection } from "./dom_patch.jsx";
import { DEEPEST } from "./inline.jsx";
import {
  codeText,
  drawn,
  elementsOf,
  languageOf,
  renderBlock,
  renderInlines,
  renderItem,
  renderRow,
} from "./markdown.jsx";

const LONG = 2_000; // UTF-16 code units of a block whose direction is looked for once a change

/**
 * @typedef {import("./lexer.jsx").Token} Token
 * @typedef {import("./lexer.jsx").Cell} Cell
 * @typedef {ReturnType<typeof drawn>} Drawn
 *
 * @typedef {(node: HTMLElement, old: Token, token: Token, depth: number, isFirst: boolean) => boolean}
 *   Revision Returns false where the block has to be rendered whole.
 */

/** @type {Record<string, Revision>} */
const REVISIONS = {
  blockquote: (node, old, token, depth) =>
    reviseBlocks(node, 0, drawn(old.tokens, true), drawn(token.tokens, true), depth),
  code: reviseCode,
  details: reviseDetails,
  heading: (node, old, token, depth) =>
    old.depth === token.depth && reviseInlines(node, old.tokens, token.tokens, depth),
  list: reviseList,
  // The button that leads back stands before its blocks.
  note: (node, old, token, depth) =>
    old.label === token.label &&
    reviseBlocks(node, 1, drawn(old.tokens, true), drawn(token.tokens, true), depth),
  paragraph: (node, old, token, depth) => reviseInlines(node, old.tokens, token.tokens, depth),
  table: reviseTable,
};

/**
 * Whether two blocks look the same. What a text shows depends on the definitions that it uses.
 *
 * @param {Token} a
 * @param {Token} b
 */
export function isSame(a, b) {
  if (a.type !== b.type || a.isRepaired || b.isRepaired) return false;
  if (a.type === "code") return languageOf(a) === languageOf(b) && codeText(a) === codeText(b);
  return (
    (a.raw === b.raw || withoutLineEnds(a.raw) === withoutLineEnds(b.raw)) &&
    (a.found ?? "") === (b.found ?? "") &&
    a.isUsed === b.isUsed &&
    a.isClosed === b.isClosed
  );
}

/** @param {string} text */
function withoutLineEnds(text) {
  let end = text.length;
  while (text[end - 1] === "\n") end -= 1;
  return text.slice(0, end);
}

/**
 * @param {Token} old
 * @param {HTMLElement} node What it was rendered to.
 * @param {Token} token
 * @param {number} depth
 * @param {boolean} isFirst See `renderBlock`.
 * @returns {HTMLElement | null} What stands there now: `node`, or what should take its place.
 */
export function revise(old, node, token, depth = 0, isFirst = false) {
  if (old.type !== token.type) return renderBlock(token, depth, isFirst);
  const revision = REVISIONS[token.type];
  if (revision && depth < DEEPEST) {
    const work = () => revision(node, old, token, depth, isFirst);
    if (changed(node, token, work)) return node;
  }
  const fresh = renderBlock(token, depth, isFirst);
  return fresh && /** @type {HTMLElement} */ (patchDom(node, fresh));
}

/**
 * @template T
 * @param {Element} node
 * @param {Token} token
 * @param {() => T} work
 * @returns {T}
 */
function changed(node, token, work) {
  return token.raw.length > LONG ? withoutDirection(node, work) : work();
}

/**
 * @param {Element} parent
 * @param {number} from How many elements stand before the blocks.
 * @param {Drawn} old
 * @param {Drawn} blocks
 * @param {number} depth
 */
function reviseBlocks(parent, from, old, blocks, depth) {
  if (depth >= DEEPEST || parent.children.length !== from + old.length) return false;
  let node = /** @type {HTMLElement | null} */ (parent.children[from] ?? null);
  for (const [index, { token, isFirst }] of blocks.entries()) {
    const was = old[index];
    const next = /** @type {HTMLElement | null} */ (node?.nextElementSibling ?? null);
    if (!node) parent.append(renderBlock(token, depth + 1, isFirst) ?? "");
    else if (was.isFirst !== isFirst) {
      node.replaceWith(renderBlock(token, depth + 1, isFirst) ?? "");
    } else if (!isSame(was.token, token)) {
      const made = revise(was.token, node, token, depth + 1, isFirst);
      if (made !== node) node.replaceWith(made ?? "");
    }
    node = next;
  }
  removeFrom(node);
  return true;
}

/** @param {Element | null} first It and those after it. */
function removeFrom(first) {
  for (let node = first; node; ) {
    const next = node.nextElementSibling;
    node.remove();
    node = next;
  }
}

/**
 * @param {Element} node
 * @param {Token[] | undefined} old
 * @param {Token[] | undefined} tokens
 * @param {number} depth
 */
function reviseInlines(node, old = [], tokens = [], depth) {
  if (depth >= DEEPEST) return false;
  const most = Math.min(old.length, tokens.length);
  let same = 0;
  while (same < most && isSameInline(old[same], tokens[same])) same += 1;
  if (same === old.length && same === tokens.length) return true;
  // A text is one with those beside it, so what is kept ends with an element.
  while (same > 0 && elementsOf(tokens[same - 1]) === 0) same -= 1;
  let count = 0;
  for (let index = 0; index < same; index += 1) {
    const elements = elementsOf(tokens[index]);
    if (elements === null) return false;
    count += elements;
  }
  const last = count > 0 ? node.children[count - 1] : null;
  if (last === undefined) return false;
  const fresh = renderInlines(node, tokens.slice(same), depth);
  patchChildren(node, fresh, last ? last.nextSibling : node.firstChild);
  return true;
}

/**
 * @param {Token} a
 * @param {Token} b
 * @returns {boolean}
 */
function isSameInline(a, b) {
  return (
    a.type === b.type &&
    a.raw === b.raw &&
    a.text === b.text &&
    a.href === b.href &&
    a.tag === b.tag &&
    a.display === b.display &&
    a.checked === b.checked &&
    areSameInlines(a.tokens, b.tokens)
  );
}

/**
 * @param {Token[] | undefined} a
 * @param {Token[] | undefined} b
 */
function areSameInlines(a = [], b = []) {
  return a.length === b.length && a.every((token, index) => isSameInline(token, b[index]));
}

/** @type {Revision} */
function reviseCode(node, old, token) {
  const code = node.querySelector("code");
  if (!code || languageOf(old) !== languageOf(token)) return false;
  const shown = code.textContent;
  const text = codeText(token);
  if (!text.startsWith(shown)) code.textContent = text;
  else if (text.length > shown.length) code.append(text.slice(shown.length));
  return true;
}

/** @type {Revision} */
function reviseDetails(node, old, token, depth) {
  const summary = node.firstElementChild;
  if (!summary || !reviseInlines(summary, old.summary, token.summary, depth)) return false;
  return reviseBlocks(node, 1, drawn(old.tokens, false), drawn(token.tokens, false), depth);
}

/** @type {Revision} */
function reviseList(node, old, token, depth, isFirst) {
  const layout = (/** @type {Token} */ list) => `${list.ordered} ${list.start} ${list.loose}`;
  if (!old.items || !token.items || layout(old) !== layout(token)) return false;
  const was = old.items;
  reviseRows(node, was, token.items, isSame, (item, index, row) => {
    const begins = isFirst && index === 0;
    if (!row) return renderItem(item, depth, begins);
    const work = () => reviseItem(row, was[index], item, depth);
    return changed(row, item, work) ? null : renderItem(item, depth, begins);
  });
  return true;
}

/**
 * @param {Element} node
 * @param {Token} old
 * @param {Token} item
 * @param {number} depth Of the list.
 */
function reviseItem(node, old, item, depth) {
  if (old.task !== item.task) return false;
  const [lead, blocks] = contents(item);
  const [oldLead, oldBlocks] = contents(old);
  if (blocks.some(isInline) || oldBlocks.some(isInline)) return false;
  if (oldBlocks.length === 0) {
    const inlines = (/** @type {Drawn} */ all) =>
      all.flatMap(({ token }) => (token.type === "text" ? (token.tokens ?? []) : token));
    if (!reviseInlines(node, inlines(oldLead), inlines(lead), depth + 2)) return false;
  } else {
    const stays = lead.every(({ token }, index) => isSame(oldLead[index]?.token ?? item, token));
    if (!stays || lead.length !== oldLead.length) return false;
  }
  return reviseBlocks(node, node.children.length - oldBlocks.length, oldBlocks, blocks, depth + 1);
}

/**
 * What stands in an item itself, and the blocks after it.
 *
 * @param {Token} item
 * @returns {[lead: Drawn, blocks: Drawn]}
 */
function contents(item) {
  const all = drawn(item.tokens, true);
  const at = all.findIndex((one) => !isInline(one));
  return at < 0 ? [all, []] : [all.slice(0, at), all.slice(at)];
}

/** @param {Drawn[number]} one */
function isInline({ token }) {
  return token.type === "text" || token.type === "checkbox";
}

/** @type {Revision} */
function reviseTable(node, old, token, depth) {
  const body = node.querySelector("tbody");
  const table = body?.parentElement;
  if (!table || old.align?.join() !== token.align?.join()) return false;
  if (!isSameRow(old.header ?? [], token.header ?? [])) return false;
  withoutDirection(table, () => {
    const render = (/** @type {Cell[]} */ row) => renderRow(row, depth);
    reviseRows(body, old.rows ?? [], token.rows ?? [], isSameRow, render);
  });
  return true;
}

/**
 * @param {Cell[]} a
 * @param {Cell[]} b
 */
function isSameRow(a, b) {
  if (a.length !== b.length) return false;
  return a.every(
    ({ text, found = "" }, index) => text === b[index].text && found === (b[index].found ?? ""),
  );
}

/**
 * @template T
 * @param {Element} parent
 * @param {T[]} old
 * @param {T[]} rows
 * @param {(a: T, b: T) => boolean} same
 * @param {(row: T, index: number, node: Element | null) => HTMLElement | null} render `node`: what the
 *   row was rendered to; null is returned where that is as it should be.
 */
function reviseRows(parent, old, rows, same, render) {
  let node = parent.firstElementChild;
  for (const [index, row] of rows.entries()) {
    const next = node?.nextElementSibling ?? null;
    if (!node || !same(old[index], row)) {
      const fresh = render(row, index, node);
      if (!node) parent.append(fresh ?? "");
      else if (fresh) patchDom(node, fresh);
    }
    node = next;
  }
  removeFrom(node);
}
