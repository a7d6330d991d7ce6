// Authlib, the Python library, in a process of its own.
import { run } from './parts.js';

// Made by ./run from requirements.txt.
export const PYTHON = process.env.TESSERA_PYTHON ?? new URL('.python/bin/python', import.meta.url).pathname;

// One question; see ask.py.
export async function authlib(question) {
  const out = await run(PYTHON, [new URL('ask.py', import.meta.url).pathname], { input: JSON.stringify(question) });
  return JSON.parse(out);
}
