// @ts-check
// A secret that is shown once: an API key, or a link that lets a user in. It is never kept in the
// page's state on the server.
//
// <div class="shown-once"><h3 tabindex="-1">…<p>…<code class="secret">…
//   <div class="buttons"><button>Copy</button><button>Done</button>
//   <p class="sr-only" role="status">   that it was copied

import { useEffect, useRef, useState } from "react";
import { copyFrom } from "./clipboard.jsx";

/**
 * @param {{
 *   title: string,
 *   lead: string,
 *   value: string,
 *   onDone?: () => void,
 * }} props
 */
export const ShownOnce = ({ title, lead, value, onDone }) => {
  const top = useRef(/** @type {HTMLHeadingElement | null} */ (null));
  const [said, setSaid] = useState("");
  // biome-ignore lint/correctness/useExhaustiveDependencies: another secret is announced too
  useEffect(() => {
    setSaid("");
    top.current?.focus();
  }, [value]);
  /** @param {HTMLButtonElement} button */
  const copy = async (button) => {
    setSaid("");
    setSaid(await copyFrom(button, value));
  };
  return (
    <div className="shown-once">
      <h3 ref={top} tabIndex={-1}>
        {title}
      </h3>
      <p className="section-lead">{lead}</p>
      <code className="secret">{value}</code>
      <div className="buttons">
        <button type="button" className="button" onClick={(event) => copy(event.currentTarget)}>
          Copy
        </button>
        <button type="button" className="small-button" onClick={() => onDone?.()}>
          Done
        </button>
      </div>
      <p className="sr-only" role="status">
        {said}
      </p>
    </div>
  );
};
