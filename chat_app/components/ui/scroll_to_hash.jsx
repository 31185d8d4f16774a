// @ts-check
import { useEffect } from "react";

/** Brings into view what the `#` of the URL names: the page is made after the browser looked for it. */
export const ScrollToHash = () => {
  useEffect(() => {
    document.getElementById(location.hash.slice(1))?.scrollIntoView();
  }, []);
  return null;
};
