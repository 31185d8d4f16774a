import { useRef } from "react";
import { newClientId } from "./outbox.jsx";

export const Starter = ({ text, disabled, onSend, children }) => {
  // A second click is the same message, as the server sees it.
  const id = useRef(null);
  return (
    <button
      type="button"
      className="starter"
      disabled={disabled}
      onClick={() => onSend((id.current ??= newClientId()), text)}
    >
      {children}
    </button>
  );
};
