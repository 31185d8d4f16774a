// Signing in and out are HTTP posts, so the forms here work without this script too. With it a
// refused form keeps its fields, and the browser's other tabs hear that the session changed.
import { useEffect, useRef, useState } from "react";

// One channel per tab: a tab does not hear itself. It says "in" or "out".
const channel =
  typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("chat-auth");

const hear = (listener) => {
  channel?.addEventListener("message", listener);
  return () => channel?.removeEventListener("message", listener);
};

// What is on screen belongs to a session that is no more: blank first, then ask anew.
const reload = () => {
  document.documentElement.dataset.leaving = "";
  location.reload();
};

const meaning = (sentences, word) =>
  Object.hasOwn(sentences, word) ? sentences[word] : sentences.Default;

// A path of this site and nothing else, as the browser will read it; the server checks it again.
const localPath = (wanted) => {
  if (!wanted?.startsWith("/") || !URL.canParse(wanted, location.origin)) return "/";
  const { origin, pathname, search } = new URL(wanted, location.origin);
  return origin === location.origin && !pathname.startsWith("//") ? pathname + search : "/";
};

const post = async (form, sentences) => {
  const answer = await fetch(form.action, {
    method: "POST",
    credentials: "include",
    headers: { "X-Auth-Return-Redirect": "1", Accept: "application/json" },
    body: new URLSearchParams(new FormData(form)),
  });
  const said = await answer.json();
  if (typeof said.url !== "string") return { problem: said.message || sentences.Default };
  const url = new URL(said.url, location.href);
  const word = url.searchParams.get("error");
  return word ? { problem: meaning(sentences, word) } : { url };
};

export const AuthForm = ({ action, sentences, problemId, children }) => {
  const form = useRef(null);
  const [problem, setProblem] = useState("");
  const [sending, setSending] = useState(false);
  const [callback, setCallback] = useState("/");

  useEffect(() => {
    const query = new URLSearchParams(location.search);
    setCallback(localPath(query.get("callbackUrl")));
    if (query.has("error")) setProblem(meaning(sentences, query.get("error")));
    // The back button may bring this page back as it was left: sending.
    const awake = () => setSending(false);
    addEventListener("pageshow", awake);
    return () => removeEventListener("pageshow", awake);
  }, []);

  // Another tab has signed in: nobody needs this form any more.
  useEffect(() => hear(({ data }) => data === "in" && location.assign(callback)), [callback]);

  // Once the fields can be used again: everything typed stays but the password.
  useEffect(() => {
    if (!problem || sending) return;
    const password = form.current.querySelector("[name=password]");
    password.value = "";
    password.focus();
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
      const { url, problem: refused } = await post(form.current, sentences);
      if (refused) return refuse(refused);
      channel?.postMessage("in");
      location.assign(url);
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

export const SignOutForm = ({ action, children }) => {
  const leave = async (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    // Nothing of this person is on screen while the server answers.
    document.documentElement.dataset.leaving = "";
    try {
      const { url } = await post(form, {});
      channel?.postMessage("out");
      location.assign(url ?? "/signin");
    } catch {
      form.submit();
    }
  };
  return (
    <form method="post" action={action} onSubmit={leave}>
      <input type="hidden" name="callbackUrl" value="/signin" />
      {children}
    </form>
  );
};

export const SessionWatch = () => {
  useEffect(() => hear(reload), []);
  useEffect(() => {
    // A page from the back-forward cache shows what its session saw.
    const shown = (event) => event.persisted && reload();
    addEventListener("pageshow", shown);
    return () => removeEventListener("pageshow", shown);
  }, []);
  return null;
};
