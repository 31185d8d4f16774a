import { useState } from "react";

export const PasswordField = ({ fieldId, autoComplete, describedBy }) => {
  const [shown, setShown] = useState(false);
  return (
    <span className="password">
      <input
        id={fieldId}
        name="password"
        className="field"
        type={shown ? "text" : "password"}
        autoComplete={autoComplete}
        autoCapitalize="none"
        spellCheck={false}
        required
        aria-describedby={describedBy}
      />
      <button
        type="button"
        className="show"
        aria-pressed={shown}
        aria-controls={fieldId}
        aria-label="Show password"
        onClick={() => setShown(!shown)}
      >
        {shown ? "Hide" : "Show"}
      </button>
    </span>
  );
};
