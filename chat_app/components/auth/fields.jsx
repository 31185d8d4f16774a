// @ts-check
// Input fields of sign-in and account forms: a password that can be shown, and a one-time code.

import { useEffect, useRef, useState } from "react";
import { useHydrated } from "../ui/use_hydrated.jsx";

/**
 * The field named `password`, with a button that shows what was typed.
 *
 * @param {{autoComplete?: string, describedBy?: string}} props
 */
export const PasswordField = ({ autoComplete = "current-password", describedBy }) => {
  const [isShown, setIsShown] = useState(false);
  return (
    <span className="password">
      <input
        id="password"
        name="password"
        className="field"
        type={isShown ? "text" : "password"}
        autoComplete={autoComplete}
        autoCapitalize="none"
        spellCheck={false}
        required
        aria-describedby={describedBy}
      />
      <button
        type="button"
        className="show"
        aria-controls="password"
        aria-label={isShown ? "Hide password" : "Show password"}
        onClick={() => setIsShown(!isShown)}
      >
        {isShown ? "Hide" : "Show"}
      </button>
    </span>
  );
};

/**
 * The field named `code`: six digits nearly always, for which a phone shows its number keys, or a
 * backup code, which has letters.
 *
 * @param {{describedBy?: string, offersBackup?: boolean}} props
 */
export const CodeField = ({ describedBy, offersBackup = true }) => {
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [isBackup, setIsBackup] = useState(false);
  const [wasChanged, setWasChanged] = useState(false);
  const isHydrated = useHydrated();

  // biome-ignore lint/correctness/useExhaustiveDependencies: the other kind is another element
  useEffect(() => {
    if (wasChanged) field.current?.focus();
  }, [isBackup, wasChanged]);

  const change = () => {
    setWasChanged(true);
    setIsBackup(!isBackup);
  };

  return (
    <div className="labelled">
      <label htmlFor="code">{isBackup ? "Backup code" : "Code"}</label>
      <input
        key={isBackup ? "backup" : "totp"}
        ref={field}
        id="code"
        name="code"
        className="field code"
        autoComplete={isBackup ? "off" : "one-time-code"}
        inputMode={isBackup ? "text" : "numeric"}
        autoCapitalize="characters"
        spellCheck={false}
        maxLength={isBackup ? 32 : 12}
        required
        aria-describedby={`code-hint ${describedBy}`}
      />
      <p id="code-hint" className="hint">
        {isBackup
          ? "Enter one of your backup codes. Each works once."
          : "Enter the 6-digit code from your authenticator app."}
      </p>
      {offersBackup && (
        <button
          type="button"
          className="text-button start"
          aria-disabled={!isHydrated}
          onClick={change}
        >
          {isBackup ? "Use the authenticator app" : "Use a backup code"}
        </button>
      )}
    </div>
  );
};
