import { Items } from "../components/items";

// The revision is the running task's, not the build's: one image serves every stack.
export const dynamic = "force-dynamic";

export default function Page() {
  return (
    <main>
      <h1>Items</h1>
      <Items revision={process.env.REVISION ?? "development"} />
    </main>
  );
}
