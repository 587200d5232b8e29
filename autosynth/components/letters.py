"""N-grams of the letters of tokens, from their codes: what words have in common that differ.

A tokenizer's vocabulary spells every token (`InputSpec.spellings`). It knows every byte, so that a
word that no training row has is cut into shorter tokens, and all its letters are there. N-grams
stand within a token, whose space before a word is one of its letters: they cross no words, as
those of the analyzer `char_wb` of scikit-learn, and not the cuts in a rare word either.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

# Of a letter in a key. Bytes are written as characters below 324 (Radford et al., 2019).
_BITS = 9
LEAST_GRAM, MOST_GRAM = 3, 6  # whose keys take 54 bits
# Letters of a token that are looked at: of sst2's 11,876 tokens 2 % have more.
MOST_LETTERS = 12
NO_GRAM = -1


def n_grams(most: int) -> int:
    """How many n-grams of 3 to `most` letters a token has at the most."""
    return sum(MOST_LETTERS - n + 1 for n in range(LEAST_GRAM, most + 1))


class Letters(nn.Module):
    """Keys (B, n) of the n-grams of 3 to `most` letters in texts (B, length), from their codes.

    The table of `codes` spellings is saved with the weights; a code without one has no n-grams.
    """

    table: Tensor

    def __init__(self, spellings: Sequence[str], codes: int, most: int) -> None:
        super().__init__()
        self.most = most
        table = torch.zeros(codes, MOST_LETTERS, dtype=torch.int16)
        for row, text in zip(table, spellings, strict=False):
            letters = [ord(letter) for letter in text[:MOST_LETTERS]]
            row[: len(letters)] = torch.tensor(letters, dtype=torch.int16)
        self.register_buffer("table", table)

    def forward(self, codes: Tensor) -> Tensor:
        """Keys of all tokens, `NO_GRAM` beyond the end of each."""
        letters, found = self.table[codes.long()].long(), []
        for n in range(LEAST_GRAM, self.most + 1):
            parts = letters.unfold(2, n, 1).unbind(-1)
            key = torch.zeros_like(parts[0])
            for part in parts:
                key = (key << _BITS) + part
            found.append(torch.where(parts[-1] > 0, key, NO_GRAM).flatten(1))
        return torch.cat(found, 1)
