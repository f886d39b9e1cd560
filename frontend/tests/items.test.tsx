import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { type Item, Items } from "../components/items";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

/** A backend that keeps items in memory; posts counts what it was sent. */
function backend(items: Item[], failing: string[] = []) {
  const posts: string[] = [];
  vi.stubGlobal("fetch", async (path: string, init?: RequestInit) => {
    if (failing.includes(`${init?.method ?? "GET"} ${path}`)) return new Response("no", { status: 503 });
    if (path === "/api/revision") return Response.json({ revision: "b".repeat(40) });
    if (init?.method !== "POST") return Response.json(items);
    const { name } = JSON.parse(init.body as string) as { name: string };
    posts.push(name);
    return Response.json({ id: 100 + posts.length, name: name.trim(), created_at: "" }, { status: 201 });
  });
  return posts;
}

const bread: Item = { id: 1, name: "bread", created_at: "" };

function type(text: string) {
  fireEvent.change(screen.getByLabelText("New item"), { target: { value: text } });
}

test("lists items and both revisions", async () => {
  backend([bread]);
  render(<Items revision="abc" />);
  await screen.findByText("bread");
  await screen.findByText("b".repeat(40));
  screen.getByText("abc");
});

test("says that the list is empty", async () => {
  backend([]);
  render(<Items revision="abc" />);
  await screen.findByText("Nothing here yet.");
});

test("adds an item on top and empties the field", async () => {
  const posts = backend([bread]);
  render(<Items revision="abc" />);
  await screen.findByText("bread");
  type("milk");
  fireEvent.click(screen.getByRole("button", { name: "Add" }));
  await screen.findByText("milk");
  expect(screen.getAllByRole("listitem").map((item) => item.textContent)).toEqual(["milk", "bread"]);
  expect((screen.getByLabelText("New item") as HTMLInputElement).value).toBe("");
  expect(posts).toEqual(["milk"]);
});

test("sends nothing twice and nothing blank", async () => {
  const posts = backend([]);
  render(<Items revision="abc" />);
  const form = (await screen.findByRole("button", { name: "Add" })).closest("form")!;
  type("   ");
  fireEvent.submit(form);
  type("milk");
  fireEvent.submit(form);
  fireEvent.submit(form);
  await screen.findByText("milk");
  expect(posts).toEqual(["milk"]);
});

test("tells of a list that cannot be loaded", async () => {
  backend([], ["GET /api/items"]);
  render(<Items revision="abc" />);
  await waitFor(() => expect(screen.getByRole("alert").textContent).toContain("/api/items answered 503"));
});

test("keeps what was typed when adding fails", async () => {
  backend([], ["POST /api/items"]);
  render(<Items revision="abc" />);
  type("milk");
  fireEvent.click(screen.getByRole("button", { name: "Add" }));
  await waitFor(() => expect(screen.getByRole("alert").textContent).toContain("was not added"));
  expect((screen.getByLabelText("New item") as HTMLInputElement).value).toBe("milk");
});
