// @ts-check
// Drafts, and messages that were sent but not yet accepted. One text keeps one client id however
// often it is sent, so that the server can tell a retry from a second message (idempotency). Drafts
// survive a reload of the tab, and even the end of a session, but no change of the user.

const PREFIX = "ct-draft:";
const OWNER = "ct-drafts-of";
const OPENING = "ct-opening";
const ID_BYTES = 18; // 24 characters
const BLANK_START = /^(?:[^\S\n]*\n)+/; // blank lines above the first one with words

/** @returns {string} 24 random URL-safe characters: the idempotency key of one message. */
export function newClientId() {
  const bytes = crypto.getRandomValues(new Uint8Array(ID_BYTES));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_");
}

/**
 * Remove every draft from the tab.
 *
 * @param {Storage} storage
 */
export function forgetDrafts(storage) {
  storage.removeItem(OPENING);
  for (const name of Object.keys(storage)) {
    if (name.startsWith(PREFIX)) storage.removeItem(name);
  }
}

/**
 * The drafts of a tab, by key: { text, id, sent }, where `id` is the one `sent` was sent with.
 *
 * @param {Storage} storage
 * @param {string} owner The user's id; drafts of another user are removed.
 */
export function createDrafts(storage, owner) {
  if (storage.getItem(OWNER) !== owner) {
    forgetDrafts(storage);
    storage.setItem(OWNER, owner);
  }
  return {
    /** @param {string} key */
    load(key) {
      try {
        const { text = "", id = "", sent = "" } = JSON.parse(storage.getItem(PREFIX + key) ?? "{}");
        return { text, id, sent };
      } catch {
        return { text: "", id: "", sent: "" };
      }
    },
    /**
     * @param {string} key
     * @param {{text: string, id?: string, sent?: string}} draft
     */
    save(key, { text, id = "", sent = "" }) {
      try {
        if (text === "") storage.removeItem(PREFIX + key);
        else storage.setItem(PREFIX + key, JSON.stringify({ text, id, sent }));
      } catch {
        // A full or forbidden storage loses the draft on reload, nothing else.
      }
    },
    /**
     * Remove the drafts that were sent with this id: the server has them.
     *
     * @param {string} id
     */
    accepted(id) {
      for (const name of Object.keys(storage)) {
        if (!name.startsWith(PREFIX)) continue;
        const key = name.slice(PREFIX.length);
        const draft = this.load(key);
        if (draft.id === id) this.save(key, { text: remaining(draft.text, draft.sent) });
      }
    },
  };
}

/**
 * The drafts of the user whom the tab has them of.
 *
 * @param {Storage} storage
 */
export function openDrafts(storage) {
  return createDrafts(storage, storage.getItem(OWNER) ?? "");
}

/**
 * A text as it is sent: without blank lines around it. The indent of its first line is kept: it may
 * be code.
 *
 * @param {string} text
 */
export function messageOf(text) {
  return withoutBlankStart(text).trimEnd();
}

/**
 * Note that a message begins a chat, which is opened when the server has accepted the message. Only the
 * page knows whether it still is where the message was sent, perhaps after a reload.
 *
 * @param {Storage} storage
 * @param {string} id The client id of the message.
 */
export function noteOpening(storage, id) {
  storage.setItem(OPENING, `${id} ${location.pathname}`);
}

/**
 * Whether the chat of this message is to be opened now; once.
 *
 * @param {Storage} storage
 * @param {string} id The client id of an accepted message.
 */
export function takeOpening(storage, id) {
  const [noted, pathname] = (storage.getItem(OPENING) ?? "").split(" ");
  if (noted !== id) return false;
  storage.removeItem(OPENING);
  return pathname === location.pathname;
}

/**
 * What is left of a text without the part that was sent: only what was written since.
 *
 * @param {string} text
 * @param {string} sent
 */
export function remaining(text, sent) {
  const whole = withoutBlankStart(text);
  if (!whole.startsWith(sent)) return text;
  const rest = whole.slice(sent.length);
  return BLANK_START.test(rest) ? withoutBlankStart(rest) : rest.trimStart();
}

/** @param {string} text */
function withoutBlankStart(text) {
  return text.replace(BLANK_START, "");
}

/**
 * The message for a text that is too long, or "".
 *
 * @param {string} text
 * @param {number} maxBytes
 */
export function tooLong(text, maxBytes) {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes <= maxBytes) return "";
  const [has, most] = [bytes, maxBytes].map(
    (n) => `${Math.ceil(n / 1000).toLocaleString("en")} kB`,
  );
  return `This message is ${has}; the limit is ${most}. Shorten it or send it in parts.`;
}
