// @ts-check
import { useEffect, useState } from "react";

/**
 * Whether React has hydrated the prerendered page. A button that needs the script is marked as
 * disabled until then, because a click before would be lost.
 *
 * @returns {boolean}
 */
export const useHydrated = () => {
  const [isHydrated, setIsHydrated] = useState(false);
  useEffect(() => setIsHydrated(true), []);
  return isHydrated;
};
