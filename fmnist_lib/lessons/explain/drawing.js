// The field to draw in, by mouse, finger or keys, and the photos that are dropped on the page.

import { grey, prepare } from "./picture.js";

const FIELD = 224;  // its sides in pixels
const LARGEST = 1000;  // pixels of the longer side to which a photo is reduced
/** @type {Record<string, number[]>} rows down and columns to the right */
export const MOVES = {
  ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0],
};
/** @type {(selector: string) => any} */
export const part = (selector) => document.querySelector(selector);

/**
 * Make the field work; returns what empties it.
 * @param {(pixels: Uint8Array) => void} show gets 28 × 28 grey levels whenever something changes
 * @param {(text: string) => void} say gets what is wrong with a picture
 */
export function startDrawing(show, say) {
  const field = part("#drawing"), pen = field.getContext("2d", { willReadFrequently: true });
  const cursor = part(".cursor"), upload = part("[type=file]");
  let down = false, at = [FIELD / 2, FIELD / 2];  // of the pen, for those who use keys

  const clear = () => {
    pen.fillStyle = "white";
    pen.fillRect(0, 0, FIELD, FIELD);
    Object.assign(pen, { lineWidth: 22, lineCap: "round", lineJoin: "round" });
    part(".hint").hidden = false;
  };
  const take = (paper, name) => {
    const { width, height } = paper.canvas, { data } = paper.getImageData(0, 0, width, height);
    const pixels = prepare(grey(data), width, height);
    if (pixels) show(pixels);
    else say(`In ${name} nothing stands out from the background. The image before stays.`);
  };
  const stroke = (to) => {
    pen.beginPath();
    pen.moveTo(...at);
    pen.lineTo(to[0] + 0.1, to[1]);  // a click leaves a dot
    pen.stroke();
    at = to;
    part(".hint").hidden = true;
    requestAnimationFrame(() => take(pen, "the drawing"));
  };

  field.onpointerdown = (event) => {
    if (event.button) return;
    field.setPointerCapture(event.pointerId);
    at = [event.offsetX, event.offsetY];
    stroke(at);
  };
  field.onpointermove = (event) => {
    if (field.hasPointerCapture(event.pointerId)) stroke([event.offsetX, event.offsetY]);
  };
  field.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || !(event.key in MOVES) && event.key != " ") return;
    event.preventDefault();
    const [y, x] = MOVES[event.key] || [0, 0];
    if (event.key == " ") {
      down = !down;
      part("#spoken").textContent = down ? "pen down" : "pen up";
    }
    const to = [at[0] + 8 * x, at[1] + 8 * y].map((each) => Math.min(FIELD, Math.max(0, each)));
    if (down) stroke(to); else at = to;
    cursor.hidden = false;
    cursor.classList.toggle("down", down);
    [cursor.style.left, cursor.style.top] = at.map((each) => `${each}px`);
  };
  field.onblur = () => { down = false; cursor.hidden = true; };

  const takePhoto = async (file) => {
    if (!file) return;
    clear();
    try {
      const photo = await createImageBitmap(file);
      const scale = Math.min(1, LARGEST / Math.max(photo.width, photo.height));
      const [width, height] = [photo.width, photo.height]
        .map((side) => Math.max(1, Math.round(side * scale)));
      const paper = new OffscreenCanvas(width, height).getContext("2d");
      paper.imageSmoothingQuality = "high";
      paper.drawImage(photo, 0, 0, width, height);
      take(paper, file.name);
    } catch {
      say(`${file.name} can't be read as an image. Give a JPEG, PNG, GIF or WebP file.`);
    }
  };
  part("#photo").onclick = () => upload.click();
  upload.onchange = () => { takePhoto(upload.files[0]); upload.value = ""; };
  document.ondragover = (event) => event.preventDefault();
  document.ondrop = (event) => {
    event.preventDefault();
    takePhoto(event.dataTransfer.files[0]);
  };
  clear();
  return clear;
}
