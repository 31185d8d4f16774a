// What changes an account is an HTTP request: the session's cookie, which this script cannot read,
// says who asks and how lately they proved it.
import { useEffect, useRef, useState } from "react";
import { askAnew, leave, meaning } from "./session.jsx";

const asJson = (form) => ({
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(Object.fromEntries(new FormData(form))),
});

/**
 * Ask a route of the account.
 *
 * Returns the answer and what it says as JSON; `gone` when the page is being left, because the
 * session is over or the person has to prove first that it is them.
 */
export const ask = async (action, method, confirmPage, more = {}) => {
  const headers = { Accept: "application/json", ...more.headers };
  const answer = await fetch(action, { ...more, method, headers, credentials: "include" });
  const isJson = answer.headers.get("content-type")?.startsWith("application/json");
  const said = isJson ? await answer.json() : {};
  const mustProve = said.error === "step_up_required";
  if (answer.status === 401) askAnew();
  if (mustProve) {
    const here = encodeURIComponent(location.pathname + location.search);
    location.assign(`${confirmPage}?callbackUrl=${here}`);
  }
  return { answer, said, gone: answer.status === 401 || mustProve };
};

// What was typed may stay, but for what nobody should find there later.
const forgetSecrets = (form) => {
  const secrets = "[autocomplete$=password], [autocomplete=one-time-code]";
  for (const field of form?.querySelectorAll(secrets) ?? []) field.value = "";
};

export const AccountForm = ({
  action,
  method,
  sentences,
  problemId,
  done,
  confirmPage,
  endsSession,
  onDone,
  className,
  children,
}) => {
  const form = useRef(null);
  const [problem, setProblem] = useState("");
  const [isDone, setIsDone] = useState(false);
  const [sending, setSending] = useState(false);

  const submit = async (event) => {
    event.preventDefault();
    if (sending) return;
    setProblem("");
    setIsDone(false);
    setSending(true);
    try {
      const { answer, said, gone } = await ask(action, method, confirmPage, asJson(form.current));
      if (gone) return;
      if (!answer.ok) return setProblem(said.message || sentences.Default);
      if (endsSession) {
        leave();
        return location.assign(said.url ?? "/signin");
      }
      if (typeof said.url === "string") return location.assign(said.url);
      forgetSecrets(form.current);
      setIsDone(true);
      onDone?.();
    } catch {
      setProblem(sentences.Offline);
    } finally {
      setSending(false);
    }
  };

  return (
    <form
      ref={form}
      className={`account-form ${className ?? ""}`}
      onSubmit={submit}
      onInput={() => setIsDone(false)}
      data-sending={sending || undefined}
      aria-busy={sending}
    >
      <p id={problemId || undefined} className="problem" role="alert">
        {problem}
      </p>
      <fieldset className="plain" disabled={sending}>
        {children}
      </fieldset>
      <p className="done" role="status">
        {isDone && done}
      </p>
    </form>
  );
};

const save = (blob, name) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
};

export const DownloadForm = ({ action, fileName, sentences, confirmPage, children }) => {
  const [problem, setProblem] = useState("");
  const [sending, setSending] = useState(false);

  const submit = async (event) => {
    event.preventDefault();
    if (sending) return;
    setProblem("");
    setSending(true);
    try {
      const { answer, said, gone } = await ask(action, "GET", confirmPage);
      if (gone) return;
      if (!answer.ok) return setProblem(said.message || sentences.Default);
      save(await answer.blob(), fileName);
    } catch {
      setProblem(sentences.Offline);
    } finally {
      setSending(false);
    }
  };

  return (
    <form className="account-form" onSubmit={submit} aria-busy={sending}>
      <p className="problem" role="alert">
        {problem}
      </p>
      <fieldset className="plain" disabled={sending}>
        {children}
      </fieldset>
    </form>
  );
};

const TAKEN = "image/png,image/jpeg,image/webp";

export const PictureField = ({ action, label, sentences, confirmPage, onDone }) => {
  const field = useRef(null);
  const [problem, setProblem] = useState("");
  const [sending, setSending] = useState(false);

  const choose = async ({ target }) => {
    const [file] = target.files;
    if (!file) return;
    setProblem("");
    setSending(true);
    try {
      const { answer, said, gone } = await ask(action, "PUT", confirmPage, { body: file });
      if (gone) return;
      if (!answer.ok) return setProblem(said.message || sentences.Default);
      onDone?.();
    } catch {
      setProblem(sentences.Offline);
    } finally {
      setSending(false);
      field.current.value = "";
    }
  };

  return (
    <div className="picture-field">
      <p className="problem" role="alert">
        {problem}
      </p>
      <label className="small-button" aria-busy={sending}>
        {label}
        <input
          ref={field}
          type="file"
          className="unseen"
          accept={TAKEN}
          disabled={sending}
          onChange={choose}
        />
      </label>
    </div>
  );
};

export const AddressProblem = ({ sentences }) => {
  const [problem, setProblem] = useState("");
  useEffect(() => {
    const word = new URLSearchParams(location.search).get("error");
    if (word) setProblem(meaning(sentences, word));
  }, []);
  return (
    <p className="problem" role="alert">
      {problem}
    </p>
  );
};
