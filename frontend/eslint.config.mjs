import next from "@next/eslint-plugin-next";
import hooks from "eslint-plugin-react-hooks";
import typescript from "typescript-eslint";

export default typescript.config(
  { ignores: [".next/", "next-env.d.ts"] },
  typescript.configs.strict,
  { plugins: { "@next/next": next }, rules: next.configs["core-web-vitals"].rules },
  { plugins: { "react-hooks": hooks }, rules: hooks.configs.recommended.rules },
  // A test that finds no element fails, which is what the mark says.
  { files: ["tests/**"], rules: { "@typescript-eslint/no-non-null-assertion": "off" } },
);
