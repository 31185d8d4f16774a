// @ts-check
// The parts of running answers, kept outside React: a chunk costs its own length, never the text's.

/**
 * @typedef {Record<string, any> & {type: string, text: string}} Part `text` grows; for a part that
 *   has no text it is empty.
 *
 * @typedef {[streamId: string, part: number, offset: number, text: string, status?: string,
 *   count?: number, reason?: string, error?: string]} TextChunk
 *   The next piece of a part's text. With -1 in place of a part it is the end: then the offset is
 *   the length of all text and reasoning, `count` is how many parts there are, and `error` is a
 *   sentence. Offsets and lengths count UTF-16 code units, as a JavaScript string does.
 *
 * @typedef {[streamId: string, part: number, patch: Record<string, any>]} PatchChunk Merged into the
 *   part; its `text` begins at 0.
 *
 * @typedef {TextChunk | PatchChunk} Chunk A part of which no patch came is text.
 *
 * @typedef {{
 *   parts: Part[],
 *   growing: number,
 *   ended: boolean,
 *   status: string,
 *   reason: string,
 *   error: string,
 *   missing: Missing | null,
 *   resynced: string,
 *   awaitsEnd: boolean,
 *   isStored: boolean,
 * }} Entry `growing`: the index of the part that changed last, -1 before that; `missing`: what is
 *   requested, until a chunk fits; `resynced`: how much was here when the end last showed that it was
 *   too little; empty before that; `awaitsEnd`: the message is known to be over; `isStored`: its parts
 *   are known from the list of messages, and what comes is what they lack.
 *
 * @typedef {{part: number, have: number}} Missing
 *
 * @typedef {Missing & {streamId: string}} Resync What to send again: this part,
 *   of which so much is here, and those after it.
 *
 * @typedef {{grew: boolean, ended: boolean, status: string, reason: string, error: string}} Change
 *
 * @typedef {ReturnType<typeof createChunkStore>} ChunkStore
 */

const GROWING = new Set(["text", "reasoning"]);
const UNCHANGED = { grew: false, ended: false, status: "", reason: "", error: "" };
const OPEN = { ended: false, status: "", reason: "", error: "", resynced: "", isStored: false };
const RETRY_MS = 1000;
const MAX_RETRY_MS = 30_000;

/**
 * The text that is copied and read aloud, without reasoning and other parts.
 *
 * @param {Record<string, any>[]} parts
 * @returns {string}
 */
export function textOf(parts) {
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}

/**
 * @param {{keep?: number, later?: (work: () => void, delay: number) => unknown}} options `keep`: how
 *   many texts that are shown no more are kept; `later`: calls `work` after so many milliseconds.
 */
export function createChunkStore({ keep = 8, later = setTimeout } = {}) {
  /** @type {Map<string, Entry>} By stream id, the least recently changed first. */
  const entries = new Map();
  /** @type {Map<string, Set<() => void>>} By stream id. */
  const readers = new Map();
  /** @type {Set<(change: Change & {streamId: string}) => void>} */
  const watchers = new Set();
  /** @type {(resync: Resync) => void} */
  let request = () => {};

  function forget() {
    let spare = 0;
    for (const streamId of entries.keys()) spare += readers.has(streamId) ? 0 : 1;
    for (const streamId of entries.keys()) {
      if (spare <= keep) return;
      if (readers.has(streamId)) continue;
      entries.delete(streamId);
      spare -= 1;
    }
  }

  /**
   * @param {string} streamId
   * @param {Change} change
   */
  function publish(streamId, change) {
    for (const reader of [...(readers.get(streamId) ?? [])]) reader();
    for (const watcher of [...watchers]) watcher({ streamId, ...change });
  }

  /**
   * @param {string} streamId
   * @returns {Entry} The stream's, now the most recently changed.
   */
  function touch(streamId) {
    const entry = entries.get(streamId) ?? {
      parts: [],
      growing: -1,
      ended: false,
      status: "",
      reason: "",
      error: "",
      missing: null,
      resynced: "",
      awaitsEnd: false,
      isStored: false,
    };
    entries.delete(streamId);
    entries.set(streamId, entry);
    forget();
    return entry;
  }

  /**
   * Request what is missing; again and again, ever later, while nothing fits and the stream is shown.
   *
   * @param {string} streamId
   * @param {Entry} entry The stream's.
   * @param {Missing} missing
   */
  function resync(streamId, entry, missing, delay = RETRY_MS) {
    entry.missing = missing;
    later(() => {
      if (entry.missing !== missing) return;
      entry.missing = null;
      if (entries.get(streamId) !== entry || !readers.has(streamId)) return;
      resync(streamId, entry, missing, Math.min(2 * delay, MAX_RETRY_MS));
    }, delay);
    request({ streamId, ...missing });
  }

  /**
   * Take in the chunks of one stream, and notify its readers once.
   *
   * @param {string} streamId
   * @param {Chunk[]} group
   */
  function receiveStream(streamId, group) {
    const isNew = !entries.has(streamId);
    const entry = touch(streamId);
    let wasOver = entry.ended;
    let changed = false;
    for (const chunk of group) {
      const took = take(entry, chunk);
      // The list of messages may come too late to say that it is written on.
      if (took === true && wasOver && !entry.isStored) {
        Object.assign(entry, OPEN);
        wasOver = false;
      }
      if (typeof took === "object") {
        // After the end no further chunk shows that something is missing.
        if (!entry.missing || chunk[1] < 0) resync(streamId, entry, took);
      } else {
        entry.missing = null;
        changed ||= took;
      }
    }
    const ends = entry.ended && !wasOver;
    if (!changed && !ends && !isNew) return;
    publish(streamId, {
      grew: changed && !wasOver,
      ended: ends,
      status: ends ? entry.status : "",
      reason: ends ? entry.reason : "",
      error: ends ? entry.error : "",
    });
  }

  return {
    /**
     * Take in a chunk, or chunks that belong together. What does not fit is requested again.
     *
     * @param {Chunk | Chunk[] | []} value
     */
    receive(value) {
      if (!Array.isArray(value) || value.length === 0) return;
      const all = /** @type {Chunk[]} */ (Array.isArray(value[0]) ? value : [value]);
      /** @type {Map<string, Chunk[]>} */
      const groups = new Map();
      for (const chunk of all) {
        const group = groups.get(chunk[0]);
        if (group) group.push(chunk);
        else groups.set(chunk[0], [chunk]);
      }
      for (const [streamId, group] of groups) receiveStream(streamId, group);
    },

    /**
     * @param {string} streamId
     * @returns {Entry | undefined}
     */
    get: (streamId) => entries.get(streamId),

    /**
     * Request the text of one part of a message whose other parts are known from elsewhere.
     *
     * @param {string} streamId
     * @param {number} part
     * @param {Record<string, any>[]} parts All parts of the message, as far as they are known.
     */
    requestPart(streamId, part, parts) {
      const entry = touch(streamId);
      if (entry.parts.length === 0) entry.parts = parts.map((known) => newPart(known));
      entry.ended = entry.isStored = true;
      resync(streamId, entry, rest(entry.parts, part));
    },

    /**
     * Request a stream whose message is over, unless its end comes soon: no later chunk would show
     * that the end was lost.
     *
     * @param {string} streamId
     */
    awaitEnd(streamId) {
      const entry = touch(streamId);
      if (entry.ended || entry.awaitsEnd) return;
      entry.awaitsEnd = true;
      later(() => {
        entry.awaitsEnd = false;
        if (entry.ended || entry.missing || !readers.has(streamId)) return;
        resync(streamId, entry, rest(entry.parts, 0));
      }, RETRY_MS);
    },

    /**
     * The message is written on: what comes belongs to it, and another end.
     *
     * @param {string} streamId
     */
    reopen(streamId) {
      const entry = entries.get(streamId);
      if (!entry?.ended) return;
      Object.assign(entry, OPEN);
    },

    /**
     * Let `handler` send what is requested.
     *
     * @param {(resync: Resync) => void} handler
     * @returns {() => void} Stops it.
     */
    onResync(handler) {
      request = handler;
      return () => {
        if (request === handler) request = () => {};
      };
    },

    /**
     * Call `reader` after every change of one stream.
     *
     * @param {string} streamId
     * @param {() => void} reader
     * @returns {() => void} Stops it.
     */
    subscribe(streamId, reader) {
      const all = readers.get(streamId) ?? new Set();
      readers.set(streamId, all.add(reader));
      return () => {
        all.delete(reader);
        if (all.size === 0 && readers.get(streamId) === all) readers.delete(streamId);
      };
    },

    /**
     * Call `watcher` after every change of any stream.
     *
     * @param {(change: Change & {streamId: string}) => void} watcher
     * @returns {() => void} Stops it.
     */
    watch(watcher) {
      watchers.add(watcher);
      return () => {
        watchers.delete(watcher);
      };
    },

    /** Forget every text, and notify the readers. */
    clear() {
      const streamIds = [...entries.keys()];
      entries.clear();
      for (const streamId of streamIds) publish(streamId, UNCHANGED);
    },
  };
}

/**
 * @param {Record<string, any>} known
 * @returns {Part}
 */
function newPart(known = {}) {
  return { type: "text", text: "", ...known };
}

/**
 * @param {Entry} entry
 * @param {Chunk} chunk
 * @returns {boolean | Missing} Whether something has changed; or what is missing.
 */
function take(entry, chunk) {
  const [, part, third] = chunk;
  if (part < 0) return end(entry, /** @type {TextChunk} */ (chunk));
  const { parts } = entry;
  const isPatch = typeof third === "object";
  const isNew = part === parts.length;
  const begins = isPatch ? "type" in third : third === 0;
  // What was lost may have changed the part before, too.
  if (part > parts.length || (isNew && !begins)) return rest(parts, Math.max(parts.length - 1, 0));
  const { text = "", ...patch } = isPatch ? third : { text: chunk[3] };
  const offset = isPatch ? 0 : third;
  if (isNew) parts.push(newPart());
  const known = parts[part];
  const have = known.text.length;
  if (offset > have) return rest(parts, part);
  const fresh = text.slice(have - offset);
  const merged = Object.keys(patch).filter((key) => !isSame(known[key], patch[key]));
  for (const key of merged) known[key] = patch[key];
  known.text += fresh;
  const changed = isNew || fresh !== "" || merged.length > 0;
  if (changed) entry.growing = part;
  return changed;
}

/**
 * @param {unknown} one
 * @param {unknown} other
 * @returns {boolean} Whether two values of JSON are the same.
 */
function isSame(one, other) {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}

/**
 * @param {Part[]} parts
 * @param {number} part
 * @returns {Missing} What comes after the text that this part has.
 */
function rest(parts, part) {
  return { part, have: parts[part]?.text.length ?? 0 };
}

/**
 * @param {Entry} entry
 * @param {TextChunk} chunk
 * @returns {false | Missing}
 */
function end(entry, [, , length, , status = "", count = 0, reason = "", error = ""]) {
  if (entry.ended) return false;
  let have = 0;
  for (const part of entry.parts) if (GROWING.has(part.type)) have += part.text.length;
  const isWhole = have === length && entry.parts.length >= count;
  const here = `${have}/${entry.parts.length}`;
  // When a resync has brought nothing, it is all that the server has.
  if (!isWhole && here !== entry.resynced) {
    entry.resynced = here;
    return rest(entry.parts, 0);
  }
  entry.ended = true;
  Object.assign(entry, { status, reason, error });
  return false;
}

export const chunks = createChunkStore();
