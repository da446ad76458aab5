/** The check-in photo: a live picture, one press to take it, another to take it again, then it is sent. */

import { Camera, mount as mountDoctor, Pencil, selfView } from "./camera.js";
import { call, csrfHeaders } from "./http.js";
import { words as pageWords } from "./words.js";

const [WIDTH, HEIGHT, QUALITY] = [640, 480, 0.9];

export async function mount(element) {
  const settings = JSON.parse(document.getElementById("photo").textContent);
  const words = pageWords();
  const part = (name) => element.querySelector(`[data-${name}]`);
  const [video, still, take, again, use, say] = ["self-view", "still", "take", "again", "use", "say"].map(part);
  const camera = new Camera();
  const pencil = new Pencil(WIDTH, HEIGHT);
  let photo = null;
  const doctor = mountDoctor(part("doctor"), { camera, open, words: words.camera });

  async function open(deviceId = null) {
    try {
      await camera.open(deviceId);
    } catch (error) {
      await doctor.show(error);
      part("frame").hidden = true;
      take.disabled = true;
      return;
    }
    doctor.hide();
    part("frame").hidden = false;
    part("frame-say").hidden = true;
    selfView(element, camera);
    take.disabled = false;
  }

  function look(taken) {
    video.hidden = taken;
    still.hidden = !taken;
    take.hidden = taken;
    again.hidden = !taken;
    use.hidden = !taken;
  }

  take.addEventListener("click", async () => {
    if (!camera.draw(pencil.context, WIDTH, HEIGHT)) return void (say.textContent = words.photo.noPicture);
    photo = await pencil.blob(QUALITY);
    URL.revokeObjectURL(still.src);
    still.src = URL.createObjectURL(photo);
    look(true);
    say.textContent = words.photo.taken;
    use.focus();
  });

  again.addEventListener("click", () => {
    look(false);
    say.textContent = "";
    take.focus();
  });

  use.addEventListener("click", async () => {
    use.disabled = true;
    say.textContent = words.photo.sending;
    try {
      const { status, body } = await call(settings.url, {
        method: "POST",
        headers: { ...csrfHeaders(), "Content-Type": "image/jpeg" },
        body: photo,
        timeout: 30_000,
      });
      if (status !== 200) throw new Error(`photo ${status}`);
      camera.close();
      location.assign(body.next);
    } catch {
      say.textContent = words.photo.notSent;
      use.disabled = false;
    }
  });

  camera.addEventListener("lost", () => doctor.show(new DOMException("", "AbortError")));
  await open();
}
