import numpy as np

from ragtuned_kedro.language_models.embedder import embed_once


def vectors_of(texts):
    return np.array([[len(text), 1.0] for text in texts], dtype=np.float32).reshape(-1, 2)


def test_the_same_texts_are_embedded_once_by_each_embedder(tmp_path):
    asked = []

    def embed(texts):
        asked.append(list(texts))
        return vectors_of(texts)

    for texts in (["a", "bc"], ["bc", "a"], ["a"], []):
        for _ in range(2):
            found = embed_once(embed, tmp_path, model_id="one")(texts)
            np.testing.assert_array_equal(found, vectors_of(texts))
    assert asked == [["a", "bc"], ["bc", "a"], ["a"], []]
    embed_once(embed, tmp_path, model_id="other")(["a"])
    assert asked[4:] == [["a"]]
