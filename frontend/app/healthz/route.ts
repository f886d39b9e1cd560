export const dynamic = "force-dynamic";

// Alive, whatever the backend does: a backend that is down must not take the page down with it.
export function GET() {
  return Response.json({ status: "alive" });
}
