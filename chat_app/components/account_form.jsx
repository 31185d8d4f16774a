// What changes an account is an HTTP request: the session's cookie, which this script cannot read,
// says who asks and how lately they proved it.
import { useEffect, useRef, useState } from "react";
import { askAnew, leave, meaning } from "./session.jsx";

const send = async (form, action, method) => {
  const fields = Object.fromEntries(new FormData(form));
  const answer = await fetch(action, {
    method,
    credentials: "include",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify(fields),
  });
  const isJson = answer.headers.get("content-type")?.startsWith("application/json");
  return { answer, said: isJson ? await answer.json() : {} };
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
      const { answer, said } = await send(form.current, action, method);
      // The session is over: the guard shows what is left, which is the way in.
      if (answer.status === 401) return askAnew();
      if (said.error === "step_up_required") {
        const here = encodeURIComponent(location.pathname + location.search);
        return location.assign(`${confirmPage}?callbackUrl=${here}`);
      }
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
