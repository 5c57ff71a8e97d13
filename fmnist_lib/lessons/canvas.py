"""A field to draw in, and a button for a photo. The one piece of JavaScript in the course."""

import anywidget
import traitlets

DRAW = """
const AS_IT_IS = 9e5;  // bytes; JupyterLab cuts the connection at a message of 10 MB, Colab of 1

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

function render({ model, el }) {
  const button = (text, click) => {
    const made = document.createElement("button");
    made.textContent = text;
    made.onclick = click;
    return made;
  };
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 224;
  canvas.style = "border:1px solid #777;touch-action:none;cursor:crosshair;background:white";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "field to draw a garment in; a photo can be uploaded instead");
  const pen = canvas.getContext("2d");
  const wipe = () => { pen.fillStyle = "white"; pen.fillRect(0, 0, 224, 224); };
  wipe();
  pen.lineWidth = 22; pen.lineCap = pen.lineJoin = "round";

  const answer = document.createElement("div");
  answer.className = "fmnist-answer";
  answer.style.minHeight = "170px";  // the page should not jump at every stroke
  let newest = 0;  // what has been overtaken meanwhile is neither sent nor shown
  const ask = async (name, picture) => {
    const turn = ++newest;
    answer.textContent = `${name} …`;
    try {
      const buffer = await (await picture()).arrayBuffer();
      if (turn == newest) model.send({ name, turn }, undefined, [new DataView(buffer)]);
    } catch (error) {
      if (turn == newest) answer.textContent = `${name} can't be read: ${error.message}`;
    }
  };
  model.on("msg:custom", ({ turn, html }) => { if (turn == newest) answer.innerHTML = html; });

  let drawing = false;
  canvas.onpointerdown = (event) => {
    drawing = true;
    canvas.setPointerCapture(event.pointerId);
    pen.beginPath(); pen.moveTo(event.offsetX, event.offsetY);
    pen.lineTo(event.offsetX + 0.1, event.offsetY); pen.stroke();
  };
  canvas.onpointermove = (event) => {
    if (drawing) { pen.lineTo(event.offsetX, event.offsetY); pen.stroke(); }
  };
  canvas.onpointerup = canvas.onpointercancel = () => {  // cancelled: the system takes the pointer
    drawing = false;
    ask("the drawing", () => new Promise((done) => canvas.toBlob(done)));
  };

  const upload = document.createElement("input");
  upload.type = "file";
  upload.accept = "image/*";
  upload.hidden = true;
  upload.onchange = () => {
    const file = upload.files[0];
    upload.value = "";  // the same file can be chosen again
    if (file) ask(file.name, async () => {
      if (file.size <= AS_IT_IS) return file;
      return smaller(file, model.get("largest")).catch(() => {
        const size = `${(file.size / 1e6).toFixed(1)} MB`;
        throw Error(`it has ${size}, and this browser can't make it smaller. Give a JPEG or PNG.`);
      });
    });
  };
  const clear = () => { newest++; wipe(); answer.textContent = ""; };
  el.append(button("photo", () => upload.click()), button("clear", clear), upload);
  el.append(document.createElement("br"), canvas, answer);
}
export default { render };
"""


class Canvas(anywidget.AnyWidget):
    """A white field of 224 × 224 pixels, a button to upload a photo, and a place for the answer.

    After each stroke and for each photo, what Python has set by `on_msg` gets {"name", "turn"} with
    the image file as a buffer. Its answer goes back by `send({"turn": …, "html": …})`. A photo of
    more than 0.9 MB is reduced before, to `largest` pixels at its longer side.
    """

    _esm = DRAW
    largest = traitlets.Int().tag(sync=True)
