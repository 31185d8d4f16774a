// @ts-check
// What the tabs of one browser tell each other about the session, and how a page forgets it.

import { forgetDrafts } from "../chat/drafts.jsx";

// A tab does not receive its own messages. They are "in" and "out".
const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("chat-auth");

/**
 * Listen to the other tabs.
 *
 * @param {(message: "in" | "out") => void} listener
 * @returns {() => void} Stops it.
 */
export const onOtherTab = (listener) => {
  /** @param {MessageEvent} event */
  const receive = ({ data }) => listener(data);
  channel?.addEventListener("message", receive);
  return () => channel?.removeEventListener("message", receive);
};

/**
 * The user has signed in: tell the other tabs and go to the next page.
 *
 * @param {string | URL} url
 */
export const signedIn = (url) => {
  channel?.postMessage("in");
  location.assign(url);
};

// In this tab alone: the user is at an identity provider.
const AT_PROVIDER = "chat-at-provider";

/**
 * Go to an identity provider. The page that the user comes back to tells the other tabs.
 *
 * @param {string | URL} url
 */
export const goToProvider = (url) => {
  sessionStorage.setItem(AT_PROVIDER, "1");
  location.assign(url);
};

/** @param {boolean} isSignedIn Whether the user came back with a session. */
export const backFromProvider = (isSignedIn) => {
  if (sessionStorage.getItem(AT_PROVIDER) === null) return;
  sessionStorage.removeItem(AT_PROVIDER);
  if (isSignedIn) channel?.postMessage("in");
};

let blankPage = () => {};

/**
 * Set how everything of a user is removed from the page.
 *
 * @param {() => void} blank
 */
export const setBlankPage = (blank) => {
  blankPage = blank;
};

/** The session is over: remove everything of it here, and tell the other tabs. */
export const signedOut = () => {
  forgetDrafts(sessionStorage);
  blankPage();
  channel?.postMessage("out");
};

/** The session may have changed: blank the page and load it again. */
export const reloadPage = () => {
  blankPage();
  location.reload();
};

/**
 * The back-forward cache keeps a page as it was left, so the page is cleaned before it goes there,
 * and loaded again when it comes back: the user may be another one by then.
 *
 * @param {(event: PageTransitionEvent) => void} clean
 * @returns {() => void} Stops it.
 */
export const onPageHide = (clean) => {
  /** @param {PageTransitionEvent} event */
  const show = ({ persisted }) => persisted && location.reload();
  addEventListener("pagehide", clean);
  addEventListener("pageshow", show);
  return () => {
    removeEventListener("pagehide", clean);
    removeEventListener("pageshow", show);
  };
};
