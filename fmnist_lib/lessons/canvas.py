"""A field to draw in with mouse, pen or finger. The one piece of JavaScript in the course."""

import anywidget
import traitlets

DRAW = """
function render({ model, el }) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 224;
  canvas.style = "border:1px solid #777;touch-action:none;cursor:crosshair;background:white";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "field to draw a garment in; a photo can be uploaded instead");
  const clear = document.createElement("button");
  clear.textContent = "clear";
  const pen = canvas.getContext("2d");
  const wipe = () => { pen.fillStyle = "white"; pen.fillRect(0, 0, 224, 224); };
  wipe();
  pen.lineWidth = 22; pen.lineCap = pen.lineJoin = "round";
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
  canvas.onpointerup = () => {
    drawing = false;
    canvas.toBlob(async (blob) => {
      model.set("png", new DataView(await blob.arrayBuffer()));
      model.save_changes();
    });
  };
  clear.onclick = wipe;
  el.append(canvas, clear);
}
export default { render };
"""


class Canvas(anywidget.AnyWidget):
    """A white field of 224 × 224 pixels; `png` holds the drawing after each stroke."""

    _esm = DRAW
    png = traitlets.Bytes().tag(sync=True, from_json=lambda buffer, widget: bytes(buffer))
