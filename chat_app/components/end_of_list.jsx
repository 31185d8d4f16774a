import { useEffect, useRef } from "react";

export const EndOfList = ({ label, length, onReach }) => {
  const button = useRef(null);
  const reach = useRef(onReach);
  reach.current = onReach;

  // Observed anew after each page: a short page may leave the end in view.
  useEffect(() => {
    const near = new IntersectionObserver(
      ([entry]) => {
        if (!entry.isIntersecting) return;
        near.disconnect();
        reach.current();
      },
      { rootMargin: "240px" },
    );
    near.observe(button.current);
    return () => near.disconnect();
  }, [length]);

  return (
    <button ref={button} type="button" className="quiet-button more" onClick={() => onReach()}>
      {label}
    </button>
  );
};
