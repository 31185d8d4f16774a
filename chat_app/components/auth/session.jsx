// @ts-check
// The watch that keeps a page true to the browser's session, and the form that ends the session.

import { useEffect, useState } from "react";
import { flushSync } from "react-dom";
import { forgetDrafts } from "../chat/drafts.jsx";
import {
  authRequest,
  callbackUrl,
  fieldsOf,
  localPath,
  OFFLINE,
  Problem,
  useRequest,
} from "./request.jsx";
import {
  backFromProvider,
  onOtherTab,
  onPageHide,
  reloadPage,
  setBlankPage,
  signedOut,
} from "./tabs.jsx";

const STILL_SIGNED_IN = "You're still signed in.";
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
    setBlankPage(() => flushSync(() => setIsBlank(true)));
    return () => setBlankPage(() => {});
  }, []);

  // The gateway gives such a page to signed-in users only.
  useEffect(() => backFromProvider(true), []);

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

/**
 * A native form post that signs out, so it works without this script too.
 *
 * @param {{action: string, comesBack?: boolean, children?: import("react").ReactNode}} props
 *   `comesBack`: whether the next sign-in goes to the `callbackUrl` of this page.
 */
export const SignOutForm = ({ action, comesBack, children }) => {
  const { problem, run } = useRequest();
  const [next, setNext] = useState("/signin");

  useEffect(() => {
    const back = callbackUrl();
    if (comesBack && back) setNext(`/signin?callbackUrl=${encodeURIComponent(localPath(back))}`);
  }, [comesBack]);

  /** @param {import("react").SyntheticEvent<HTMLFormElement>} event */
  const submit = (event) => {
    event.preventDefault();
    const fields = fieldsOf(event.currentTarget);
    const page = document.documentElement.dataset;
    run(async () => {
      // Nothing of the user is on screen while the server answers.
      page.leaving = "";
      try {
        const url = await authRequest(action, fields, { Default: OFFLINE });
        signedOut();
        location.assign(url);
      } catch (error) {
        delete page.leaving;
        throw error;
      }
    });
  };

  return (
    <form method="post" action={action} onSubmit={submit}>
      <input type="hidden" name="callbackUrl" value={next} />
      <Problem>{problem && `${problem} ${STILL_SIGNED_IN}`}</Problem>
      {children}
    </form>
  );
};
