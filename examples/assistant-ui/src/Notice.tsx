import { useEffect, useState } from "react";

/** Say why a change failed. */
export let show: (sentence: string) => void = () => {};

/** Wait for a change, and say why it failed: the list shows it as if it had succeeded, and then
 * takes it back. */
export async function reported<T>(change: Promise<T>): Promise<T> {
  try {
    return await change;
  } catch (error) {
    show(error instanceof Error ? error.message : String(error));
    throw error;
  }
}

/** Why the last change failed. */
export function Notice() {
  const [sentence, setSentence] = useState("");
  useEffect(() => {
    show = setSentence;
    return () => {
      show = () => {};
    };
  }, []);
  return (
    <div className="notice" role="alert">
      {sentence && (
        <>
          {sentence}
          <button type="button" onClick={() => setSentence("")}>
            Dismiss
          </button>
        </>
      )}
    </div>
  );
}
