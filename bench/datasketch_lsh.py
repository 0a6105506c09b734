"""The counterpart: datasketch's MinHash and LSH over five-word shingles. Runs in a venv of its own.

Usage: python bench/datasketch_lsh.py FILE.json, a list of texts. Prints {"speed", "found"}: texts a CPU second, each
signed, asked for and put in, and the pairs that were found.
"""

import json
import re
import sys
import time
from pathlib import Path

from datasketch import MinHash, MinHashLSH

PERMUTATIONS = 128
THRESHOLD = 0.5
SHINGLE_WORDS = 5


def main(file: Path) -> None:
    """Take the CPU time for all texts."""
    texts = json.loads(file.read_text())
    lsh = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
    found = 0
    began = time.process_time()
    for number, text in enumerate(texts):
        words = re.findall(r"\w+", text.casefold())
        shingles = {" ".join(words[at : at + SHINGLE_WORDS]).encode() for at in range(len(words) - SHINGLE_WORDS + 1)}
        signature = MinHash(num_perm=PERMUTATIONS)
        signature.update_batch(list(shingles))
        found += len(lsh.query(signature))
        lsh.insert(number, signature)
    print(json.dumps({"speed": len(texts) / (time.process_time() - began), "found": found}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
