import { useEffect, useEffectEvent } from "react";

/** Between this user's tabs. What is sent has no content: a tab reads again what it shows. */
const channel = new BroadcastChannel("assistant-ui-example");

/** Tell the other tabs that something has changed. */
export const announce = () => channel.postMessage(null);

/** Call a function when another tab has changed something, and when the user or the network comes
 * back, because another device may have changed something meanwhile.
 *
 * @param onChange The function; it does nothing where nothing has changed.
 */
export function useChanges(onChange: () => unknown) {
  const look = useEffectEvent(() => {
    if (document.visibilityState === "visible") void onChange();
  });
  const tell = useEffectEvent(() => void onChange());
  useEffect(() => {
    channel.addEventListener("message", tell);
    document.addEventListener("visibilitychange", look);
    window.addEventListener("online", tell);
    return () => {
      channel.removeEventListener("message", tell);
      document.removeEventListener("visibilitychange", look);
      window.removeEventListener("online", tell);
    };
  }, []);
}
