/**
 * Dialogues as text, and the answer in what a model wrote, like `gpt2_course/dialogue.py`, which explains why no
 * message can pretend to be several.
 *
 * @import { Turn } from "../types.d.ts"
 */

const MARKS = { system: "System:", user: "User:", assistant: "Assistant:" };
const ORDER = [">system", ">user", "system>user", "user>assistant", "assistant>user"]; // which role may follow which
/** The chat template of models trained on such dialogues, in Jinja: `TEMPLATE` in `gpt2_course/dialogue.py`. */
export const TEMPLATE = [
  "{%- set so_far = namespace(role='') -%}",
  "{%- for message in messages -%}",
  `{%- if so_far.role ~ '>' ~ message['role'] not in [${ORDER.map((pair) => `'${pair}'`).join(", ")}] -%}`,
  "{{- raise_exception('The roles must be an optional system, then user and assistant in turn.') -}}",
  "{%- endif -%}",
  "{%- set so_far.role = message['role'] -%}",
  "{%- set content = message['content'] | trim",
  ...["\\r\\n", "\\r", ..."\v\f\x1c\x1d\x1e\x85\u2028\u2029"].map((mark) => ` | replace('${mark}', '\\n')`),
  " | replace('\\n', '\\n  ') | replace('<|', '< |') -%}",
  "{{- message['role'] | capitalize ~ ':' ~ (' ' ~ content if content else '') ~ '\\n' -}}",
  "{%- endfor -%}",
  "{{- 'Assistant:' if add_generation_prompt else eos_token -}}",
].join("");
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
