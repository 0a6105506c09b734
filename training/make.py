"""Make the news encoder end to end: `python -m training.make --data FOLDER --out FOLDER`.

FOLDER of the data holds the archives (ner, topics, topics-iptc, replay-rssarch) and iptc/; the other one receives the
work files and, in news-encoder-6/, the finished model. Steps whose work file exists are not done again.

With `--unrestricted` the sets are left out whose terms allow research or non-commercial use only (`UNRESTRICTED`).
"""

import argparse
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer

from newswire.pipeline.analysis.analyze import Analyzer
from newswire.pipeline.analysis.encoder import Encoder
from training import calibration, evaluate, export, model_files, thresholds
from training import tagging_data as tagging
from training import topic_data as topics
from training.archives import unpack
from training.batches import Batcher, Limits, TagBatch, TextBatch
from training.blend import write_blend
from training.concepts import TAXONOMY, write_concepts
from training.embedder import ROUNDS, EmbedderRecipe, build_text_batches, texts_of_documents, train_embedder
from training.memory import keep_freed
from training.model import Embedder, NewsEncoder, Teacher
from training.narrow import load
from training.optimise import Checkpoint
from training.precision import this_kind
from training.spread import openings, spread
from training.synthetic import war_reports
from training.teacher import TeacherWeights, load_teacher, tokenizer_file
from training.topic_figures import score
from training.train import TEXT_SETS, UNRESTRICTED, Recipe, centre_teacher, train
from training.variants import Names
from training.vocabulary import piece_id, trim, trim_words

log = logging.getLogger("training")


def read_topics(folder: Path, recipe: Recipe) -> list[topics.TopicText]:
    """Every topic set under the unpacked data folder, but for BBC's where the recipe leaves it out."""
    return [text for text in topics.read_all(folder) if recipe.bbc or not text.id.startswith("bbc-")]


def trim_vocabulary(folder: Path, out: Path, weights: TeacherWeights, recipe: Recipe) -> Tokenizer:
    """Trim the tokenizer to the data's pieces (as out/tokenizer.json), and the word vectors of `weights` with it."""
    kept, listing = out / "tokenizer.json", out / "pieces.pt"
    if not listing.is_file():
        ner = folder / "ner"
        documents = [
            *(tagging.read_conll(ner / "conll2003_en" / "train.conllu") if recipe.conll else ()),
            *(tagging.read_wikineural(ner / "wikineural") if recipe.wikineural else ()),
            *(tagging.read_ner_uk(ner / "ner_uk" / "train.iob") if recipe.ner_uk else ()),
            *tagging.read_factrueval(ner / "factrueval2016" / "devset"),
            *tagging.read_slavner(ner / "slavner", 600),
        ]
        texts = [document.text for document in documents] + list(topics.texts_of(read_topics(folder, recipe)))
        text, old = trim(tokenizer_file(), texts, recipe.vocabulary)
        kept.write_text(text, encoding="utf-8")
        torch.save(old, listing)
    old = torch.load(listing)
    weights.state["words"] = trim_words(weights.state["words"], old)
    return Tokenizer.from_file(str(kept))


def read_documents(folder: Path, recipe: Recipe) -> dict[str, list[tagging.TaggedDocument]]:
    """The entity sets that the recipe has, without the held-out documents."""
    ner = folder / "ner"
    documents = {
        "conll": tagging.read_conll(ner / "conll2003_en" / "train.conllu"),
        "ner_uk": [d for d in tagging.read_ner_uk(ner / "ner_uk" / "train.iob") if not tagging.held_out(d.id)],
        "factrueval": [
            d for d in tagging.read_factrueval(ner / "factrueval2016" / "devset") if not tagging.held_out(d.id)
        ],
        "wikineural": [d for d in tagging.read_wikineural(ner / "wikineural") if not tagging.held_out(d.id)],
        "slavner": tagging.read_slavner(ner / "slavner", 60),
        "wnut": tagging.read_wnut(ner / "wnut17"),
        "synthetic": war_reports(3000, recipe.seed),
    }
    return {name: found for name, found in documents.items() if getattr(recipe, name)}


def build_batches(data: Path, folder: Path, tokenizer: Tokenizer, recipe: Recipe) -> list[TagBatch | TextBatch]:
    """All batches of the run, shuffled; held-out documents are not among them."""
    batcher = Batcher(tokenizer, Limits(), recipe.seed)
    documents = read_documents(folder, recipe)
    batches: list[TagBatch | TextBatch] = []
    names = Names(document for found in documents.values() for document in found)
    for name, found in documents.items():
        batches += batcher.tagging(found, getattr(recipe, name), names)
    texts, _ = topics.split(read_topics(folder, recipe))
    texts += topics.read_taxonomy(data / TAXONOMY)
    for name in TEXT_SETS:
        chosen = [text for text in texts if text.id.startswith(f"{name}-")]
        batches += batcher.texts(chosen, getattr(recipe, name), join=name in ("iptc", "taxonomy"), windows=3)
    batcher.shuffle(batches)
    return batches


def make_checkpoint(data: Path, out: Path, recipe: Recipe) -> None:
    """Train the trunk with its heads, from archives to out/checkpoint.pt and out/tokenizer.json."""
    folder = unpack(data, out)
    torch.manual_seed(recipe.seed)
    weights = load_teacher()
    tokenizer = trim_vocabulary(folder, out, weights, recipe)
    batches = build_batches(data, folder, tokenizer, recipe)
    tokens = {
        kind.__name__: sum(b.ids.numel() for b in batches if isinstance(b, kind)) for kind in (TagBatch, TextBatch)
    }
    log.info("%d batches, sub-tokens %s", len(batches), tokens)
    teacher = Teacher(weights, this_kind())
    centre_teacher(teacher, [batch for batch in batches if isinstance(batch, TextBatch)][:40])
    model = NewsEncoder(weights, len(topics.TOPICS), recipe.layers)
    train(model, teacher, batches, recipe, Checkpoint(out / "checkpoint.pt"))


def load_encoder(out: Path, weights: TeacherWeights, recipe: Recipe) -> NewsEncoder:
    """The encoder of out/checkpoint.pt."""
    model = NewsEncoder(weights, len(topics.TOPICS), recipe.layers, dropout=0.0)
    load(model, Checkpoint(out / "checkpoint.pt"))
    return model


def embedder_checkpoint(out: Path, number: int) -> Checkpoint:
    """Where the embedder's weights are kept after round `number`, from 1."""
    return Checkpoint(out / f"embedder-{number}.pt")


def make_embedder(data: Path, out: Path, recipe: Recipe, rounds: Sequence[EmbedderRecipe]) -> None:
    """Train the embedder above the trunk that `load_encoder` loads; each round's weights go to a file of their own."""
    folder = out / "data"
    torch.manual_seed(recipe.seed)
    weights = load_teacher()
    tokenizer = trim_vocabulary(folder, out, weights, recipe)
    frame = piece_id(tokenizer, "<s>"), piece_id(tokenizer, "</s>")
    texts, _ = topics.split(read_topics(folder, recipe))
    texts += topics.read_taxonomy(data / TAXONOMY)
    for found in read_documents(folder, recipe).values():
        texts += texts_of_documents(found)
    model, embedder = load_encoder(out, weights, recipe), Embedder(weights, rounds[0].layers)
    for number, current in enumerate(rounds, 1):
        batches = build_text_batches(Batcher(tokenizer, Limits(), recipe.seed + number - 1), texts, current)
        tokens = sum(batch.ids.numel() for batch in batches)
        log.info("%d batches for round %d of the embedder, %d sub-tokens", len(batches), number, tokens)
        teacher = Teacher(weights, this_kind())
        centre_teacher(teacher, batches[:200])
        checkpoint = embedder_checkpoint(out, number)
        train_embedder(embedder, model, teacher, batches, frame, current, checkpoint, checkpoint.resume(embedder))


def finish(data: Path, out: Path, recipe: Recipe, rounds: Sequence[EmbedderRecipe]) -> Path:
    """From the checkpoints to the finished model folder: calibrated, thresholds chosen, through the shipped path."""
    weights = load_teacher()
    trim_vocabulary(out / "data", out, weights, recipe)
    model, embedder = load_encoder(out, weights, recipe), Embedder(weights, rounds[0].layers)
    embedder_checkpoint(out, len(rounds)).load(embedder)
    folder = out / export.NAME
    folder.mkdir(exist_ok=True)
    shutil.copy(out / "tokenizer.json", folder / "tokenizer.json")
    model_files.write_taxonomy(data / TAXONOMY, folder / "iptc-media-topics.json")
    texts, held_out = topics.split(read_topics(out / "data", recipe))
    sample, _ = thresholds.parts(held_out)
    sizes = export.Sizes(recipe.window, recipe.stride, rounds[0].opening)
    export.export_embedder(embedder, folder / "embedder.onnx")

    def write() -> None:
        export.export_graph(model, sizes.window, folder / "model.onnx")
        export.write_config(folder, model, [0.0] * len(topics.TOPICS), sizes)
        model_files.write_checksums(folder)
        spread(folder / "model.onnx", openings(Encoder.load(folder), [text.text for text in texts]))
        model_files.write_checksums(folder)

    write()
    scale, shift = calibration.fit(score(Analyzer.load(folder, folder / "iptc-media-topics.json"), sample))
    log.info("topic logits times %.3f, plus %.3f", scale, shift)
    model.scale_topics(scale, shift)
    write()
    write_concepts(folder, data / TAXONOMY)
    log.info("%s", write_blend(folder, sample))
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the archives")
    parser.add_argument("--out", type=Path, required=True, help="folder for work files and the finished model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--unrestricted", action="store_true", help="without sets for research or non-commercial use")
    arguments = parser.parse_args()
    keep_freed()
    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    kept: list[logging.Handler] = [logging.StreamHandler(), logging.FileHandler(arguments.out / "training.log")]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", handlers=kept)
    recipe = UNRESTRICTED if arguments.unrestricted else Recipe()
    make_checkpoint(arguments.data, arguments.out, recipe)
    make_embedder(arguments.data, arguments.out, recipe, ROUNDS)
    folder = finish(arguments.data, arguments.out, recipe, ROUNDS)
    evaluate.report(arguments.data, folder, arguments.out / "data", [])


if __name__ == "__main__":
    main()
