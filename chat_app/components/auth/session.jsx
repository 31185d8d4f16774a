// @ts-check
// The session of the browser, as its tabs see it: they tell each other when it begins and ends, renew
// it, and blank the page when it is over.

import { useEffect, useState } from "react";
import { flushSync } from "react-dom";
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
export const goToIdentityProvider = (url) => {
  sessionStorage.setItem(AT_PROVIDER, "1");
  location.assign(url);
};

/** @param {boolean} isSignedIn Whether the user came back with a session. */
export const backFromIdentityProvider = (isSignedIn) => {
  if (sessionStorage.getItem(AT_PROVIDER) === null) return;
  sessionStorage.removeItem(AT_PROVIDER);
  if (isSignedIn) channel?.postMessage("in");
};

// Removes everything of a user from the page; `SessionWatch` knows how.
let blankPage = () => {};

// In this tab alone: it has shown the page of a session.
const HAD_SESSION = "chat-had-session";

/**
 * Whether this tab had a session that was not ended here: for pages that only anonymous users see.
 *
 * @returns {boolean}
 */
export const hasLostSession = () => sessionStorage.getItem(HAD_SESSION) !== null;

/** The session is over: remove everything of it here, and tell the other tabs. */
export const signedOut = () => {
  forgetDrafts(sessionStorage);
  sessionStorage.removeItem(HAD_SESSION);
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

const RENEW_MS = 5 * 60_000;

// Only an HTTP response can bring a new cookie, so a visible tab asks for one now and then. A hidden
// tab asks when it is seen again: the session may have ended meanwhile.
/** @param {string} route */
const keepRenewed = (route) => {
  let last = Date.now();
  const renew = async () => {
    if (document.hidden || Date.now() - last < RENEW_MS) return;
    last = Date.now();
    try {
      const response = await fetch(route, { credentials: "include" });
      if (response.ok && (await response.json()) === null) reloadPage();
    } catch {
      // The server is unreachable; the offline bar says so.
    }
  };
  const timer = setInterval(renew, RENEW_MS / 10);
  document.addEventListener("visibilitychange", renew);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", renew);
  };
};

/**
 * Holds the page of a session, and blanks it when the session is over or the page is left.
 *
 * @param {{route: string, children?: import("react").ReactNode}} props
 */
export const SessionWatch = ({ route, children }) => {
  const [isBlank, setIsBlank] = useState(false);

  useEffect(() => {
    blankPage = () => flushSync(() => setIsBlank(true));
    return () => {
      blankPage = () => {};
    };
  }, []);

  // The gateway gives such a page to signed-in users only.
  useEffect(() => backFromIdentityProvider(true), []);

  useEffect(
    () =>
      onOtherTab((message) => {
        if (message === "out") forgetDrafts(sessionStorage);
        reloadPage();
      }),
    [],
  );

  useEffect(() => keepRenewed(route), [route]);

  useEffect(
    () =>
      onPageHide(({ persisted }) => {
        if (persisted) flushSync(() => setIsBlank(true));
      }),
    [],
  );

  return isBlank ? null : children;
};

const ASK_MS = 3_000;
const ASK_BLOCKED_MS = 60_000;

/**
 * Says that a proxy drops the socket's upgrade, while pages and routes arrive as ever. The server
 * knows: it is asked twice, because a socket that has only just lost its network may be on its way;
 * then once a minute while the page is seen, because a question keeps the session from idling out.
 *
 * @param {{isConnected: boolean, route: string}} props
 */
export const SocketWatch = ({ isConnected, route }) => {
  const [isBlocked, setIsBlocked] = useState(false);

  useEffect(() => {
    setIsBlocked(false);
    if (isConnected) {
      sessionStorage.setItem(HAD_SESSION, "1");
      return;
    }
    let missing = 0;
    let last = 0;
    let isStopped = false;
    const ask = async () => {
      const isDue = Date.now() - last >= ASK_BLOCKED_MS && !document.hidden;
      if (missing > 1 && !isDue) return;
      last = Date.now();
      try {
        const url = missing > 0 ? `${route}?again` : route;
        const response = await fetch(url, { credentials: "include" });
        const isMissing = response.ok && (await response.json()).socket === "missing";
        missing = isMissing ? missing + 1 : 0;
      } catch {
        missing = 0; // The server is unreachable; the offline bar says so.
      }
      if (!isStopped) setIsBlocked(missing > 1);
    };
    const timer = setInterval(ask, ASK_MS);
    return () => {
      isStopped = true;
      clearInterval(timer);
    };
  }, [isConnected, route]);

  return (
    <div role="alert">
      {isBlocked && (
        <p className="socket-blocked">
          This page can't connect: a proxy between this browser and the server does not pass on
          WebSockets. Tell your administrator.
        </p>
      )}
    </div>
  );
};
