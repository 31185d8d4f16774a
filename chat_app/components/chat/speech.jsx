// @ts-check
// What a live region says of a running answer: whole sentences instead of tokens, without Markdown
// marks, and code only by its language.

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)/;
const RULE = /^[\s|:*_=-]*$/;
const SENTENCE = /[\p{L}\p{N})\]"'”’*_`]{2}[.!?…]+["'”’)\]*_`]*(?=\s)/gu;
// Code units. A longer one was there before this page, or came at once: only what follows is said.
const LONGEST_START = 300;

/**
 * A line or a piece of one, as it is read aloud.
 *
 * @param {string} piece
 */
function spoken(piece) {
  if (RULE.test(piece)) return "";
  return piece
    .replace(/^\s*(?:#{1,6}\s|>\s?|[-+*]\s(?:\[[ xX]\]\s)?)+/, "")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/[*`~]|\b_|_\b/g, "")
    .replace(/\s*\|\s*/g, ", ")
    .replace(/^[,\s]+|[,\s]+$/g, "");
}

/**
 * Reads a growing text.
 *
 * @param {number} from Where to begin, in UTF-16 code units.
 */
export function createSpeech(from = 0) {
  let at = from;
  let fence = "";

  /** @param {string} words */
  function line(words) {
    const mark = FENCE.exec(words);
    if (fence) {
      if (mark?.[1].startsWith(fence)) fence = "";
      return "";
    }
    if (!mark) return spoken(words);
    fence = mark[1];
    return mark[2] ? `Code in ${mark[2]}.` : "Code.";
  }

  return {
    /**
     * @param {string} text
     * @param {boolean} over Whether nothing more will come.
     * @returns {string} What can be read now: the sentences that have ended since the last call.
     */
    next(text, over) {
      /** @type {string[]} */
      const spokenParts = [];
      for (let end = text.indexOf("\n", at); end >= 0; end = text.indexOf("\n", at)) {
        spokenParts.push(line(text.slice(at, end)));
        at = end + 1;
      }
      const rest = text.slice(at);
      // Half a fence and half a table row say nothing yet.
      const waits = fence || /^\s*[|`~]/.test(rest);
      const end = over ? rest.length : waits ? 0 : endOfSentences(rest);
      if (end > 0) spokenParts.push(over ? line(rest) : spoken(rest.slice(0, end)));
      at += end;
      return spokenParts.filter(Boolean).join(" ");
    },
  };
}

/** @param {string} rest */
function endOfSentences(rest) {
  let end = 0;
  for (const match of rest.matchAll(SENTENCE)) end = match.index + match[0].length;
  return end;
}

/** @type {Record<string, string>} */
const ENDINGS = {
  complete: "Answer finished",
  stopped: "Answer stopped",
  failed: "Answer failed",
  interrupted: "Answer interrupted",
};
const KEPT = 4; // paragraphs; older ones have been read
const EMPTIED_MS = 6000; // after the end, so that it is not read again below the conversation

/**
 * Say running answers in a live region. Reasoning is only named.
 *
 * @param {HTMLElement} region Empty, with aria-live.
 * @param {import("../markdown/chunk_store.jsx").ChunkStore} store
 * @param {{pause?: number, endings?: () => Record<string, string>}} options `pause`: milliseconds
 *   between two announcements, so that a fast answer comes in few long ones; `endings`: what is said
 *   of an answer that is not whole, by the reason why it ended.
 * @returns {() => void} Stops it.
 */
export function announce(region, store, { pause = 1500, endings = () => ({}) } = {}) {
  /** @type {Map<string, ReturnType<typeof createReading>>} By stream id. */
  const readings = new Map();
  let timer = 0;
  let emptying = 0;

  /** @param {string | undefined} words */
  function say(words) {
    if (!words) return;
    const made = document.createElement("p");
    made.textContent = words;
    region.append(made);
    while (region.children.length > KEPT) region.firstChild?.remove();
  }

  function empty() {
    clearTimeout(emptying);
    emptying = setTimeout(() => region.replaceChildren(), EMPTIED_MS);
  }

  function speak() {
    timer = 0;
    for (const [streamId, reading] of readings) {
      const entry = store.get(streamId);
      say(reading.next(entry?.parts ?? [], entry?.growing));
    }
  }

  const unwatch = store.watch(({ streamId, grew, ended, status, reason, error }) => {
    const parts = store.get(streamId)?.parts ?? [];
    if (ended && status === "") return; // a user's message: it comes whole, and has no way to end
    if (grew) {
      clearTimeout(emptying);
      const reading = readings.get(streamId) ?? createReading();
      readings.set(streamId, reading);
      say(reading.started(parts));
    }
    if (ended) {
      say(readings.get(streamId)?.next(parts));
      say(error || (endings()[reason] ?? ENDINGS[status]));
      readings.delete(streamId);
      if (readings.size === 0) empty();
    } else if (grew) timer ||= setTimeout(speak, pause);
  });

  return () => {
    unwatch();
    clearTimeout(timer);
    clearTimeout(emptying);
    readings.clear();
    region.replaceChildren();
  };
}

/**
 * Reads the growing parts of one answer.
 *
 * @typedef {import("../markdown/chunk_store.jsx").Part} Part
 */
function createReading() {
  /** @type {(ReturnType<typeof createSpeech> | null)[]} By part; null for what is not read. */
  const speeches = [];
  let isThinking = false;
  return {
    /**
     * Begin with the parts that are new.
     *
     * @param {Part[]} parts
     */
    started(parts) {
      for (const { type, text } of parts.slice(speeches.length)) {
        const from = text.length > LONGEST_START ? text.length : 0;
        speeches.push(type === "text" ? createSpeech(from) : null);
      }
      const thinks = parts.at(-1)?.type === "reasoning" && !isThinking;
      isThinking ||= thinks;
      return thinks ? "Thinking" : "";
    },
    /**
     * @param {Part[]} parts
     * @param {number} growing The index of the part of which more may come; -1 for none.
     * @returns {string} What can be read now.
     */
    next(parts, growing = -1) {
      // What began as text may have been reasoning.
      const spokenParts = parts.map(({ type, text }, at) =>
        type === "text" ? speeches[at]?.next(text, at !== growing) : "",
      );
      return spokenParts.filter(Boolean).join(" ");
    },
  };
}
