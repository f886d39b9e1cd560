// The container's health check: ends with 0 while the server answers, and with 1 otherwise.
const url = `http://127.0.0.1:${process.env.PORT ?? 3000}/healthz`;
try {
  const answer = await fetch(url, { signal: AbortSignal.timeout(3000) });
  if (!answer.ok) throw new Error(`it answers ${answer.status}`);
} catch (error) {
  console.error(`healthcheck: ${url}: ${error.message}`);
  process.exitCode = 1;
}
