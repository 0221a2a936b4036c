// The player: picture, keys, speed, the line that is being said, jumps to a quote.

const audio = document.getElementById("audio");
if (audio) start(audio);

function start(audio) {
  const player = document.getElementById("player");
  const controls = document.getElementById("controls");
  const wave = player.querySelector(".wave");
  const now = controls.querySelector("[data-now]");
  const lines = [...document.querySelectorAll(".line[data-start]")];
  const starts = lines.map((line) => Number(line.dataset.start));
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  const length = () => (Number.isFinite(audio.duration) && audio.duration > 0 ? audio.duration : Number(player.dataset.duration));
  let current = -1;
  let touched = 0;

  audio.controls = false;
  audio.hidden = true;
  controls.hidden = false;

  // A pause before the sound has begun ends the promise of the sound, as was wished.
  const start = () => audio.play().catch((error) => { if (error.name !== "AbortError") throw error; });

  function seek(seconds, play = false) {
    audio.currentTime = Math.min(Math.max(seconds, 0), Math.max(length() - 0.05, 0));
    show();
    if (play) start();
  }

  function show() {
    const at = audio.currentTime;
    now.textContent = clock(at);
    if (wave) {
      const x = (wave.viewBox.baseVal.width * at) / length();
      wave.querySelector(".played").setAttribute("width", x);
      const cursor = wave.querySelector(".cursor");
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
    }
    highlight(at);
  }

  function highlight(at) {
    const index = last(starts, at + 0.05);
    if (index === current) return;
    lines[current]?.removeAttribute("aria-current");
    current = index;
    const line = lines[index];
    if (!line) return;
    line.setAttribute("aria-current", "true");
    if (!audio.paused && !calm.matches && Date.now() - touched > 4000) line.scrollIntoView({ block: "center", behavior: "smooth" });
  }

  function toggle() {
    if (audio.paused) start();
    else audio.pause();
  }

  for (const name of ["play", "pause", "ended"]) {
    audio.addEventListener(name, () => {
      controls.querySelector(".if-paused").hidden = !audio.paused;
      controls.querySelector(".if-playing").hidden = audio.paused;
    });
  }
  for (const name of ["timeupdate", "seeking", "loadedmetadata"]) audio.addEventListener(name, show);
  function ready() {
    player.setAttribute("data-ready", "true");
    performance.mark("player");
  }
  if (audio.readyState >= 1) ready();
  else audio.addEventListener("loadedmetadata", ready, { once: true });
  for (const name of ["wheel", "touchmove"]) window.addEventListener(name, () => { touched = Date.now(); }, { passive: true });

  const actions = { play: toggle, back: () => seek(audio.currentTime - 10), forward: () => seek(audio.currentTime + 10) };
  controls.addEventListener("click", (event) => actions[event.target.closest("[data-do]")?.dataset.do]?.());
  document.getElementById("speed").addEventListener("change", (event) => { audio.playbackRate = Number(event.target.value); });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-jump]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    seek(Number(link.dataset.jump), true);
    lines[current]?.scrollIntoView({ block: "center", behavior: calm.matches ? "auto" : "smooth" });
  });

  if (wave) {
    const point = (event) => {
      const box = wave.getBoundingClientRect();
      seek((length() * (event.clientX - box.left)) / box.width);
    };
    wave.addEventListener("pointerdown", (event) => { wave.setPointerCapture(event.pointerId); point(event); });
    wave.addEventListener("pointermove", (event) => { if (event.buttons) point(event); });
  }

  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, select, textarea, button, summary, a, [contenteditable]") && event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    if (event.target.closest("input, select, textarea") || event.ctrlKey || event.altKey || event.metaKey) return;
    const keys = {
      " ": toggle,
      ArrowLeft: () => seek(audio.currentTime - 5),
      ArrowRight: () => seek(audio.currentTime + 5),
      KeyK: () => seek(starts[Math.max(current - 1, 0)] ?? 0),
      KeyJ: () => seek(starts[Math.min(current + 1, starts.length - 1)] ?? 0),
    };
    const act = keys[event.key] ?? keys[event.code];
    if (!act) return;
    event.preventDefault();
    act();
  });
  // A link with ?t=SECONDS, as reports have it, opens the call at that moment.
  const wanted = Number(new URLSearchParams(location.search).get("t"));
  if (wanted > 0) {
    seek(wanted);
    lines[current]?.scrollIntoView({ block: "center" });
  }
  show();
}

function last(sorted, value) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function clock(seconds) {
  const whole = Math.floor(seconds);
  const pad = (value) => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}
