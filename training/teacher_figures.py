"""The embedding beside its teacher's: `python -m training.teacher_figures --data FOLDER [--model FOLDER]`.

Prints for both how well they tell events apart (`training/embedding_figures.py`), the teacher at several lengths, and
the Pearson correlation of their cosines over all pairs of reports.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from tokenizers import Tokenizer

from newswire.pipeline.analysis.analyze import Analyzer
from training.archives import unpack
from training.arguments import of_model
from training.embedding_figures import REPORTS, Report, agreement, event_f1, read_reports
from training.model import Teacher
from training.teacher import load_teacher, tokenizer_file
from training.vocabulary import piece_id

_LENGTHS = (64, 126, 500)


def taught(teacher: Teacher, tokenizer: Tokenizer, reports: Sequence[Report], tokens: int) -> list[Report]:
    """The reports with the teacher's embeddings of their first `tokens` sub-tokens, not centred."""
    prefix = tokenizer.encode("query:", add_special_tokens=False).ids
    found = []
    for report in reports:
        ids = tokenizer.encode(f"{report.title}\n{report.text}", add_special_tokens=False).ids[:tokens]
        row = torch.tensor([[piece_id(tokenizer, "<s>"), *prefix, *ids, piece_id(tokenizer, "</s>")]])
        with torch.no_grad():
            pooled = teacher.pooled(row, torch.ones_like(row))[0]
        found.append(replace(report, embedding=pooled.double().numpy()))
    return found


def main() -> None:
    arguments = of_model(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as work:
        reports = read_reports(Analyzer.load(arguments.model), unpack(arguments.data, Path(work)) / REPORTS)
    print(f"B-cubed F1 of parts of {len(reports)} reports: {event_f1(reports)}")
    teacher, tokenizer = Teacher(load_teacher(), torch.float32), Tokenizer.from_file(str(tokenizer_file()))
    for tokens in _LENGTHS:
        others = taught(teacher, tokenizer, reports, tokens)
        figure, alike = event_f1(others), agreement(reports, others)
        print(f"  the teacher, first {tokens} sub-tokens: {figure}; cosines correlate by {alike:.3f}")


if __name__ == "__main__":
    main()
