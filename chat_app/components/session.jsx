// Signing in and out are HTTP posts, so the forms here work without this script too. With it a
// refused form keeps its fields, and the browser's other tabs hear that the session changed.
import { useEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { forgetDrafts } from "./outbox.jsx";

// One channel per tab: a tab does not hear itself. It says "in" or "out".
const channel =
  typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("chat-auth");

const hear = (listener) => {
  channel?.addEventListener("message", listener);
  return () => channel?.removeEventListener("message", listener);
};

/** Somebody has signed in: the other tabs hear of it, and this one goes on. */
export const arrive = (url) => {
  channel?.postMessage("in");
  location.assign(url);
};

// In this tab alone: somebody has gone elsewhere to sign in.
const SET_OUT = "chat-set-out";

/** Somebody goes elsewhere to sign in. The page that they come back to tells the other tabs. */
export const setOut = (url) => {
  sessionStorage.setItem(SET_OUT, "1");
  location.assign(url);
};

const comeBack = (isIn) => {
  if (sessionStorage.getItem(SET_OUT) === null) return;
  sessionStorage.removeItem(SET_OUT);
  if (isIn) channel?.postMessage("in");
};

// Takes everything of a person off the page; the page's watch knows how.
let empty = () => {};

/** The session is over: nothing of it stays here, and every other tab hears of it. */
export const leave = () => {
  forgetDrafts(sessionStorage);
  empty();
  channel?.postMessage("out");
};

/** Who is signed in may have changed: nothing of them stays on screen while the server is asked. */
export const askAnew = () => {
  empty();
  location.reload();
};

// The back-forward cache keeps a page as it was left: before that, `tidy` it; when it comes back,
// ask anew who is there.
const whenKept = (tidy) => {
  const back = (event) => event.persisted && location.reload();
  addEventListener("pagehide", tidy);
  addEventListener("pageshow", back);
  return () => {
    removeEventListener("pagehide", tidy);
    removeEventListener("pageshow", back);
  };
};

export const meaning = (sentences, word) =>
  Object.hasOwn(sentences, word) ? sentences[word] : sentences.Default;

// A path of this site and nothing else, as the browser will read it; the server checks it again.
export const localPath = (wanted) => {
  if (!wanted?.startsWith("/") || !URL.canParse(wanted, location.origin)) return "/";
  const { origin, pathname, search } = new URL(wanted, location.origin);
  return origin === location.origin && !pathname.startsWith("//") ? pathname + search : "/";
};

const postFields = async (action, fields, sentences) => {
  const answer = await fetch(action, {
    method: "POST",
    credentials: "include",
    headers: { "X-Auth-Return-Redirect": "1", Accept: "application/json" },
    body: fields,
  });
  const said = await answer.json();
  if (typeof said.url !== "string") return { problem: said.message || sentences.Default };
  const url = new URL(said.url, location.href);
  const word = url.searchParams.get("error");
  return word ? { problem: meaning(sentences, word) } : { url };
};

const fieldsOf = (form) => new URLSearchParams(new FormData(form));

export const post = (form, sentences) => postFields(form.action, fieldsOf(form), sentences);

// Nobody has signed in by asking for a letter, or before the code is shown.
const isWaiting = (url) =>
  url.pathname.startsWith("/signin/code") ||
  ["sent", "done"].some((one) => url.searchParams.has(one));

/** Post what signs somebody in, and go where the answer says; what it says no with. */
export const comeIn = async (action, fields, sentences) => {
  const { url, problem } = await postFields(action, fields, sentences);
  if (problem) return problem;
  if (isWaiting(url)) location.assign(url);
  else arrive(url);
};

export const AuthForm = ({ action, sentences, problemId, children }) => {
  const form = useRef(null);
  const [problem, setProblem] = useState("");
  const [sending, setSending] = useState(false);
  const [callback, setCallback] = useState("/");
  const entered = useRef(false);

  useEffect(() => {
    comeBack(false);
    const query = new URLSearchParams(location.search);
    setCallback(localPath(query.get("callbackUrl")));
    if (query.has("error")) setProblem(meaning(sentences, query.get("error")));
  }, []);

  // The back button must not bring back what somebody typed who came in with it.
  useEffect(() => whenKept(() => entered.current && form.current.reset()), []);

  // Another tab has signed in: nobody needs this form any more.
  useEffect(() => hear(({ data }) => data === "in" && location.assign(callback)), [callback]);

  // Once the fields can be used again: everything typed stays but the secret.
  useEffect(() => {
    if (!problem || sending) return;
    const secret = form.current.querySelector("[name=password], [name=code]");
    if (!secret) return;
    secret.value = "";
    secret.focus();
  }, [problem, sending]);

  const refuse = (sentence) => {
    setProblem(sentence);
    setSending(false);
  };

  const submit = async (event) => {
    event.preventDefault();
    if (sending) return;
    setSending(true);
    setProblem("");
    try {
      const refused = await comeIn(form.current.action, fieldsOf(form.current), sentences);
      if (refused) return refuse(refused);
      entered.current = true;
    } catch {
      refuse(sentences.Offline);
    }
  };

  return (
    <form
      ref={form}
      method="post"
      action={action}
      className="auth-form"
      onSubmit={submit}
      data-sending={sending || undefined}
      aria-busy={sending}
    >
      <input type="hidden" name="callbackUrl" value={callback} />
      <p id={problemId} className="problem" role="alert">
        {problem}
      </p>
      <fieldset className="plain" disabled={sending}>
        {children}
      </fieldset>
    </form>
  );
};

export const SignOutForm = ({ action, offline, stillIn, comesBack, children }) => {
  const [problem, setProblem] = useState("");
  const [callback, setCallback] = useState("/signin");

  useEffect(() => {
    const back = new URLSearchParams(location.search).get("callbackUrl");
    if (comesBack && back) setCallback(`/signin?callbackUrl=${encodeURIComponent(localPath(back))}`);
  }, [comesBack]);

  const submit = async (event) => {
    event.preventDefault();
    const page = document.documentElement.dataset;
    // Nothing of this person is on screen while the server answers.
    page.leaving = "";
    setProblem("");
    try {
      const { url, problem: refused } = await post(event.currentTarget, { Default: offline });
      if (url) {
        leave();
        return location.assign(url);
      }
      setProblem(refused);
    } catch {
      setProblem(offline);
    }
    delete page.leaving;
  };
  return (
    <form method="post" action={action} onSubmit={submit}>
      <input type="hidden" name="callbackUrl" value={callback} />
      <p className="problem" role="alert">
        {problem && `${problem} ${stillIn}`}
      </p>
      {children}
    </form>
  );
};

const RENEW_MS = 5 * 60_000;

// Only an HTTP answer can bring a new cookie, so a tab that is looked at asks for one now and then.
// One that was out of sight asks when it is seen again: a session may have ended meanwhile.
const keepRenewed = (route) => {
  let asked = Date.now();
  const renew = async () => {
    if (document.hidden || Date.now() - asked < RENEW_MS) return;
    asked = Date.now();
    try {
      const answer = await fetch(route, { credentials: "include" });
      if (answer.ok && (await answer.json()) === null) askAnew();
    } catch {
      // The server cannot be reached: the bar that says so is the socket's.
    }
  };
  const timer = setInterval(renew, RENEW_MS / 10);
  document.addEventListener("visibilitychange", renew);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", renew);
  };
};

/** Holds the page of a session, and empties it when the session is over or the page is left. */
export const SessionWatch = ({ route, children }) => {
  const [gone, setGone] = useState(false);

  useEffect(() => {
    empty = () => flushSync(() => setGone(true));
    return () => (empty = () => {});
  }, []);

  // The guard gives such a page to nobody who is not signed in.
  useEffect(() => comeBack(true), []);

  useEffect(
    () =>
      hear(({ data }) => {
        if (data === "out") forgetDrafts(sessionStorage);
        askAnew();
      }),
    [],
  );

  useEffect(() => keepRenewed(route), [route]);

  // Whoever comes back to this page may be somebody else.
  useEffect(() => whenKept(({ persisted }) => persisted && empty()), []);

  return gone ? null : children;
};
