import { useEffect, useRef, useState } from "react";
import { useAlive } from "./alive.jsx";

// Six digits nearly always, for which a phone shows its number keys. A backup code has letters.
export const CodeField = ({ fieldId, describedBy, offersBackup }) => {
  const field = useRef(null);
  const [isBackup, setIsBackup] = useState(false);
  const [wasAsked, setWasAsked] = useState(false);
  const isAlive = useAlive();

  useEffect(() => {
    if (wasAsked) field.current.focus();
  }, [isBackup, wasAsked]);

  const change = () => {
    setWasAsked(true);
    setIsBackup(!isBackup);
  };

  const hint = `${fieldId}-hint`;
  return (
    <div className="labelled">
      <label htmlFor={fieldId}>{isBackup ? "Backup code" : "Code"}</label>
      <input
        key={isBackup ? "backup" : "moment"}
        ref={field}
        id={fieldId}
        name="code"
        className="field code"
        autoComplete={isBackup ? "off" : "one-time-code"}
        inputMode={isBackup ? "text" : "numeric"}
        autoCapitalize="characters"
        spellCheck={false}
        maxLength={isBackup ? 32 : 12}
        required
        aria-describedby={`${hint} ${describedBy}`}
      />
      <p id={hint} className="hint">
        {isBackup
          ? "One of the ten you kept; each works once."
          : "The six digits that your authenticator app shows now."}
      </p>
      {offersBackup && (
        <button
          type="button"
          className="text-button start"
          aria-disabled={!isAlive}
          onClick={change}
        >
          {isBackup ? "Use the app instead" : "Use a backup code"}
        </button>
      )}
    </div>
  );
};
