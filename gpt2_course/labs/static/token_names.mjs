/**
 * How the labs show tokens. A token can end in the middle of a character, such as an emoji. Such a token cannot
 * be shown as text, so the labs show its bytes. `gpt2_course/labs/drawn.py` shows tokens in the same way.
 *
 * @import { Token } from "../types.d.ts"
 */
import { quoted, visible } from "./ui.mjs";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * A token's bytes in hexadecimal.
 * @param {Token} token
 */
export const bytesOf = ({ bytes }) => bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");

/**
 * Whether a token consists of whole characters.
 * @param {Token} token
 */
export function isWhole({ bytes }) {
  try {
    strict.decode(Uint8Array.from(bytes));
    return true;
  } catch {
    return false;
  }
}

/**
 * A token in a sentence: in quotation marks, or its bytes.
 * @param {Token} token
 */
export const nameOf = (token) => (isWhole(token) ? quoted(token.text) : bytesOf(token));

/**
 * A token on its own: with visible white space, or its bytes.
 * @param {Token} token
 */
export const labelOf = (token) => (isWhole(token) ? visible(token.text) : bytesOf(token));
