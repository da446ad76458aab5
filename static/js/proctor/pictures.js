/**
 * Drawing live pictures. Each canvas takes decoded bitmaps as they are, which costs half of what `<img>` with
 * object addresses does and leaves nothing behind to free.
 */

export class Picture {
  #canvas;
  #context;
  #pending = false;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("bitmaprenderer");
  }

  /** @returns whether it was drawn; a picture that comes while the one before is being decoded is skipped */
  async draw(blob) {
    if (this.#pending) return false;
    this.#pending = true;
    try {
      const bitmap = await createImageBitmap(blob);
      if (this.#canvas.width !== bitmap.width || this.#canvas.height !== bitmap.height) {
        this.#canvas.width = bitmap.width;
        this.#canvas.height = bitmap.height;
      }
      this.#context.transferFromImageBitmap(bitmap);
      return true;
    } catch {
      return false;
    } finally {
      this.#pending = false;
    }
  }

  clear() {
    this.#context.transferFromImageBitmap(null);
  }
}

/** Which canvases show which candidate, and when each candidate's picture was last drawn. */
export class Pictures {
  #shown = new Map();
  #drawnAt = new Map();
  #now;

  constructor(now) {
    this.#now = now;
  }

  /** @returns a function that stops showing the candidate there */
  show(attempt, canvas) {
    const picture = new Picture(canvas);
    const all = this.#shown.get(attempt) ?? new Set();
    this.#shown.set(attempt, all.add(picture));
    return () => {
      all.delete(picture);
      picture.clear();
      if (all.size === 0) this.#shown.delete(attempt);
    };
  }

  async frame(attempt, blob) {
    const drawn = await Promise.all([...(this.#shown.get(attempt) ?? [])].map((picture) => picture.draw(blob)));
    if (drawn.some(Boolean)) this.#drawnAt.set(attempt, this.#now());
  }

  /** Pictures are asked for from these candidates alone; for others silence says nothing. */
  keep(attempts) {
    const kept = new Set(attempts);
    for (const attempt of this.#drawnAt.keys()) if (!kept.has(attempt)) this.#drawnAt.delete(attempt);
  }

  /** After an interruption of ours the silence until now is nobody's. */
  forgive() {
    this.#drawnAt.clear();
  }

  get drawnAt() {
    return this.#drawnAt;
  }
}
