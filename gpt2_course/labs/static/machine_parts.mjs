/**
 * The parts of GPT-2 in the drawing: what each is called, its shape, what it does, and the tour through them.
 */

/**
 * The chapters' files, by number.
 * @type {Record<number, string>}
 */
export const CHAPTERS = {
  2: "02_tokenizer",
  3: "03_embeddings",
  4: "04_attention",
  5: "05_many_heads",
  6: "06_transformer_block",
  7: "07_gpt2",
  10: "10_writing",
};

/**
 * A part has a title, a shorter one for the drawing, a role that sets its color, a shape in letters, the chapter that
 * builds it, and the part it is in.
 * @typedef {{ title: string, short: string, role: string, shape: string, chapter: number, within: string, says: string
 *   }} Part
 */

/** @type {(...made: [string, string, string, string, number, string, string]) => Part} */
const part = (...[title, short, role, shape, chapter, within, says]) => ({
  title,
  short,
  role,
  shape,
  chapter,
  within,
  says,
});

/** @type {Record<string, Part>} */
export const PARTS = {
  whole: part(
    "The whole machine",
    "Whole",
    "stream",
    "",
    7,
    "",
    "Your sentence is split into tokens. Each token gets a lane of {C} numbers, the residual stream. In every block, " +
      "attention moves information between lanes, and an MLP (a dot) processes each lane on its own. The last lane " +
      "predicts the next token. Press a part to zoom in.",
  ),
  embeddings: part(
    "From tokens to numbers",
    "Embed",
    "token",
    "(T, C)",
    3,
    "whole",
    "Each token is a number, its ID. The ID picks a row from one table, the position picks a row from another, and " +
      "the two rows are added.",
  ),
  token_embedding: part(
    "Token embeddings",
    "Token",
    "token",
    "(T, C)",
    3,
    "embeddings",
    "Each token’s row of the embedding table: {C} numbers for what the token means. The table has {V} rows.",
  ),
  position_embedding: part(
    "Position embeddings",
    "Position",
    "position",
    "(T, C)",
    3,
    "embeddings",
    "Each position’s row of a second table: {C} numbers for where the token is. The table has {P} rows.",
  ),
  embedding: part(
    "The sum",
    "Sum",
    "stream",
    "(T, C)",
    3,
    "embeddings",
    "Both are added, number by number. This is the start of the residual stream.",
  ),
  block: part(
    "Block {l}",
    "Block",
    "stream",
    "(T, C)",
    6,
    "whole",
    "The residual stream runs down on the left. Attention reads it, lets the tokens exchange information, and adds " +
      "its result. Then the MLP does the same for each token on its own. Press a card to see its numbers.",
  ),
  norm_1: part(
    "Layer norm",
    "Norm",
    "norm",
    "(T, C)",
    6,
    "block",
    "Each row is shifted to mean 0 and scaled to standard deviation 1. Then each column gets a learned " +
      "weight and bias.",
  ),
  q: part(
    "Queries",
    "Queries",
    "query",
    "(T, C)",
    4,
    "block",
    "What each token is looking for. Every head has its own {D} columns.",
  ),
  k: part(
    "Keys",
    "Keys",
    "key",
    "(T, C)",
    4,
    "block",
    "What each token offers to the queries that look for it. Every head has its own {D} columns.",
  ),
  v: part(
    "Values",
    "Values",
    "value",
    "(T, C)",
    4,
    "block",
    "What each token hands over to the tokens that look at it. Every head has its own {D} columns.",
  ),
  scores: part(
    "Scores and mask",
    "Scores",
    "attention",
    "(T, T)",
    4,
    "block",
    "In each head, the query of each token (row) meets the key of each token (column): their dot product, divided by " +
      "√{D}. Scores of later tokens are crossed out, because no token may look ahead.",
  ),
  attention: part(
    "Attention weights",
    "Softmax",
    "attention",
    "(T, T)",
    4,
    "block",
    "Softmax turns each row of scores into weights that add up to 100%: how much the token looks at itself and at " +
      "each token before it.",
  ),
  heads: part(
    "Mixed values",
    "Mix",
    "value",
    "(T, C)",
    5,
    "block",
    "Each token takes the values of the tokens it looks at, in proportion to the weights. The results of all heads " +
      "are side by side.",
  ),
  attention_out: part(
    "Projection",
    "Project",
    "attention",
    "(T, C)",
    5,
    "block",
    "One more matrix blends the results of all heads. This is what attention adds to the stream.",
  ),
  after_attention: part(
    "Added to the stream",
    "Add",
    "stream",
    "(T, C)",
    6,
    "block",
    "The residual stream plus the output of attention. Nothing is replaced.",
  ),
  norm_2: part(
    "Layer norm",
    "Norm",
    "norm",
    "(T, C)",
    6,
    "block",
    "The same again, before the second half of the block.",
  ),
  mlp_expand: part(
    "MLP, expand",
    "Expand",
    "mlp",
    "(T, 4C)",
    6,
    "block",
    "Each token on its own: {C} numbers become {F}. Each column is a question about the token.",
  ),
  mlp_hidden: part(
    "GELU",
    "GELU",
    "mlp",
    "(T, 4C)",
    6,
    "block",
    "A nonlinearity: numbers far below 0 become 0, and numbers far above 0 stay as they are.",
  ),
  mlp_out: part(
    "MLP, shrink",
    "Shrink",
    "mlp",
    "(T, C)",
    6,
    "block",
    "Back to {C} numbers per token. This is what the MLP adds to the stream.",
  ),
  after_mlp: part(
    "Added to the stream",
    "Add",
    "stream",
    "(T, C)",
    6,
    "block",
    "The residual stream plus the output of the MLP. It leaves this block and enters the next part.",
  ),
  output: part(
    "From numbers to the next token",
    "Output",
    "token",
    "(V,)",
    10,
    "whole",
    "The last row of the stream is normalized and compared with the embedding of every token. The scores, called " +
      "logits, become probabilities.",
  ),
  final_norm: part(
    "Final norm",
    "Norm",
    "norm",
    "(1, C)",
    7,
    "output",
    "From here on, only the last token’s row is needed. It is normalized once more.",
  ),
  logits: part(
    "Logits",
    "Logits",
    "token",
    "(V,)",
    7,
    "output",
    "The row is multiplied by each token’s embedding, the same table as at the start. The higher the logit, the more " +
      "likely the token. These are the 10 highest of {V}.",
  ),
  probabilities: part(
    "Probabilities",
    "Softmax",
    "probability",
    "(V,)",
    10,
    "output",
    "Logits are divided by the temperature, then softmax makes them probabilities. Move the temperature: low makes " +
      "the model sure, high makes it daring.",
  ),
};

export const OPERATIONS_OF_A_BLOCK = Object.keys(PARTS).filter((name) => PARTS[name].within === "block");

/**
 * The stops of the tour: every operation of the first block, then the other blocks as a whole.
 * @param {number} layers
 * @returns {[part: string, layer: number][]}
 */
export function tour(layers) {
  /** @type {(name: string) => [string, number]} */
  const first = (name) => [name, 0];
  const later = Array.from({ length: layers - 1 }, (_, l) => /** @type {[string, number]} */ (["block", l + 1]));
  return [
    ...["whole", "token_embedding", "position_embedding", "embedding", "block", ...OPERATIONS_OF_A_BLOCK].map(first),
    ...later,
    ...["final_norm", "logits", "probabilities"].map(first),
  ];
}

/** @type {(part: string) => boolean} */
export const isInBlock = (part) => part === "block" || PARTS[part].within === "block";
