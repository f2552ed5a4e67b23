from pathlib import Path

import numpy as np

from ragtuned_kedro.retrieval.hybrid import HybridIndex, fuse
from ragtuned_kedro.retrieval.passages import PassageIndex, title_chunks
from tests.conftest import Village

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def embed(texts):
    """Count letters: near enough to meaning for three sentences."""
    rows = [[text.casefold().count(letter) + 0.01 for letter in LETTERS] for text in texts]
    vectors = np.array(rows, dtype=np.float32).reshape(len(texts), len(LETTERS))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_unit_that_both_orders_name_beats_one_that_is_first_in_one():
    assert next(at for at, _ in fuse([[0, 1], [2, 1]])) == 1
    assert fuse([[7]]) == [(7, 1 / 61)]
    assert fuse([]) == []


def test_ties_go_to_the_earlier_unit():
    assert [at for at, _ in fuse([[3, 1], [1, 3]])] == [1, 3]


def test_words_and_meaning_both_find_and_a_stem_counts_as_its_word():
    index = HybridIndex.build(["x", "y", "z"], ["Otto rings bells", "zzz qqq", "The of and"], embed)
    (hits,) = index.search(["Who rang the bell?"], embed, n_hits=2)
    assert hits[0].unit_id == "x"
    assert len(hits) == 2


def test_an_index_of_nothing_and_texts_without_words_find_without_failing():
    assert HybridIndex.build([], [], embed).search(["Who?"], embed, n_hits=3) == [[]]
    (hits,) = HybridIndex.build(["a"], ["the of and"], embed).search(["the"], embed, n_hits=3)
    assert [hit.unit_id for hit in hits] == ["a"]


def test_an_index_read_back_finds_the_same(tmp_path: Path, village: Village):
    built = PassageIndex.build(village.chunks, village.sentences, village.documents, embed)
    built.save(tmp_path)
    asked = ["Who painted the door red?", "Who rang the bell?"]
    first = built.search(asked, embed, n_chunks=3)
    again = PassageIndex.load(tmp_path).search(asked, embed, n_chunks=3)
    for one, other in zip(first, again, strict=True):
        assert one.chunks == other.chunks
        assert one.nearest == other.nearest
        assert (one.sentence_scores == other.sentence_scores).all()


def test_best_sentences_are_of_the_named_chunks_and_nearest_first(village: Village):
    index = PassageIndex.build(village.chunks, village.sentences, village.documents, embed)
    (found,) = index.search(["Who painted the door red?"], embed, n_chunks=3)
    allowed = {hit.unit_id for hit in found.chunks}
    best = index.best_sentences(found, allowed, n_sentences=2)
    assert all(index.chunk_of(hit.unit_id) in allowed for hit in best)
    assert [hit.score for hit in best] == sorted((hit.score for hit in best), reverse=True)


def test_a_chunk_stands_under_its_title_and_date(village: Village):
    titled = dict(title_chunks(village.chunks, village.documents))
    assert set(titled) == set(village.chunks["chunk_id"])
    assert sum(text.startswith("The mill, 2 March 1901\n") for text in titled.values()) == sum(
        village.chunks["doc_id"] == village.documents.set_index("title").loc["The mill", "doc_id"]
    )
