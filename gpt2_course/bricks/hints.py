"""A hint for each brick: the idea that is missing most often, not the solution."""

from __future__ import annotations

HINTS = {
    "merge": (
        "Build a new list. Before you append an ID, see whether it completes the pair with the last one in the list; "
        "then replace that one. In [1, 1, 1], the pair (1, 1) is merged once."
    ),
    "encode": (
        "Start from list(text.encode()). In a loop, list the neighbors that are in merges (itertools.pairwise gives "
        "neighbors), take the pair with the smallest new ID, and merge it everywhere. Stop when there is none."
    ),
    "decode": (
        "Make a dictionary from each ID to its bytes: first the 256 bytes, then each merge in order, as the bytes of "
        "its left part plus those of its right. Join all bytes before you decode: a character may need several "
        "tokens."
    ),
    "embed": (
        "table[ids] takes one row for each ID. Position t adds row t of the other table, so you need its first T rows."
    ),
    "layer_norm": (
        "Mean and variance are taken over the last dimension of each token, with keepdim=True. The variance is the "
        "mean of the squared deviations: x.var divides by C − 1 unless you say unbiased=False."
    ),
    "mask": (
        "torch.ones_like(scores, dtype=torch.bool).triu(1) is True above the diagonal, where the future is. "
        "masked_fill returns a new tensor and leaves scores as they are."
    ),
    "attention_weights": (
        "All scores at once are q @ k.T. Divide by the root of D, the last size of q; mask; and only then take the "
        "softmax of each row."
    ),
    "head": ("One matrix product: each row of the weights mixes the rows of v."),
    "split_heads": (
        "First cut the channels: view(T, H, D). Then move H to the front with transpose. A view with H first would "
        "mix up tokens and channels."
    ),
    "join_heads": ("Undo split_heads in the reverse order: transpose, then reshape to (T, H · D)."),
    "attention": (
        "(x @ w_qkv + b_qkv).chunk(3, dim=-1) gives queries, keys, and values. Split each into heads, call head for "
        "each number of a head, stack what they return, join, and end with @ w_out + b_out."
    ),
    "mlp": (
        "Three steps, in one line if you like: up, gelu, down. The gelu of torch.nn.functional needs "
        'approximate="tanh" to be GPT-2\'s.'
    ),
    "block": (
        "Twice the same pattern: x = x + something(layer_norm(x, …)). The sum continues with x itself, not with its "
        "normalized copy, and the second norm sees what attention has added."
    ),
    "gpt2": (
        "embed, then for w in layers(weights): x = block(x, w, n_heads), then the last layer norm. The output head is "
        '@ weights["wte.weight"].T.'
    ),
    "shift": ("Token t predicts token t + 1: all but the last on one side, all but the first on the other."),
    "cross_entropy": (
        "logits.log_softmax(-1) holds ln p of every token. gather picks one per row, if targets have the shape (T, "
        "1): targets[:, None]. The mean of these is negative, so turn its sign."
    ),
    "training_step": (
        "The mean over all tokens of all documents is not the mean of their means, because documents differ in "
        "length: join logits and targets with torch.cat first. Then zero_grad, backward, step, in this order."
    ),
    "top_k": (
        "logits.topk(k).values[-1] is the k-th largest. Everything below it becomes −∞. Ties stay, so compare with <."
    ),
    "temper": (
        "Divide before the softmax, not after. For a temperature of 0, build the answer by hand: zeros, and 1 at "
        "logits.argmax()."
    ),
    "top_p": (
        "Sort from large to small. A token stays while the sum of those before it is below p, so the one that reaches "
        "p stays, too. Put the survivors back at their IDs, and divide by their sum."
    ),
    "draw": (
        "With cumulative sums, the answer is how many of them are at most the number. Sums in float64, and a number "
        "stretched to the last of them, keep the answer below V."
    ),
    "generate": (
        "A loop with yield: predict from the last context IDs, choose from the last row, stop at end, append, yield. "
        "Copy ids first, or the caller's list grows."
    ),
    "read_tensors": (
        'int.from_bytes(data[:8], "little") is the length of the header, so the tensors begin at 8 plus it. '
        "torch.frombuffer reads numbers from bytes; offsets count from there. Skip __metadata__, and return float32."
    ),
}
