// What only a browser can do with a passkey: make one, and show one. The server says what to ask
// for and proves what comes back.
import { useState } from "react";
import { useAlive } from "./alive.jsx";
import { askAnew, comeIn, localPath } from "./session.jsx";

// Somebody who closes the browser's own question has said no; that is no failure.
const wasDismissed = (error) => ["NotAllowedError", "AbortError"].includes(error?.name);

const isKnown = (error) => error?.name === "InvalidStateError";

const send = async (url, body) => {
  const answer = await fetch(url, {
    method: "POST",
    credentials: "include",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: body && JSON.stringify(body),
  });
  const said = await answer.json().catch(() => ({}));
  return { status: answer.status, ok: answer.ok, said };
};

const shown = async (options) => {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return JSON.stringify((await navigator.credentials.get({ publicKey })).toJSON());
};

const made = async (options) => {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return JSON.stringify((await navigator.credentials.create({ publicKey })).toJSON());
};

// One try at a time; what it says no with is shown below the button.
const useTry = (sentences) => {
  const [problem, setProblem] = useState("");
  const [trying, setTrying] = useState(false);
  const attempt = async (work) => {
    if (trying) return;
    setProblem("");
    if (typeof PublicKeyCredential === "undefined" || !PublicKeyCredential.parseRequestOptionsFromJSON)
      return setProblem(sentences.NoPasskeys);
    setTrying(true);
    try {
      setProblem((await work()) || "");
    } catch (error) {
      if (isKnown(error)) setProblem(sentences.Known);
      else if (error instanceof TypeError) setProblem(sentences.Offline);
      else if (!wasDismissed(error)) setProblem(sentences.PasskeyRefused);
    } finally {
      setTrying(false);
    }
  };
  return { problem, trying, attempt };
};

export const PasskeySignIn = ({ options, action, sentences, children }) => {
  const { problem, trying, attempt } = useTry(sentences);
  const isAlive = useAlive();

  const signIn = (event) => {
    const remember = event.currentTarget.form?.elements.remember?.checked;
    return attempt(async () => {
      const asked = await send(options);
      if (!asked.ok) return asked.said.message || sentences.Default;
      const fields = new URLSearchParams({
        credential: await shown(asked.said),
        callbackUrl: localPath(new URLSearchParams(location.search).get("callbackUrl")),
        ...(remember && { remember: "1" }),
      });
      return comeIn(action, fields, sentences);
    });
  };

  return (
    <div className="passkey">
      <button
        type="button"
        className="button wide plain"
        disabled={trying}
        aria-disabled={!isAlive}
        onClick={signIn}
      >
        {children}
      </button>
      <p className="problem below" role="alert">
        {problem}
      </p>
    </div>
  );
};

export const PasskeyConfirm = ({ options, action, sentences, children }) => {
  const { problem, trying, attempt } = useTry(sentences);

  const confirm = () =>
    attempt(async () => {
      const asked = await send(options);
      if (asked.status === 401) return askAnew();
      if (!asked.ok) return asked.said.message || sentences.Default;
      const callbackUrl = new URLSearchParams(location.search).get("callbackUrl") ?? "";
      const proved = await send(action, { credential: await shown(asked.said), callbackUrl });
      if (!proved.ok) return proved.said.message || sentences.Default;
      location.assign(proved.said.url);
    });

  return (
    <div className="passkey">
      <button type="button" className="button" disabled={trying} onClick={confirm}>
        {children}
      </button>
      <p className="problem below" role="alert">
        {problem}
      </p>
    </div>
  );
};

export const PasskeyAdd = ({ options, action, confirmPage, sentences, onDone, children }) => {
  const { problem, trying, attempt } = useTry(sentences);
  const [isDone, setIsDone] = useState(false);

  const add = (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    const name = new FormData(form).get("name"); // while its field can be used
    setIsDone(false);
    return attempt(async () => {
      const asked = await send(options);
      if (asked.status === 401) return askAnew();
      if (asked.said.error === "step_up_required")
        return location.assign(`${confirmPage}?callbackUrl=${encodeURIComponent(location.pathname)}`);
      if (!asked.ok) return asked.said.message || sentences.Default;
      const kept = await send(action, { credential: await made(asked.said), name });
      if (!kept.ok) return kept.said.message || sentences.Default;
      form.reset();
      setIsDone(true);
      onDone?.();
    });
  };

  return (
    <form className="account-form" onSubmit={add} aria-busy={trying}>
      <p className="problem" role="alert">
        {problem}
      </p>
      <fieldset className="plain" disabled={trying}>
        {children}
      </fieldset>
      <p className="done" role="status">
        {isDone && sentences.Added}
      </p>
    </form>
  );
};
