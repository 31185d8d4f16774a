// Turning the second factor on: the secret and the codes pass from the server to the person and are
// kept nowhere in between, not in an event and not in the page's state on the server.
import { useEffect, useRef, useState } from "react";
import { CodeField } from "./code_field.jsx";
import { askAnew } from "./session.jsx";

const send = async (url, body) => {
  const answer = await fetch(url, {
    method: "POST",
    credentials: "include",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: body && JSON.stringify(body),
  });
  return { status: answer.status, ok: answer.ok, said: await answer.json().catch(() => ({})) };
};

const useSending = (sentences, confirmPage) => {
  const [problem, setProblem] = useState("");
  const [sending, setSending] = useState(false);
  const ask = async (url, body) => {
    if (sending) return null;
    setProblem("");
    setSending(true);
    try {
      const { status, ok, said } = await send(url, body);
      if (status === 401) askAnew();
      else if (said.error === "step_up_required")
        location.assign(`${confirmPage}?callbackUrl=${encodeURIComponent(location.pathname)}`);
      else if (!ok) setProblem(said.message || sentences.Default);
      return ok ? said : null;
    } catch {
      setProblem(sentences.Offline);
      return null;
    } finally {
      setSending(false);
    }
  };
  return { problem, sending, ask };
};

const Problem = ({ children }) => (
  <p id="factor-problem" className="problem" role="alert">
    {children}
  </p>
);

const BackupCodes = ({ codes, onKept }) => {
  const top = useRef(null);
  useEffect(() => top.current.focus(), []);
  const file = `data:text/plain;charset=utf-8,${encodeURIComponent(codes.join("\n") + "\n")}`;
  return (
    <div className="backup-codes">
      <h3 ref={top} tabIndex={-1}>
        Keep these codes
      </h3>
      <p className="section-lead">
        Each signs you in once when your authenticator is not at hand. They are shown only now.
      </p>
      <ol>
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ol>
      <div className="buttons">
        <a className="small-button" href={file} download="backup-codes.txt">
          Save as a file
        </a>
        <button type="button" className="button" onClick={onKept}>
          I have kept them
        </button>
      </div>
    </div>
  );
};

export const SecondFactorSetUp = ({ begin, confirm, confirmPage, sentences, onDone }) => {
  const { problem, sending, ask } = useSending(sentences, confirmPage);
  const [offer, setOffer] = useState(null);
  const [codes, setCodes] = useState(null);

  if (codes) return <BackupCodes codes={codes} onKept={onDone} />;

  const start = async () => setOffer(await ask(begin));

  const finish = async (event) => {
    event.preventDefault();
    const said = await ask(confirm, { code: new FormData(event.currentTarget).get("code") });
    if (said) setCodes(said.codes);
  };

  if (!offer)
    return (
      <div className="account-form">
        <Problem>{problem}</Problem>
        <button type="button" className="button" disabled={sending} onClick={start}>
          Set it up
        </button>
      </div>
    );
  return (
    <form className="account-form set-up" onSubmit={finish} aria-busy={sending}>
      <Problem>{problem}</Problem>
      <p>Scan this with your authenticator app, or type the key into it.</p>
      <img className="qr" src={offer.qr} alt="The key as a QR code" width="200" height="200" />
      <code className="secret" aria-label="The key">
        {offer.secret.match(/.{1,4}/g).join(" ")}
      </code>
      <fieldset className="plain" disabled={sending}>
        <CodeField fieldId="code" describedBy="factor-problem" offersBackup={false} />
        <button type="submit" className="button">
          Turn it on
        </button>
      </fieldset>
    </form>
  );
};

export const NewBackupCodes = ({ action, confirmPage, sentences, onDone }) => {
  const { problem, sending, ask } = useSending(sentences, confirmPage);
  const [codes, setCodes] = useState(null);
  const kept = () => {
    setCodes(null);
    onDone?.();
  };
  if (codes) return <BackupCodes codes={codes} onKept={kept} />;
  const renew = async () => setCodes((await ask(action))?.codes ?? null);
  return (
    <div className="account-form">
      <Problem>{problem}</Problem>
      <button type="button" className="small-button" disabled={sending} onClick={renew}>
        Make new codes
      </button>
    </div>
  );
};
