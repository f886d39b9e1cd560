"use client";

import { type FormEvent, useEffect, useState } from "react";

export type Item = { id: number; name: string; created_at: string };

/** Calls the backend under this page's own origin, so that one image is right in every stack. */
async function call<T>(path: string, init?: RequestInit): Promise<T> {
  const answer = await fetch(path, init);
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return (await answer.json()) as T;
}

/** The list of items, a form that adds one, and which revisions run. */
export function Items({ revision }: { revision: string }) {
  const [items, setItems] = useState<Item[]>();
  const [backend, setBackend] = useState("unknown");
  const [problem, setProblem] = useState("");
  const [name, setName] = useState("");
  const [busy, setBusy] = useState(false);

  useEffect(() => {
    call<Item[]>("/api/items").then(setItems, (error: Error) => setProblem(`The list cannot be loaded: ${error.message}.`));
    call<{ revision: string }>("/api/revision").then(
      (answer) => setBackend(answer.revision),
      () => setBackend("unknown"),
    );
  }, []);

  async function add(event: FormEvent) {
    event.preventDefault();
    if (busy || name.trim() === "") return;
    setBusy(true);
    setProblem("");
    try {
      const added = await call<Item>("/api/items", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ name }),
      });
      setItems((before) => [added, ...(before ?? [])]);
      setName("");
    } catch (error) {
      setProblem(`The item was not added: ${(error as Error).message}.`);
    } finally {
      setBusy(false);
    }
  }

  return (
    <>
      <form onSubmit={add}>
        <label>
          New item
          <input value={name} maxLength={200} onChange={(event) => setName(event.target.value)} />
        </label>
        <button disabled={busy || name.trim() === ""}>Add</button>
      </form>
      <p role="alert">{problem}</p>
      {items === undefined ? problem === "" && <p>Loading…</p> : <List items={items} />}
      <footer>
        Frontend <code>{revision}</code>, backend <code>{backend}</code>
      </footer>
    </>
  );
}

function List({ items }: { items: Item[] }) {
  if (items.length === 0) return <p>Nothing here yet.</p>;
  return (
    <ul>
      {items.map((item) => (
        <li key={item.id}>{item.name}</li>
      ))}
    </ul>
  );
}
