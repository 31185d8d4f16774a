// @ts-check
// The highlighter with the languages that answers mostly hold; loaded when the first code block is.

import hljs from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import cpp from "highlight.js/lib/languages/cpp";
import csharp from "highlight.js/lib/languages/csharp";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import dockerfile from "highlight.js/lib/languages/dockerfile";
import go from "highlight.js/lib/languages/go";
import ini from "highlight.js/lib/languages/ini";
import java from "highlight.js/lib/languages/java";
import json from "highlight.js/lib/languages/json";
import markdown from "highlight.js/lib/languages/markdown";
import python from "highlight.js/lib/languages/python";
import ruby from "highlight.js/lib/languages/ruby";
import rust from "highlight.js/lib/languages/rust";
import shell from "highlight.js/lib/languages/shell";
import sql from "highlight.js/lib/languages/sql";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";

const LANGUAGES = {
  bash,
  cpp,
  csharp,
  css,
  diff,
  dockerfile,
  go,
  ini,
  java,
  json,
  markdown,
  python,
  ruby,
  rust,
  shell,
  sql,
  typescript,
  xml,
  yaml,
};
// The TypeScript grammar reads JavaScript too, and C is close enough to C++.
const ALIASES = {
  bash: ["sh", "zsh"],
  cpp: ["c", "h", "c++"],
  css: ["scss", "less"],
  json: ["json5", "jsonc"],
  python: ["python3", "py3"],
  typescript: ["javascript", "js", "jsx", "mjs", "cjs", "node", "ts", "tsx"],
};

for (const [name, language] of Object.entries(LANGUAGES)) hljs.registerLanguage(name, language);
for (const [languageName, names] of Object.entries(ALIASES)) {
  hljs.registerAliases(names, { languageName });
}

/**
 * @param {string} text
 * @param {string} language A name or alias.
 * @returns {string | null} HTML of `span`s with `hljs-` classes, or null when the language is unknown.
 */
export function highlight(text, language) {
  if (!hljs.getLanguage(language)) return null;
  return hljs.highlight(text, { language, ignoreIllegals: true }).value;
}
