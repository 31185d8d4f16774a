import { useEffect, useRef } from "react";

export const TitleField = ({ title, onSave, onCancel }) => {
  const field = useRef(null);
  const done = useRef(false);
  const byKey = useRef(false);

  useEffect(() => {
    const place = field.current.closest("li");
    done.current = false;
    field.current.focus();
    field.current.select();
    // Who works with the keyboard goes on from the row that the field was.
    return () => {
      if (byKey.current) requestAnimationFrame(() => place?.querySelector("a")?.focus());
    };
  }, []);

  const finish = (keep, pressed = false) => {
    if (done.current) return;
    done.current = true;
    byKey.current = pressed;
    const value = field.current.value.trim();
    if (keep && value && value !== title) onSave({ title: value });
    else onCancel();
  };

  return (
    <form
      className="rename"
      onSubmit={(event) => {
        event.preventDefault();
        finish(true, true);
      }}
    >
      <input
        ref={field}
        name="title"
        className="field small"
        defaultValue={title}
        maxLength={200}
        autoComplete="off"
        enterKeyHint="done"
        aria-label="New title"
        onBlur={() => finish(true)}
        onKeyDown={(event) => {
          if (event.key !== "Escape" || event.nativeEvent.isComposing) return;
          // The drawer around it stays open.
          event.preventDefault();
          event.stopPropagation();
          finish(false, true);
        }}
      />
    </form>
  );
};
