// Plays the frames of a sheet; nothing moves until the reader asks for it.
for (const player of document.querySelectorAll(".player")) {
  const [canvas, sheet, button, slider, note] = ["canvas", "img", "button", "input", "output"].map(
    (name) => player.querySelector(name));
  const notes = JSON.parse(player.dataset.notes);
  const columns = Number(player.dataset.columns);
  const mark = document.querySelector(".now");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const brush = canvas.getContext("2d");
  let timer = null;

  function draw() {
    const step = Number(slider.value);
    const { width, height } = canvas;
    brush.drawImage(sheet, (step % columns) * width, Math.floor(step / columns) * height,
      width, height, 0, 0, width, height);
    note.textContent = notes[step];
    slider.setAttribute("aria-valuetext", notes[step]);
    mark.hidden = false;
    mark.style.left = `${100 * (step + 0.5) / Number(mark.dataset.steps)}%`;
  }
  function stop() {
    clearInterval(timer);
    timer = null;
    button.textContent = "Play";
  }
  function advance() {
    slider.value = Number(slider.value) + 1;
    draw();
    if (slider.value === slider.max) stop();
  }
  function play() {
    if (slider.value === slider.max) slider.value = 0;
    draw();
    // At most two changes there and back in a second: no flashes.
    timer = setInterval(advance, calm.matches ? 1000 : 250);
    button.textContent = "Pause";
  }
  button.addEventListener("click", () => (timer === null ? play() : stop()));
  slider.addEventListener("input", () => { stop(); draw(); });
  // Also when the color scheme changes, which brings another sheet.
  sheet.addEventListener("load", draw);
  player.hidden = false;
  if (sheet.complete) draw();
}
