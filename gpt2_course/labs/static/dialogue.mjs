/**
 * Dialogues as text, and the answer in what a model wrote, like `gpt2_course/dialogue.py`, which explains why no
 * message can pretend to be several.
 *
 * @import { Turn } from "../types.d.ts"
 */

const MARKS = { system: "System:", user: "User:", assistant: "Assistant:" };
const STOP = /\n(?:System|User|Assistant):/; // what ends an answer
const LINE_BREAK = /\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]/g; // besides \n
const OUTER_SPACE = /^[\p{White_Space}\x1c-\x1f]+|(?<![\p{White_Space}\x1c-\x1f])[\p{White_Space}\x1c-\x1f]+$/gu;

/**
 * A text without white space around it, which in JavaScript's `trim` differs from Python's.
 * @param {string} text
 */
export const stripped = (text) => text.replace(OUTER_SPACE, "");

/**
 * The dialogue as text, up to where the assistant's answer begins.
 * @param {Turn[]} turns
 */
export function promptOf(turns) {
  const lines = turns.map(({ role, content }) => {
    const body = stripped(content).replace(LINE_BREAK, "\n").replaceAll("\n", "\n  ").replaceAll("<|", "< |");
    return `${MARKS[role]}${body && ` ${body}`}\n`;
  });
  return lines.join("") + MARKS.assistant;
}

/**
 * Whether a model that was to answer has begun another message.
 * @param {string} written
 */
export const isOver = (written) => STOP.test(written);

/**
 * The answer in what a model wrote, without indentation and without the next message or the beginning of one. For a
 * longer text, it always begins with the answer in a shorter one.
 * @param {string} written
 */
export function answerIn(written) {
  const [text] = written.split(STOP, 1);
  const at = text.lastIndexOf("\n");
  const line = text.slice(at + 1);
  const isCut = at >= 0 && Object.values(MARKS).some((mark) => mark.startsWith(line));
  return stripped(isCut ? text.slice(0, at) : text).replaceAll("\n  ", "\n");
}
