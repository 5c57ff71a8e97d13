// A field for a drawing or a photo, what the network says of it, and the images that were kept.
//
// Python answers each picture that is sent; see the class Canvas for what goes to and fro.

const SIDE = 224;  // pixels of the field
const STEP = 8;  // pixels that an arrow key moves by; a part that is cut out has as many at least
const AS_IT_IS = 9e5;  // bytes; JupyterLab cuts the connection at a message of 10 MB, Colab of 1
const UNTOUCHED = { turns: 0, crop: [0, 0, 1, 1], other_way: false };
/** @type {Record<string, number[]>} */
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const LABELS = {
  drawing: "Field to draw a garment in. Arrow keys move the pen, Space puts it down and lifts it.",
  photo: "The photo. Arrow keys move; Space in two corners marks the part that is cut out.",
};

const FRAME = `
  <div class="board">
    <div>
      <div class="tools">
        <button type="button" class="upload">photo …</button>
        <input type="file" accept="image/*" aria-label="photo" hidden>
        <button type="button" class="undo">undo</button>
        <button type="button" class="clear">clear</button>
      </div>
      <div class="field">
        <canvas width="${SIDE}" height="${SIDE}" tabindex="0" role="application"></canvas>
        <p class="hint">Draw a garment here<br>and fill it in</p>
        <span class="cursor" hidden></span>
      </div>
      <div class="tools of-drawing">
        <label>pen <input type="range" class="size" min="8" max="48" value="22"></label>
      </div>
      <div class="tools of-photo">
        <button type="button" class="turn">turn by 90°</button>
        <button type="button" class="other-way">invert</button>
        <span>Drag over the garment to cut it out.</span>
      </div>
    </div>
    <div class="fmnist-answer">
      <p class="said" aria-live="polite"></p>
      <div class="tools keeping">
        <label>It is: <select><option value="">choose</option></select></label>
        <button type="button" class="keep">keep it</button>
      </div>
      <div class="steps"></div>
      <div class="map"></div>
    </div>
  </div>
  <div class="gallery"></div>
  <div class="tools"><button type="button" class="take-back">take back the last</button></div>`;

// ----------------------------------------------------------------- where things lie in the field

/** @typedef {{left: number, top: number, width: number, height: number}} Box */

/** Where an image of this size lies in the field: as large as it can be, in the middle.
 * @param {number} width
 * @param {number} height
 * @returns {Box} */
export function fitted(width, height) {
  const scale = SIDE / Math.max(width, height);
  const [wide, high] = [width * scale, height * scale];
  return { left: (SIDE - wide) / 2, top: (SIDE - high) / 2, width: wide, height: high };
}

/** The part of a box between two corners: its left, upper, right and lower edge as shares of the
 * box; nothing where it is too small to be meant.
 * @param {number[][]} corners
 * @param {Box} box
 * @returns {undefined | number[]} */
export function cutOut(corners, { left, top, width, height }) {
  /** @type {(axis: number, from: number, length: number) => number[]} */
  const shares = (axis, from, length) => corners
    .map((corner) => Math.min(1, Math.max(0, (corner[axis] - from) / length)))
    .sort((one, other) => one - other);
  const [x, toX] = shares(0, left, width), [y, toY] = shares(1, top, height);
  const large = (toX - x) * width >= STEP && (toY - y) * height >= STEP;
  return large ? [x, y, toX, toY] : undefined;
}

/** Where the same part lies once the photo is turned clockwise by 90°.
 * @param {number[]} crop */
export function turned([left, top, right, bottom]) {
  return [1 - bottom, left, 1 - top, right];
}

/** Where a key leads from a place in the field.
 * @param {string} key
 * @param {number[]} place */
export function moved(key, place) {
  return place.map((at, axis) => Math.min(SIDE, Math.max(0, at + STEP * MOVES[key][axis])));
}

// ----------------------------------------------------------------------------------- the photo

/** A photo as a JPEG whose longer side has so many pixels.
 * @param {Blob} file
 * @param {number} largest
 * @returns {Promise<Blob>} */
async function smaller(file, largest) {
  const image = await createImageBitmap(file);  // upright, as a phone has noted it
  const scale = Math.min(1, largest / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, image.width * scale);
  canvas.height = Math.max(1, image.height * scale);
  const pen = canvas.getContext("2d");
  pen.fillStyle = "white";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
}

/** A file that is small enough for one message.
 * @param {File} file
 * @param {number} largest
 * @returns {Promise<Blob>} */
async function sendable(file, largest) {
  if (file.size <= AS_IT_IS) return file;
  return smaller(file, largest).catch(() => {
    const size = `${(file.size / 1e6).toFixed(1)} MB`;
    throw Error(`it has ${size}, and this browser can't make it smaller. Give a JPEG or PNG.`);
  });
}

/** What Python answers, about the picture that was sent as number `turn`.
 * @typedef {{turn: number, said: string, steps: string, kept: boolean, preview: string,
 *            map: string}} Answer */

/** @typedef {{names: string[], gallery: string, largest: number}} Model */

/** @param {{model: import("@anywidget/types").AnyModel<Model>, el: HTMLElement}} view */
function render({ model, el }) {
  el.classList.add("fmnist", "fmnist-own");
  el.innerHTML = FRAME;
  /** @type {(selector: string) => any} */
  const part = (selector) => el.querySelector(selector);
  const canvas = part("canvas"), cursor = part(".cursor"), upload = part("[type=file]");
  const pen = canvas.getContext("2d");
  const choice = part("select");
  choice.append(...model.get("names").map((name, label) => new Option(name, String(label))));

  // JupyterLab's own keys, such as arrows from cell to cell; it looks at what has the focus.
  for (const each of el.querySelectorAll("button, canvas, input, select")) {
    each.setAttribute("data-lm-suppress-shortcuts", "true");
  }

  // Either a drawing or a photo is in the field, never both.
  /** @type {{width: number, points: number[][]}[]} */
  let strokes = [];
  /** @type {null | {name: string, file: Promise<Blob>, edits: typeof UNTOUCHED[],
   *                  image: HTMLImageElement | null}} */
  let photo = null;
  /** @type {null | number[][]} two corners of what is being marked */
  let marked = null;
  let down = false;  // the pen, or the mouse that marks
  let place = [SIDE / 2, SIDE / 2];  // of the pen, for those who use keys
  let newest = 0;  // what has been overtaken meanwhile is neither sent nor shown

  // ------------------------------------------------------------------------------- the field

  const frame = () => fitted(photo.image.width, photo.image.height);
  const paintStroke = ({ width, points }) => {
    const [[x, y]] = points;
    pen.lineWidth = width;
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(x + 0.1, y);  // a click leaves a dot
    points.forEach((point) => pen.lineTo(...point));
    pen.stroke();
  };
  const paintPhoto = () => {
    if (!photo.image) return;
    const box = frame();
    pen.drawImage(photo.image, box.left, box.top, box.width, box.height);
    const [left, top, right, bottom] = photo.edits.at(-1).crop;
    const [[x, y], [toX, toY]] = marked || [
      [box.left + left * box.width, box.top + top * box.height],
      [box.left + right * box.width, box.top + bottom * box.height],
    ];
    pen.fillStyle = "rgb(255 255 255 / 65%)";  // over what is left out
    const outside = new Path2D();
    outside.rect(0, 0, SIDE, SIDE);
    outside.rect(x, y, toX - x, toY - y);
    pen.fill(outside, "evenodd");
    pen.lineWidth = 2;
    pen.strokeRect(x, y, toX - x, toY - y);
  };
  const paint = () => {
    pen.fillStyle = "white";
    pen.fillRect(0, 0, SIDE, SIDE);
    pen.strokeStyle = "black";
    pen.lineCap = pen.lineJoin = "round";
    if (photo) paintPhoto(); else strokes.forEach(paintStroke);
    part(".hint").hidden = photo !== null || strokes.length > 0;
    part(".of-photo").hidden = !photo;
    part(".of-drawing").hidden = photo !== null;
    part(".undo").disabled = photo ? photo.edits.length < 2 : !strokes.length;
    part(".clear").disabled = !photo && !strokes.length;
    part(".other-way").setAttribute("aria-pressed", Boolean(photo?.edits.at(-1).other_way));
    canvas.setAttribute("aria-label", photo ? LABELS.photo : LABELS.drawing);
  };

  const begin = (point) => {
    down = true;
    if (photo) marked = [point, point];
    else strokes.push({ width: part(".size").valueAsNumber, points: [point] });
    paint();
  };
  const extend = (point) => {
    if (!down) return;
    if (photo) marked[1] = point; else strokes.at(-1).points.push(point);
    paint();
  };
  const end = () => {
    if (!down) return;
    down = false;
    if (!photo) return ask();
    const crop = cutOut(marked, frame());
    marked = null;
    if (crop) edit({ crop }); else paint();
  };
  const edit = (change) => {
    photo.edits.push({ ...photo.edits.at(-1), ...change });
    ask();
  };

  canvas.onpointerdown = (event) => {
    if (event.button || photo && !photo.image) return;
    canvas.setPointerCapture(event.pointerId);
    cursor.hidden = true;
    begin([event.offsetX, event.offsetY]);
  };
  canvas.onpointermove = (event) => {  // not of a mouse that lies there while keys draw
    if (canvas.hasPointerCapture(event.pointerId)) extend([event.offsetX, event.offsetY]);
  };
  canvas.onpointerup = canvas.onpointercancel = end;  // cancelled: the system takes the pointer
  canvas.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in MOVES) {
      place = moved(event.key, place);
      extend(place);
    } else if (event.key == " ") {
      if (down) end(); else if (!photo || photo.image) begin(place);
    } else return;
    event.preventDefault();
    cursor.hidden = false;
    cursor.classList.toggle("down", down);
    [cursor.style.left, cursor.style.top] = place.map((at) => `${at}px`);
  };
  canvas.onblur = () => { cursor.hidden = true; end(); };

  // ------------------------------------------------------------------------------- the answer

  const show = (said, steps = "", kept = false) => {
    part(".said").textContent = said;
    part(".steps").innerHTML = steps;
    part(".map").replaceChildren();
    part(".keeping").hidden = !kept;
    choice.value = "";
    part(".keep").disabled = true;
  };
  const ask = async () => {
    const turn = ++newest;
    paint();
    if (!photo && !strokes.length) return show("");
    const name = photo ? photo.name : "the drawing";
    const given = photo ? photo.edits.at(-1) : UNTOUCHED;
    show(`${name} …`);
    try {
      const file = photo ? photo.file : new Promise((done) => canvas.toBlob(done));
      const buffer = await (await file).arrayBuffer();
      if (turn != newest) return;
      const asked = { what: "ask", turn, name, drawing: !photo, ...given };
      model.send(asked, undefined, [new DataView(buffer)]);
    } catch (error) {
      if (turn == newest) show(`${name} can't be read: ${error.message}`);
    }
  };
  /** @param {Answer} answer */
  const answered = ({ turn, said, steps, kept, preview, map }) => {
    if (turn != newest) return;
    if (map) return void (part(".map").innerHTML = map);
    show(said, steps, kept);
    if (!preview) return;
    const image = new Image();
    image.onload = () => {
      if (turn != newest) return;
      photo.image = image;
      paint();
    };
    image.src = preview;
  };

  // ------------------------------------------------------------------------------ the buttons

  part(".upload").onclick = () => upload.click();
  upload.onchange = () => {
    const file = upload.files[0];
    upload.value = "";  // the same file can be chosen again
    if (!file) return;
    strokes = [];
    const small = sendable(file, model.get("largest"));
    photo = { name: file.name, file: small, edits: [UNTOUCHED], image: null };
    ask();
  };
  part(".undo").onclick = () => {
    (photo ? photo.edits : strokes).pop();
    ask();
  };
  part(".clear").onclick = () => {
    strokes = [];
    photo = null;
    ask();
    canvas.focus({ preventScroll: true });
  };
  part(".turn").onclick = () => {
    const { turns, crop } = photo.edits.at(-1);
    edit({ turns: (turns + 1) % 4, crop: turned(crop) });
  };
  part(".other-way").onclick = () => edit({ other_way: !photo.edits.at(-1).other_way });
  choice.onchange = () => { part(".keep").disabled = choice.value === ""; };
  part(".keep").onclick = () => {
    model.send({ what: "keep", label: Number(choice.value) });
    part(".keeping").hidden = true;  // each is kept once
  };
  part(".take-back").onclick = () => model.send({ what: "take back" });
  const showGallery = () => {
    part(".gallery").innerHTML = model.get("gallery");
    part(".take-back").hidden = !model.get("gallery");
  };

  model.on("msg:custom", answered);
  model.on("change:gallery", showGallery);
  showGallery();
  ask();
  return () => {
    model.off("msg:custom", answered);
    model.off("change:gallery", showGallery);
  };
}

export default { render };
