// @ts-check
// Turning two-factor authentication on, and its backup codes. Secrets and codes are shown from the
// response and stay in this component: they never go through the page's state on the server.

import { useEffect, useRef, useState } from "react";
import { CodeField } from "./fields.jsx";
import { ActionForm, Problem } from "./forms.jsx";
import { accountRequest, useRequest } from "./request.jsx";

const PROBLEM_ID = "two-factor-problem";

/**
 * @param {{codes: string[], onSaved?: () => void}} props
 */
const BackupCodes = ({ codes, onSaved }) => {
  const top = useRef(/** @type {HTMLHeadingElement | null} */ (null));
  useEffect(() => top.current?.focus(), []);
  const file = `data:text/plain;charset=utf-8,${encodeURIComponent(`${codes.join("\n")}\n`)}`;
  return (
    <div className="backup-codes">
      <h3 ref={top} tabIndex={-1}>
        Save your backup codes
      </h3>
      <p className="section-lead">
        Each code works once, when you don't have your authenticator. You won't see them again.
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
          Download
        </a>
        <button type="button" className="button" onClick={onSaved}>
          I've saved them
        </button>
      </div>
    </div>
  );
};

/**
 * The steps from nothing to ten backup codes.
 *
 * @param {{begin: string, confirm: string, onDone?: () => void}} props `begin` is the route that
 *   makes a secret, `confirm` the one that takes the first code.
 */
export const TwoFactorSetUp = ({ begin, confirm, onDone }) => {
  const state = useRequest();
  const [offer, setOffer] = useState(/** @type {{qr: string, secret: string} | null} */ (null));
  const [codes, setCodes] = useState(/** @type {string[] | null} */ (null));
  const steps = useRef(/** @type {HTMLParagraphElement | null} */ (null));
  useEffect(() => {
    if (offer) steps.current?.focus(); // the button is gone
  }, [offer]);

  if (codes) return <BackupCodes codes={codes} onSaved={onDone} />;

  const start = () => state.run(async () => setOffer((await accountRequest(begin)).data));

  /** @param {HTMLFormElement} form */
  const finish = (form) => {
    const json = { code: new FormData(form).get("code") };
    return state.run(async () => setCodes((await accountRequest(confirm, { json })).data.codes));
  };

  if (!offer)
    return (
      <div className="account-form">
        <Problem id={PROBLEM_ID}>{state.problem}</Problem>
        <button type="button" className="button" disabled={state.busy} onClick={start}>
          Set up
        </button>
      </div>
    );
  return (
    <ActionForm
      className="account-form set-up"
      state={state}
      problemId={PROBLEM_ID}
      onSubmit={finish}
    >
      <p ref={steps} tabIndex={-1}>
        Scan this with your authenticator app, or enter the key there.
      </p>
      <img className="qr" src={offer.qr} alt="The key as a QR code" width="200" height="200" />
      <span className="sr-only">The key:</span>
      <code className="secret">{offer.secret.match(/.{1,4}/g)?.join(" ")}</code>
      <CodeField describedBy={PROBLEM_ID} offersBackup={false} />
      <button type="submit" className="button">
        Turn on
      </button>
    </ActionForm>
  );
};

/**
 * A button that makes ten new backup codes and shows them.
 *
 * @param {{action: string, onDone?: () => void}} props
 */
export const NewBackupCodes = ({ action, onDone }) => {
  const { problem, busy, run } = useRequest();
  const [codes, setCodes] = useState(/** @type {string[] | null} */ (null));

  const saved = () => {
    setCodes(null);
    onDone?.();
  };
  if (codes) return <BackupCodes codes={codes} onSaved={saved} />;

  const renew = () => run(async () => setCodes((await accountRequest(action)).data.codes));
  return (
    <div className="account-form">
      <Problem id={PROBLEM_ID}>{problem}</Problem>
      <button type="button" className="small-button" disabled={busy} onClick={renew}>
        Generate new codes
      </button>
    </div>
  );
};
