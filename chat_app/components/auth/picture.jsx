// @ts-check
// The profile picture. It is drawn anew here, small and square, before it is sent: so a photo of any
// size can be chosen, and where and when it was taken never leaves the device.

import { useRef } from "react";
import { Problem } from "./forms.jsx";
import { accountRequest, RequestError, useRequest } from "./request.jsx";

const SIDE = 512; // pixels: the largest avatar on the densest screen
const QUALITY = 0.85;
const UNREADABLE = "This file can't be read. Choose a PNG, JPEG or WebP picture.";

/**
 * The middle of a picture as a small square file without metadata.
 *
 * @param {Blob} file
 * @returns {Promise<Blob>}
 * @throws {RequestError} The browser cannot read it.
 */
export const squared = async (file) => {
  const image = await createImageBitmap(file).catch(() => {
    throw new RequestError(UNREADABLE);
  });
  const side = Math.min(image.width, image.height);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = Math.min(side, SIDE);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const [left, top] = [(image.width - side) / 2, (image.height - side) / 2];
  context.imageSmoothingQuality = "high";
  context.drawImage(image, left, top, side, side, 0, 0, canvas.width, canvas.height);
  image.close();
  const webp = await encoded(canvas, "image/webp");
  if (webp?.type === "image/webp") return webp;
  // Safari writes no WebP, and JPEG knows no transparency.
  context.globalCompositeOperation = "destination-over";
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  const jpeg = await encoded(canvas, "image/jpeg");
  if (!jpeg) throw new RequestError(UNREADABLE);
  return jpeg;
};

/**
 * @param {HTMLCanvasElement} canvas
 * @param {string} type
 * @returns {Promise<Blob | null>}
 */
const encoded = (canvas, type) =>
  new Promise((resolve) => {
    canvas.toBlob(resolve, type, QUALITY);
  });

/**
 * A button that asks for a picture and uploads it.
 *
 * @param {{action: string, label: string, onDone?: () => void}} props
 */
export const PictureField = ({ action, label, onDone }) => {
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const { problem, busy, run } = useRequest();

  const choose = async () => {
    const file = field.current?.files?.[0];
    if (!file) return;
    await run(async () => {
      await accountRequest(action, { method: "PUT", body: await squared(file) });
      onDone?.();
    });
    if (field.current) field.current.value = "";
  };

  return (
    <div className="picture-field">
      <Problem>{problem}</Problem>
      <label className="small-button" aria-busy={busy}>
        {label}
        <input ref={field} type="file" className="sr-only" accept="image/*" onChange={choose} />
      </label>
    </div>
  );
};
