// The server writes times in UTC. Here their tooltips are in the reader's time zone, and so are
// texts that name a minute.

const format = new Intl.DateTimeFormat(undefined, {
  dateStyle: "medium",
  timeStyle: "short",
});
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

for (const time of document.querySelectorAll("time[datetime]")) {
  const at = new Date(time.dateTime);
  if (Number.isNaN(at.getTime())) continue;
  const local = format.format(at);
  if (time.textContent.trim().endsWith("UTC")) time.textContent = local;
  time.title = `${local} (${zone})`;
}
