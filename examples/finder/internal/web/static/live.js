// The dashboard draws itself anew every five seconds while it is looked at. Without this file it still works.
const note = document.getElementById("live-note");
note.textContent = "Live";
async function refresh() {
  const live = document.getElementById("live");
  if (document.hidden || live.contains(document.activeElement)) return;
  try {
    const answer = await fetch(location.href, { signal: AbortSignal.timeout(4000), redirect: "error" });
    if (!answer.ok) throw new Error(answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    live.replaceWith(page.getElementById("live"));
    note.textContent = "Live";
  } catch {
    note.textContent = "No connection; trying again";
  }
}
setInterval(refresh, 5000);
