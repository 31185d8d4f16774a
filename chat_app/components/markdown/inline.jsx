// @ts-check
// The text inside a block to tokens, in time that grows with its length alone: one pass over the
// characters with a stack of delimiters (CommonMark 0.31, appendix "A parsing strategy"). Nothing
// here searches the rest of the text twice for the same thing.
//
// It differs from CommonMark where answers do: emphasis works beside the punctuation of scripts
// without spaces, a line end is a line break, a bare URL is a link, and math stays as it is written.

import { bareEmail, bareUrl, isHostShown } from "./links.jsx";
import { inlineMath } from "./tex_source.jsx";

/** Levels of nesting; deeper ones are shown as text. */
export const DEEPEST = 32;

/** Elements in one block; what comes after them is shown as text. */
const MOST_ELEMENTS = 2_000;
const MAX_LABEL = 999; // CommonMark's limit, in characters
const MAX_PARENTHESES = 32; // CommonMark's, in the URL of a link

/** HTML that is shown as what it means. Written with any attribute, it is text. */
export const TAGS = new Set(
  "b i u s em strong del ins sub sup kbd mark small code samp var q cite".split(" "),
);

const PLAIN = /[^\n\\`*_~[\]!<$]+/y;
const ESCAPED = /[!-/:-@[-`{-~]/;
const TAG = /<(\/?)([a-z]{1,6})[ \t]*>/iy;
const BREAK = /<br[ \t]*\/?>/iy;
const ANY_TAG = /<(?:\/?[a-z][a-z\d-]*(?=[\s/>])[^<>]*|[?!][^<>]*)>/iy;
const AUTOLINK =
  /<([a-z][a-z\d+.-]{1,31}:[^\s<>]*|[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[a-z\d.-]{1,255})>/iy;
const URL_START = /https?:\/\/|www\.|@/gi;
const WORD = /[a-z\d]/i;
const NOTE_LABEL = /^[\w-]{1,64}$/;

const PUNCTUATION = /[\p{P}\p{S}]/u;
const SPACE = /\s/;
// Scripts that are written without spaces between words, and their punctuation.
const UNSPACED =
  /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}\p{sc=Bopo}\p{sc=Yiii}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}\p{sc=Tibt}\u3000-\u303f\uff00-\uffef]/u;

/**
 * @typedef {import("./lexer.jsx").Token} Token
 *
 * @typedef {{
 *   type: string,
 *   start: number,
 *   end: number,
 *   text?: string,
 *   href?: string,
 *   display?: boolean,
 *   first?: Node | null,
 *   prev: Node | null,
 *   next: Node | null,
 * }} Node A piece of the text, in a list with its neighbours; `first` of those inside it.
 *
 * @typedef {{
 *   node: Node,
 *   mark: string,
 *   count: number,
 *   length: number,
 *   canOpen: boolean,
 *   canClose: boolean,
 *   prev: Delimiter | null,
 *   next: Delimiter | null,
 * }} Delimiter A run of marks; `count` of them are not used yet.
 *
 * @typedef {{node: Node, isImage: boolean, below: Delimiter | null, tags: number, holds: boolean}} Bracket
 *   `holds`: there are brackets inside it.
 *
 * @typedef {{node: Node, name: string, below: Delimiter | null, brackets: number}} Tag
 */

/** @type {Partial<Node>} */
const NOTHING = {};

/**
 * @param {string} type
 * @param {number} start
 * @param {number} end
 * @param {Node | null} prev
 * @param {Node | null} next
 * @returns {Node}
 */
function newNode(type, start, end, prev, next) {
  return {
    type,
    start,
    end,
    text: "",
    href: undefined,
    display: undefined,
    first: null,
    prev,
    next,
  };
}

/** What a message defines for its links and footnotes, and what it looks up. */
export class References {
  /** @type {Map<string, string>} URLs by label. */
  #urls = new Map();
  /** @type {Set<string>} */
  #notes = new Set();
  /** @type {Set<string>} */
  #wanted = new Set();
  #base;

  /** @param {References | null} base What came earlier in the message. */
  constructor(base = null) {
    this.#base = base;
  }

  /**
   * The first definition of a label is the one that counts.
   *
   * @param {string} label
   * @param {string} url
   */
  define(label, url) {
    const key = normalLabel(label);
    if (!this.#urls.has(key)) this.#urls.set(key, url);
  }

  /** @param {string} label */
  defineNote(label) {
    this.#notes.add(label);
  }

  /**
   * @param {string} label
   * @returns {string | undefined}
   */
  find(label) {
    const key = normalLabel(label);
    if (!key) return undefined;
    this.#wanted.add(key);
    return (this.#base ? this.#base.#urls.get(key) : undefined) ?? this.#urls.get(key);
  }

  /** @param {string} label */
  hasNote(label) {
    const inBase = this.#base ? this.#base.#notes.has(label) : false;
    return inBase || this.#notes.has(label);
  }

  /**
   * Whether some text refers to the label, defined or not.
   *
   * @param {string} label
   */
  isWanted(label) {
    const key = normalLabel(label);
    const inBase = this.#base ? this.#base.#wanted.has(key) : false;
    return inBase || this.#wanted.has(key);
  }

  /**
   * Take over what came later.
   *
   * @param {References} later
   */
  adopt(later) {
    for (const [key, url] of later.#urls) if (!this.#urls.has(key)) this.#urls.set(key, url);
    for (const label of later.#notes) this.#notes.add(label);
    for (const key of later.#wanted) this.#wanted.add(key);
  }
}

/** @param {string} label */
function normalLabel(label) {
  return label.trim().replace(/\s+/g, " ").toLowerCase().toUpperCase();
}

/**
 * @param {string} text
 * @param {References} references
 * @returns {{tokens: Token[], found: string}} `found`: the definitions that the text uses.
 */
export function lexInline(text, references) {
  return new Inline(text, references).parse();
}

class Inline {
  #text;
  #references;
  #at = 0;
  #elements = 0;
  #found = "";
  /** @type {Node} */
  #root = newNode("root", 0, 0, null, null);
  /** @type {Node | null} */
  #last = null;
  /** @type {Delimiter | null} */
  #delimiters = null;
  /** @type {Bracket[]} */
  #brackets = [];
  #inactive = 0; // so many of the lowest brackets can begin no link, as a link is inside them
  /** @type {Tag[]} */
  #tags = [];
  /** @type {Map<string, number>} How many of the open tags have a name. */
  #open = new Map();
  #plainEnd = 0;
  /** @type {number[]} Where a bare URL or email address may begin, the last first. */
  #urls = [];
  /** @type {Map<number, number[]> | null} Where runs of backticks begin by length, the last first. */
  #ticks = null;
  /** @type {Map<string, number>} Where a closing mark stands next, so that it is looked for once. */
  #closing = new Map();

  /**
   * @param {string} text
   * @param {References} references
   */
  constructor(text, references) {
    this.#text = text;
    this.#references = references;
    for (const { 0: start, index } of text.matchAll(URL_START))
      this.#urls.push(index, start.length);
  }

  parse() {
    const text = this.#text;
    this.#urls = this.#starts();
    while (this.#at < text.length && this.#elements < MOST_ELEMENTS) this.#step();
    if (this.#at < text.length) this.#addText(text.length);
    this.#emphasis(null);
    return { tokens: this.#tokens(this.#root.first ?? null, 0), found: this.#found };
  }

  // Where bare URLs may begin. An email address begins before the mark that shows it.
  #starts() {
    const text = this.#text;
    /** @type {number[]} */
    const starts = [];
    for (let index = 0; index < this.#urls.length; index += 2) {
      let at = this.#urls[index];
      if (text[at] === "@") {
        const least = Math.max(at - 64, (starts.at(-1) ?? -1) + 1, 0);
        while (at > least && /[\w.+-]/.test(text[at - 1])) at -= 1;
        if (text[at] === "@") continue;
      }
      starts.push(at);
    }
    return starts.reverse();
  }

  #step() {
    const mark = this.#text[this.#at];
    while (this.#urls.length > 0 && /** @type {number} */ (this.#urls.at(-1)) < this.#at) {
      this.#urls.pop();
    }
    if (this.#urls.at(-1) === this.#at && this.#bareLink()) return;
    switch (mark) {
      case "\n":
        this.#lineBreak(this.#at + 1);
        break;
      case "\\":
        this.#backslash();
        break;
      case "`":
        this.#codespan();
        break;
      case "*":
      case "_":
      case "~":
        this.#delimiterRun(mark);
        break;
      case "[":
        this.#openBracket(false, this.#at + 1);
        break;
      case "]":
        this.#closeBracket();
        break;
      case "!":
        if (this.#text[this.#at + 1] === "[") this.#openBracket(true, this.#at + 2);
        else this.#addText(this.#at + 1);
        break;
      case "<":
        this.#angle();
        break;
      case "$":
        if (!this.#math("$$", "$$") && !this.#math("$", "$")) this.#addText(this.#at + 1);
        break;
      default:
        this.#plain();
    }
  }

  /**
   * @param {string} type
   * @param {number} end
   * @param {Partial<Node>} more
   * @returns {Node}
   */
  #add(type, end, more = NOTHING) {
    /** @type {Node} */
    const node = newNode(type, more.start ?? this.#at, end, this.#last, null);
    node.text = more.text ?? "";
    node.href = more.href;
    node.display = more.display;
    if (this.#last) this.#last.next = node;
    else this.#root.first = node;
    this.#last = node;
    this.#at = end;
    if (type !== "text") this.#elements += 1;
    return node;
  }

  /** @param {number} end */
  #addText(end) {
    return this.#add("text", end);
  }

  #plain() {
    if (this.#plainEnd <= this.#at) {
      PLAIN.lastIndex = this.#at;
      this.#plainEnd = PLAIN.test(this.#text) ? PLAIN.lastIndex : this.#at + 1;
    }
    let end = this.#plainEnd;
    for (let index = this.#urls.length - 1; index >= 0; index -= 1) {
      if (this.#urls[index] <= this.#at) continue;
      end = Math.min(end, this.#urls[index]);
      break;
    }
    this.#addText(end);
  }

  // The spaces around a line end belong to it.
  /** @param {number} end */
  #lineBreak(end) {
    const text = this.#text;
    const before = this.#last;
    if (before?.type === "text") {
      while (before.end > before.start && text[before.end - 1] === " ") before.end -= 1;
    }
    let next = end;
    while (text[next] === " " || text[next] === "\t") next += 1;
    this.#add("br", next);
  }

  #backslash() {
    const next = this.#text[this.#at + 1];
    if (next === "\n") this.#lineBreak(this.#at + 2);
    else if (next === "(" && this.#math("\\(", "\\)")) return;
    else if (next === "[" && this.#math("\\[", "\\]")) return;
    else if (next && ESCAPED.test(next)) this.#add("escape", this.#at + 2, { text: next });
    else this.#addText(this.#at + 1);
  }

  #codespan() {
    const start = this.#at;
    const text = this.#text;
    const length = runLength(text, start);
    this.#ticks ??= tickRuns(text);
    const runs = this.#ticks.get(length) ?? [];
    while (runs.length > 0 && /** @type {number} */ (runs.at(-1)) <= start) runs.pop();
    const close = runs.at(-1);
    if (close === undefined) {
      this.#addText(start + length);
      return;
    }
    let code = text.slice(start + length, close).replaceAll("\n", " ");
    if (code.startsWith(" ") && code.endsWith(" ") && code.trim()) code = code.slice(1, -1);
    this.#add("codespan", close + length, { text: code });
  }

  /**
   * @param {string} open
   * @param {string} close
   */
  #math(open, close) {
    const text = this.#text;
    if (!text.startsWith(open, this.#at)) return false;
    const from = this.#at + open.length;
    const end = this.#nextClosing(close, from);
    if (end < 0 || !inlineMath(text, this.#at, open, end)) return false;
    const display = open === "$$" || open === "\\[";
    this.#add("math", end + close.length, { text: text.slice(from, end).trim(), display });
    return true;
  }

  // Where the closing mark stands from here on, or -1. No place in the text is looked at twice.
  /**
   * @param {string} close
   * @param {number} from
   */
  #nextClosing(close, from) {
    let at = this.#closing.get(close) ?? 0;
    if (at >= 0 && at < from) {
      at = this.#text.indexOf(close, from);
      // A dollar that is escaped closes nothing.
      while (at > 0 && close === "$" && this.#text[at - 1] === "\\") {
        at = this.#text.indexOf(close, at + 1);
      }
      this.#closing.set(close, at);
    }
    return at;
  }

  /** @param {string} mark */
  #delimiterRun(mark) {
    const start = this.#at;
    const text = this.#text;
    const length = runLength(text, start);
    const node = this.#addText(start + length);
    if (mark === "~" && length !== 2) return;
    const before = kindOf(charBefore(text, start));
    const after = kindOf(charAfter(text, start + length));
    const left = !after.isSpace && (!after.isPunctuation || before.isBoundary);
    const right = !before.isSpace && (!before.isPunctuation || after.isBoundary);
    const isWord = mark === "_" && left && right;
    const canOpen = left && (!isWord || before.isSeparate);
    const canClose = right && (!isWord || after.isSeparate);
    if (!canOpen && !canClose) return;
    /** @type {Delimiter} */
    const delimiter = {
      node,
      mark,
      count: length,
      length,
      canOpen,
      canClose,
      prev: this.#delimiters,
      next: null,
    };
    if (this.#delimiters) this.#delimiters.next = delimiter;
    this.#delimiters = delimiter;
  }

  // Match the delimiters above `bottom`, and forget them.
  /** @param {Delimiter | null} bottom */
  #emphasis(bottom) {
    // By kind of closer: nothing before this place opens for it.
    /** @type {Map<string, number>} */
    const looked = new Map();
    let closer = this.#delimiters;
    while (closer?.prev && closer.prev !== bottom) closer = closer.prev;
    if (closer === bottom) closer = null;
    while (closer) {
      if (!closer.canClose) {
        closer = closer.next;
        continue;
      }
      const kind = `${closer.mark}${closer.canOpen}${closer.length % 3}`;
      const least = looked.get(kind) ?? -1;
      let opener = closer.prev;
      while (opener && opener !== bottom && opener.node.start > least) {
        if (opener.mark === closer.mark && opener.canOpen && !isOdd(opener, closer)) break;
        opener = opener.prev;
      }
      if (opener && opener !== bottom && opener.node.start > least) {
        if (this.#elements >= MOST_ELEMENTS) break;
        closer = this.#wrap(opener, closer);
      } else {
        looked.set(kind, (closer.prev === bottom ? null : closer.prev)?.node.start ?? -1);
        const next = closer.next;
        if (!closer.canOpen) this.#remove(closer);
        closer = next;
      }
    }
    if (bottom) bottom.next = null;
    this.#delimiters = bottom;
  }

  /**
   * @param {Delimiter} opener
   * @param {Delimiter} closer
   * @returns {Delimiter | null} The one to go on with.
   */
  #wrap(opener, closer) {
    const isTilde = closer.mark === "~";
    const used = opener.count >= 2 && closer.count >= 2 ? 2 : 1;
    const type = isTilde ? "del" : used === 2 ? "strong" : "em";
    for (let inside = closer.prev; inside && inside !== opener; inside = closer.prev) {
      this.#remove(inside);
    }
    opener.count -= used;
    closer.count -= used;
    opener.node.end -= used;
    const start = opener.node.end;
    closer.node.start += used;
    this.#enclose(opener.node, closer.node, { type, start, end: closer.node.start });
    if (opener.count === 0) this.#remove(opener);
    if (closer.count > 0) return closer;
    const next = closer.next;
    this.#remove(closer);
    return next;
  }

  /** @param {Delimiter} delimiter */
  #remove({ prev, next }) {
    if (prev) prev.next = next;
    if (next) next.prev = prev;
    else this.#delimiters = prev;
  }

  // Put a new node around those after `before`, up to `after` or the last.
  /**
   * @param {Node} before
   * @param {Node | null} after
   * @param {{type: string, start: number, end: number} & Partial<Node>} more
   */
  #enclose(before, after, more) {
    const inner = before.next === after ? null : before.next;
    /** @type {Node} */
    const node = newNode(more.type, more.start, more.end, before, after);
    node.text = more.text ?? "";
    node.href = more.href;
    node.first = inner;
    if (inner) {
      const last = after ? after.prev : this.#last;
      inner.prev = null;
      if (last) last.next = null;
    }
    before.next = node;
    if (after) after.prev = node;
    else this.#last = node;
    this.#elements += 1;
  }

  /**
   * @param {boolean} isImage
   * @param {number} end
   */
  #openBracket(isImage, end) {
    const inside = this.#brackets.at(-1);
    if (inside) inside.holds = true;
    const node = this.#addText(end);
    const below = this.#delimiters;
    this.#brackets.push({ node, isImage, below, tags: this.#tags.length, holds: false });
  }

  #closeBracket() {
    const bracket = this.#brackets.pop();
    const isInactive = this.#brackets.length < this.#inactive;
    if (isInactive) this.#inactive = Math.min(this.#inactive, this.#brackets.length);
    if (!bracket || (isInactive && !bracket.isImage)) {
      this.#addText(this.#at + 1);
      return;
    }
    const text = this.#text;
    const from = bracket.node.end;
    if (this.#note(bracket, from)) return;
    const link = this.#target(bracket, text.slice(from, Math.min(this.#at, from + MAX_LABEL + 1)));
    if (!link) {
      this.#addText(this.#at + 1);
      return;
    }
    this.#emphasis(bracket.below);
    this.#dropTags(bracket.tags);
    const { start } = bracket.node;
    bracket.node.end = start;
    const type = bracket.isImage ? "image" : "link";
    const label = text.slice(from, this.#at);
    this.#enclose(bracket.node, null, { type, start, end: link.end, href: link.href, text: label });
    this.#at = link.end;
    if (!bracket.isImage) this.#inactive = this.#brackets.length;
  }

  /**
   * @param {Bracket} bracket
   * @param {number} from
   */
  #note(bracket, from) {
    const text = this.#text;
    if (bracket.isImage || text[from] !== "^" || this.#at - from > 65) return false;
    const label = text.slice(from + 1, this.#at);
    if (!NOTE_LABEL.test(label) || !this.#references.hasNote(label)) return false;
    this.#found += `^${label}\n`;
    this.#emphasis(bracket.below);
    this.#dropTags(bracket.tags);
    const { start } = bracket.node;
    bracket.node.end = start;
    bracket.node.next = null;
    this.#last = bracket.node;
    this.#add("note", this.#at + 1, { start, text: label });
    return true;
  }

  // Where a link leads that ends here, and where it ends.
  /**
   * @param {Bracket} bracket
   * @param {string} label
   */
  #target(bracket, label) {
    const text = this.#text;
    const next = this.#at + 1;
    if (text[next] === "(") {
      const inline = inlineTarget(text, next + 1);
      if (inline) return inline;
    }
    let end = next;
    let name = label;
    if (text[next] === "[") {
      const close = labelEnd(text, next + 1);
      if (close > 0) {
        end = close + 1;
        if (close > next + 1) name = text.slice(next + 1, close);
      }
    }
    const isShort = name === label;
    if (isShort && (bracket.holds || name.length > MAX_LABEL)) return null;
    const href = this.#references.find(name);
    if (href === undefined) return null;
    this.#found += `${name} ${href}\n`;
    return { href, end };
  }

  #angle() {
    const text = this.#text;
    const at = this.#at;
    for (const pattern of [BREAK, TAG, AUTOLINK, ANY_TAG]) pattern.lastIndex = at;
    if (BREAK.test(text)) {
      this.#add("br", BREAK.lastIndex);
      return;
    }
    const tag = TAG.exec(text);
    const name = tag?.[2].toLowerCase() ?? "";
    if (tag && TAGS.has(name)) {
      if (tag[1]) this.#closeTag(name, TAG.lastIndex);
      else this.#openTag(name, TAG.lastIndex);
      return;
    }
    const address = AUTOLINK.exec(text);
    if (address && isHostShown(address[1])) {
      const href = address[1].includes(":") ? address[1] : `mailto:${address[1]}`;
      this.#add("url", AUTOLINK.lastIndex, { href, text: address[1] });
      return;
    }
    if (text.startsWith("<!--", at)) {
      const end = this.#nextClosing("-->", at + 4);
      if (end > 0) {
        this.#add("raw", end + 3);
        return;
      }
    }
    if (ANY_TAG.test(text)) this.#add("raw", ANY_TAG.lastIndex);
    else this.#addText(at + 1);
  }

  /**
   * @param {string} name
   * @param {number} end
   */
  #openTag(name, end) {
    const node = this.#addText(end);
    const brackets = this.#brackets.length;
    this.#tags.push({ node, name, below: this.#delimiters, brackets });
    this.#open.set(name, (this.#open.get(name) ?? 0) + 1);
  }

  /**
   * @param {string} name
   * @param {number} end
   */
  #closeTag(name, end) {
    if (!this.#open.get(name)) {
      this.#addText(end);
      return;
    }
    let index = this.#tags.length - 1;
    while (this.#tags[index].name !== name) index -= 1;
    const tag = this.#tags[index];
    this.#dropTags(index);
    this.#emphasis(tag.below);
    this.#brackets.length = Math.min(this.#brackets.length, tag.brackets);
    this.#inactive = Math.min(this.#inactive, this.#brackets.length);
    const { start } = tag.node;
    tag.node.end = start;
    this.#enclose(tag.node, null, { type: "element", start, end, text: name });
    this.#at = end;
  }

  /** @param {number} count How many stay. */
  #dropTags(count) {
    for (const { name } of this.#tags.splice(count)) {
      this.#open.set(name, (this.#open.get(name) ?? 1) - 1);
    }
  }

  #bareLink() {
    const text = this.#text;
    const before = text[this.#at - 1] ?? "";
    if (WORD.test(before) || (text[this.#at] !== "h" && ".-".includes(before || " "))) return false;
    // "//name@host" is no email address.
    const email = before === "/" ? null : bareEmail(text, this.#at);
    const url = bareUrl(text, this.#at) ?? email;
    if (!url) return false;
    this.#add("url", url.end, { href: url.href, text: text.slice(this.#at, url.end) });
    return true;
  }

  /**
   * @param {Node | null} first
   * @param {number} depth
   */
  #tokens(first, depth) {
    /** @type {Token[]} */
    const tokens = [];
    for (let node = first; node; node = node.next) {
      if (node.end > node.start) tokens.push(this.#token(node, depth));
    }
    return tokens;
  }

  /**
   * @param {Node} node
   * @param {number} depth
   * @returns {Token}
   */
  #token({ type, start, end, text = "", href, first = null, display }, depth) {
    const raw = this.#text.slice(start, end);
    if (depth > DEEPEST || type === "text") return { type: "text", raw, text: raw };
    switch (type) {
      case "strong":
      case "em":
      case "del":
        return { type, raw, text: raw, tokens: this.#tokens(first, depth + 1) };
      case "element":
        return { type, raw, text: raw, tag: text, tokens: this.#tokens(first, depth + 1) };
      case "link":
        return { type, raw, text, href, tokens: this.#tokens(first, depth + 1) };
      case "url":
        return { type: "link", raw, text, href, tokens: [{ type: "escape", raw: text, text }] };
      case "raw":
        return { type: "escape", raw, text: raw };
      default:
        return { type, raw, text, href, display };
    }
  }
}

/**
 * @param {string} text
 * @param {number} start
 */
function runLength(text, start) {
  let end = start + 1;
  while (text[end] === text[start]) end += 1;
  return end - start;
}

/** @param {string} text */
function tickRuns(text) {
  /** @type {Map<number, number[]>} */
  const runs = new Map();
  for (const { 0: run, index } of text.matchAll(/`+/g)) {
    const all = runs.get(run.length);
    if (all) all.push(index);
    else runs.set(run.length, [index]);
  }
  for (const all of runs.values()) all.reverse();
  return runs;
}

/**
 * @param {string} text
 * @param {number} at
 */
function charBefore(text, at) {
  const last = text[at - 1] ?? "\n";
  return /[\udc00-\udfff]/.test(last) ? text.slice(at - 2, at) : last;
}

/**
 * @param {string} text
 * @param {number} at
 */
function charAfter(text, at) {
  return at < text.length
    ? String.fromCodePoint(/** @type {number} */ (text.codePointAt(at)))
    : "\n";
}

/** @type {Map<string, ReturnType<typeof newKind>>} */
const kinds = new Map();
const MOST_KINDS = 2_000;

/** @param {string} char */
function kindOf(char) {
  let kind = kinds.get(char);
  if (!kind) {
    kind = newKind(char);
    if (kinds.size === MOST_KINDS) kinds.clear();
    kinds.set(char, kind);
  }
  return kind;
}

/** @param {string} char */
function newKind(char) {
  const isSpace = SPACE.test(char);
  const isPunctuation = PUNCTUATION.test(char);
  const isUnspaced = UNSPACED.test(char);
  return {
    isSpace,
    isPunctuation,
    isBoundary: isSpace || isPunctuation || isUnspaced,
    isSeparate: isPunctuation && !isUnspaced,
  };
}

// "Rule of three": of two runs that could each do both, the lengths must not add up to a multiple.
/**
 * @param {Delimiter} opener
 * @param {Delimiter} closer
 */
function isOdd(opener, closer) {
  if (!(opener.canClose || closer.canOpen) || closer.mark === "~") return false;
  return (opener.length + closer.length) % 3 === 0 && closer.length % 3 !== 0;
}

/**
 * Where a label ends, or -1: at the bracket that closes it.
 *
 * @param {string} text
 * @param {number} from
 */
export function labelEnd(text, from) {
  const most = Math.min(text.length, from + MAX_LABEL + 1);
  for (let at = from; at < most; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === "]") return at;
    else if (text[at] === "[") return -1;
  }
  return -1;
}

/**
 * What stands in the parentheses of a link.
 *
 * @param {string} text
 * @param {number} from After the opening parenthesis.
 * @returns {{href: string, end: number} | null}
 */
function inlineTarget(text, from) {
  let at = skipSpace(text, from);
  const url = destinationAt(text, at);
  if (!url) return null;
  at = skipSpace(text, url.end);
  if (at > url.end) at = skipSpace(text, titleEnd(text, at));
  return text[at] === ")" ? { href: url.href, end: at + 1 } : null;
}

/**
 * @param {string} text
 * @param {number} from
 */
export function skipSpace(text, from) {
  let at = from;
  while (at < text.length && SPACE.test(text[at])) at += 1;
  return at;
}

/**
 * The URL of a link or of a definition.
 *
 * @param {string} text
 * @param {number} from
 * @returns {{href: string, end: number} | null}
 */
export function destinationAt(text, from) {
  if (text[from] === "<") {
    for (let at = from + 1; at < text.length; at += 1) {
      if (text[at] === "\\") at += 1;
      else if (text[at] === ">") return { href: unescaped(text.slice(from + 1, at)), end: at + 1 };
      else if (text[at] === "<" || text[at] === "\n") return null;
    }
    return null;
  }
  let depth = 0;
  let at = from;
  for (; at < text.length && !SPACE.test(text[at]) && text[at] >= " "; at += 1) {
    if (text[at] === "\\" && ESCAPED.test(text[at + 1] ?? "")) at += 1;
    else if (text[at] === "(") depth += 1;
    else if (text[at] === ")") {
      if (depth === 0) break;
      depth -= 1;
    }
    if (depth > MAX_PARENTHESES) return null;
  }
  return depth === 0 ? { href: unescaped(text.slice(from, at)), end: at } : null;
}

const TITLE_ENDS = /** @type {Record<string, string>} */ ({ '"': '"', "'": "'", "(": ")" });

/**
 * Where a title ends that begins here, or `from` when none does.
 *
 * @param {string} text
 * @param {number} from
 */
export function titleEnd(text, from) {
  const close = TITLE_ENDS[text[from]];
  if (!close) return from;
  for (let at = from + 1; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === close) return at + 1;
    else if (text[at] === "(" && close === ")") return from;
  }
  return from;
}

/** @param {string} text */
function unescaped(text) {
  return text.includes("\\") ? text.replace(/\\([!-/:-@[-`{-~])/g, "$1") : text;
}
