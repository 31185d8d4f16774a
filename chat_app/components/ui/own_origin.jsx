// @ts-check
// Where no gateway sends the pages, they can be opened under an origin that the server does not answer.

import { useEffect, useState } from "react";

/**
 * Shows its children when the page was opened under one of these origins, else the first of them.
 *
 * @param {{origins: string[], children?: import("react").ReactNode}} props
 */
export const OwnOrigin = ({ origins, children }) => {
  const [url] = origins;
  const [isOther, setIsOther] = useState(false);
  useEffect(() => setIsOther(!origins.includes(location.origin)), [origins]);
  if (!isOther) return children;
  return (
    <main className="bare-page not-found">
      <h1>Open {url}</h1>
      <p>This server does not accept requests from pages at {location.origin}.</p>
      <a className="button" href={url + location.pathname + location.search}>
        Open {url}
      </a>
    </main>
  );
};
