// @ts-check
// The parts of running answers, kept outside React: a chunk costs its own length, never the text's.

/**
 * @typedef {Record<string, any> & {type: string, text: string}} Part `text` grows; for a part that
 *   has no text it is empty.
 *
 * @typedef {[streamId: string, part: number, offset: number, text: string, status?: string]} TextChunk
 *   The next piece of a part's text. With -1 in place of a part it is the end: then the offset is
 *   the length of all text and reasoning. Offsets and lengths count UTF-16 code units, as a
 *   JavaScript string does.
 *
 * @typedef {[streamId: string, part: number, patch: Record<string, any>]} PatchChunk Merged into the
 *   part; its `text` begins at 0.
 *
 * @typedef {TextChunk | PatchChunk} Chunk A part of which no patch came is text.
 *
 * @typedef {{
 *   parts: Part[],
 *   ended: boolean,
 *   status: string,
 *   resyncing: boolean,
 *   checked: boolean,
 * }} Entry `resyncing`: a resync was requested; `checked`: one was because of a wrong length.
 *
 * @typedef {{streamId: string, part: number, have: number}} Resync What to send again: this part,
 *   of which so much is here, and those after it.
 *
 * @typedef {{grew: boolean, ended: boolean, status: string}} Change
 *
 * @typedef {ReturnType<typeof createChunkStore>} ChunkStore
 */

const GROWING = new Set(["text", "reasoning"]);

/**
 * The text that is copied and read aloud, without reasoning and all else.
 *
 * @param {Record<string, any>[]} parts
 * @returns {string}
 */
export function textOf(parts) {
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}

/**
 * @param {{keep?: number}} options How many texts that are shown no more are kept.
 */
export function createChunkStore({ keep = 8 } = {}) {
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
      ended: false,
      status: "",
      resyncing: false,
      checked: false,
    };
    entries.delete(streamId);
    entries.set(streamId, entry);
    forget();
    return entry;
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
    const hadText = entry.parts.some((part) => part.text !== "");
    const wasOver = entry.ended;
    let changed = false;
    for (const chunk of group) {
      const took = take(entry, chunk);
      if (typeof took === "object") {
        if (entry.resyncing) continue;
        entry.resyncing = true;
        entry.checked ||= chunk[1] < 0;
        request({ streamId, ...took });
      } else {
        entry.resyncing = false;
        changed ||= took;
      }
    }
    const ends = entry.ended && !wasOver;
    if (!changed && !ends && !isNew) return;
    const hasText = entry.parts.some((part) => part.text !== "");
    publish(streamId, {
      grew: changed && !wasOver,
      // A stored message comes whole; only a text that was seen growing ends.
      ended: ends && (hadText || !hasText),
      status: ends ? entry.status : "",
    });
  }

  return {
    /**
     * Take in a chunk, or chunks that belong together. What does not fit is requested again, once
     * until a chunk fits.
     *
     * @param {Chunk | Chunk[] | []} value
     */
    receive(value) {
      if (!Array.isArray(value) || value.length === 0) return;
      const all = /** @type {Chunk[]} */ (Array.isArray(value[0]) ? value : [value]);
      /** @type {Map<string, Chunk[]>} */
      const groups = new Map();
      for (const chunk of all) groups.set(chunk[0], [...(groups.get(chunk[0]) ?? []), chunk]);
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
    want(streamId, part, parts) {
      const entry = touch(streamId);
      if (entry.parts.length === 0) entry.parts = parts.map((known) => newPart(known));
      entry.ended = true;
      request({ streamId, part, have: entry.parts[part]?.text.length ?? 0 });
    },

    /**
     * Let `handler` send what is requested.
     *
     * @param {(resync: Resync) => void} handler
     * @returns {() => void} Stops it.
     */
    answer(handler) {
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
      for (const streamId of streamIds)
        publish(streamId, { grew: false, ended: false, status: "" });
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
 * @returns {boolean | {part: number, have: number}} Whether something has changed; or what is
 *   missing.
 */
function take(entry, chunk) {
  const [, part, third] = chunk;
  if (part < 0) return end(entry, /** @type {TextChunk} */ (chunk));
  const { parts } = entry;
  if (part > parts.length) {
    const last = Math.max(parts.length - 1, 0);
    return { part: last, have: parts[last]?.text.length ?? 0 };
  }
  const isPatch = typeof third === "object";
  const { text = "", ...patch } = isPatch ? third : { text: chunk[3] };
  const offset = isPatch ? 0 : third;
  const have = parts[part]?.text.length ?? 0;
  if (offset > have) return { part, have };
  const isNew = part === parts.length;
  if (isNew) parts.push(newPart());
  const known = parts[part];
  const fresh = text.slice(have - offset);
  const merged = Object.keys(patch).filter((key) => known[key] !== patch[key]);
  for (const key of merged) known[key] = patch[key];
  known.text += fresh;
  return isNew || fresh !== "" || merged.length > 0;
}

/**
 * @param {Entry} entry
 * @param {TextChunk} chunk
 */
function end(entry, [, , length, , status = ""]) {
  let have = 0;
  for (const part of entry.parts) if (GROWING.has(part.type)) have += part.text.length;
  if (entry.ended) return false;
  // A length that stays wrong is no reason to go on asking.
  if (have !== length && !entry.checked) {
    return { part: 0, have: entry.parts[0]?.text.length ?? 0 };
  }
  entry.ended = true;
  entry.status = status;
  return false;
}

export const chunks = createChunkStore();
